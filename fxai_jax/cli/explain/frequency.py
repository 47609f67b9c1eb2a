"""``fxai-jax explain frequency``: which spatial frequencies carry a decision."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.array_types import Perturb
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
from fxai_jax.explain.frequency import compile_frequency
from fxai_jax.methods.frequency import Bands, Corners, Shape, radial_bands
from fxai_jax.networks import open_network
from fxai_jax.runs.reading import face_reader


def explain_frequency(
    probe: File,
    gallery: File,
    *,
    backbone: Backbone = DEFAULT,
    width: int = 4,
    shape: Shape = "radial",
    corners: Corners = "own",
    perturb: Perturb = "probe",
    threshold: Threshold = None,
    landmarks: Landmarks = None,
    figures: Figures = FIGURES,
    out: Out = OUT,
) -> None:
    """Show which spatial frequencies carry the decision on a pair.

    Each band of the probe's spectrum is removed in turn; what the cosine loses, the
    band had contributed. Writes a figure of the probe, the influences on both faces
    (.npz) and a manifest (.json). Where --out has results of other images of these
    names, folders are added to the name.

    Args:
        probe: Image of an aligned face, or a photograph with --landmarks.
        gallery: Image of the face to compare with.
        width: Width of a band in cycles per image.
        shape: Bands as rings (radial) or square frames.
        corners: Frequencies above the last whole band: own band, merged or dropped.
        perturb: Remove the band from the probe alone, or from both images.
    """
    model, card = open_network(backbone)
    threshold = threshold_of(card, threshold)
    read = face_reader(card, landmarks, (probe, gallery))
    a, b = read(probe), read(gallery)
    layout = {"width": width, "shape": shape, "corners": corners}
    bands = radial_bands(card.image_size, **layout)
    with STDERR.status("explaining"):
        explain, seconds = compile_frequency(model, bands, perturb=perturb)
        result = explain(a, b)
    told = {"method": "frequency", **layout, "perturb": perturb}
    told |= {"threshold": threshold, **landmark_facts(landmarks)}
    stem = free_stem(made(out), "frequency", {"probe": probe, "gallery": gallery})
    write_frequency(stem, (probe, gallery), (a, b), result, bands, card, told, figures)
    table = Table(*PAIR_COLUMNS)
    table.add_row(*pair_cells(result, threshold, seconds))
    Console().print(table)


def write_frequency(
    stem: Path,
    paths: tuple[Path, Path],
    images: tuple[Pixels, Pixels],
    result: BothSides,
    bands: Bands,
    card: Card,
    options: Mapping[str, Any],
    files: FigureFiles = FIGURES,
) -> None:
    """Writes what the frequencies say of a pair; `options` hold the threshold."""
    figure = visualize.frequency_figure(
        *images,
        result.probe,
        jax.device_get(bands),
        names=(paths[0].stem, paths[1].stem),
        threshold=options["threshold"],
    )
    layout = {"edges": bands.edges, "coefficients": bands.coefficients}
    write_pair(stem, figure, paths, result, card, options, layout, files)
