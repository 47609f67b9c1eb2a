"""``fxai-jax explain plq``: which pixels of one face are good enough."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.cards import Card
from fxai_jax.cli.explain.writing import free_stem, write_explained
from fxai_jax.cli.options import (
    DEFAULT,
    FIGURES,
    OUT,
    Backbone,
    FigureFiles,
    Figures,
    Landmarks,
    Out,
    Passes,
    Seed,
    cells,
    landmark_facts,
    made,
)
from fxai_jax.command_line import STDERR, File
from fxai_jax.data.images import Pixels
from fxai_jax.explain.plq import compile_plq, notices, quality_constants
from fxai_jax.methods.plq import PixelQuality, Regression
from fxai_jax.networks import open_network
from fxai_jax.runs.keys import image_key, run_key
from fxai_jax.runs.manifest import flat, make_manifest
from fxai_jax.runs.progress import tell
from fxai_jax.runs.reading import face_reader

COLUMNS = ("quality", "SER-FIQ", "standard error")


def explain_plq(
    image: File,
    *,
    backbone: Backbone = DEFAULT,
    regression: Regression = "uniform",
    passes: Passes = 100,
    seed: Seed = 0,
    landmarks: Landmarks = None,
    figures: Figures = FIGURES,
    out: Out = OUT,
) -> None:
    """Show which pixels of a face are good enough for recognition (PLQ).

    Writes a figure, the raw map (.npz) and a manifest (.json). Quality and map depend
    on constants of the network, which its card holds (see fxai-jax calibrate). Where
    --out has results of another image of this name, folders are added to the name.

    Args:
        image: Image of an aligned face, or a photograph with --landmarks.
        regression: uniform as published, or minimum_norm, which is always stable.
    """
    model, card = open_network(backbone)
    constants = quality_constants(card, regression)
    face = face_reader(card, landmarks, [image])(image)
    options = {"regression": regression, "passes": passes}
    with STDERR.status("explaining"):
        explain, seconds = compile_plq(model, card, **options)
        result = explain(image_key(run_key(seed), face), face)
    told = {"method": "plq", **options, "seed": seed, **constants}
    told |= landmark_facts(landmarks)
    stem = free_stem(made(out), "plq", {"image": image})
    write_plq(stem, image, face, result, card, told, figures)
    table = Table(*COLUMNS, "compile s")
    table.add_row(*plq_cells(result), f"{seconds:.1f}")
    Console().print(table)


def write_plq(
    stem: Path,
    path: Path,
    face: Pixels,
    result: PixelQuality,
    card: Card,
    options: Mapping[str, Any],
    files: FigureFiles = FIGURES,
) -> None:
    """Writes what PLQ says of a face; `options` hold the regression."""
    tell(STDERR, notices(result, options["regression"]))
    figure = visualize.quality_figure(face, result, name=path.stem)
    manifest = make_manifest(card, {"image": path}, options)
    write_explained(stem, figure, flat("", result), manifest, files)


def plq_cells(result: PixelQuality) -> list[str]:
    """Cells under `COLUMNS`."""
    raw = result.ser_fiq
    return cells(result.quality, raw.quality, raw.standard_error)
