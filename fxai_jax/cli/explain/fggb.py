"""``fxai-jax explain fggb``: which pixels make two faces match."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.cards import Card, threshold_of
from fxai_jax.cli.explain.writing import PAIR_COLUMNS, free_stem, pair_cells, write_pair
from fxai_jax.cli.options import (
    DEFAULT,
    FIGURES,
    OUT,
    Backbone,
    FigureFiles,
    Figures,
    Landmarks,
    Out,
    Threshold,
    landmark_facts,
    made,
)
from fxai_jax.command_line import STDERR, File
from fxai_jax.data.images import Pixels
from fxai_jax.explain.both_sides import BothSides
from fxai_jax.explain.fggb import compile_fggb
from fxai_jax.methods.fggb import GradientForm
from fxai_jax.networks import open_network
from fxai_jax.runs.reading import face_reader


def explain_fggb(
    probe: File,
    gallery: File,
    *,
    backbone: Backbone = DEFAULT,
    threshold: Threshold = None,
    gradient: GradientForm = "absolute",
    landmarks: Landmarks = None,
    chunk_size: int = 16,
    figures: Figures = FIGURES,
    out: Out = OUT,
) -> None:
    """Show which pixels make two faces match, and which make them differ (FGGB).

    Writes a figure, the raw maps (.npz) and a manifest (.json). With --gradient
    absolute all channels' maps are alike, so one of the two maps is nearly empty;
    split fills both for every pair; signed maps are to be ranked by magnitude. Where
    --out has results of other images of these names, folders are added to the name.

    Args:
        probe: Image of an aligned face, or a photograph with --landmarks.
        gallery: Image of the face to compare with.
        gradient: How a channel's gradient becomes a map.
        chunk_size: Embedding channels pulled back together; more takes more memory.
    """
    model, card = open_network(backbone)
    threshold = threshold_of(card, threshold)
    read = face_reader(card, landmarks, (probe, gallery))
    a, b = read(probe), read(gallery)
    options = {"gradient": gradient, "chunk_size": chunk_size}
    with STDERR.status("compiling FGGB"):
        explain, seconds = compile_fggb(model, card.image_size, **options)
    with STDERR.status("explaining"):
        result = explain(a, b, threshold)
    told = {"method": "fggb", **options, "threshold": threshold}
    told |= landmark_facts(landmarks)
    stem = free_stem(made(out), "fggb", {"probe": probe, "gallery": gallery})
    write_fggb(stem, (probe, gallery), (a, b), result, card, told, figures)
    table = Table(*PAIR_COLUMNS)
    table.add_row(*pair_cells(result, threshold, seconds))
    Console().print(table)


def write_fggb(
    stem: Path,
    paths: tuple[Path, Path],
    images: tuple[Pixels, Pixels],
    result: BothSides,
    card: Card,
    options: Mapping[str, Any],
    files: FigureFiles = FIGURES,
) -> None:
    """Writes what FGGB says of a pair; `options` hold the threshold."""
    figure = visualize.pair_figure(
        *images,
        result.probe,
        result.gallery,
        threshold=options["threshold"],
        names=(paths[0].stem, paths[1].stem),
    )
    write_pair(stem, figure, paths, result, card, options, files=files)
