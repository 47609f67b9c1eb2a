"""``fxai-jax demo``: all four explanations on the sample faces."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card, load_card, threshold_of
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.explain.amva import write_variation
from fxai_jax.cli.explain.fggb import write_fggb
from fxai_jax.cli.explain.frequency import write_frequency
from fxai_jax.cli.explain.plq import COLUMNS, plq_cells, write_plq
from fxai_jax.cli.explain.writing import PAIR_COLUMNS, pair_cells
from fxai_jax.cli.options import (
    DEFAULT,
    FIGURES,
    OUT,
    FigureFiles,
    Figures,
    Out,
    made,
)
from fxai_jax.command_line import STDERR
from fxai_jax.data.names import printable
from fxai_jax.data.samples import sample_face, sample_path
from fxai_jax.explain.amva import compile_activation
from fxai_jax.explain.fggb import compile_fggb
from fxai_jax.explain.frequency import compile_frequency
from fxai_jax.explain.plq import compile_plq
from fxai_jax.methods import frequency
from fxai_jax.runs.keys import image_key
from fxai_jax.runs.manifest import make_manifest
from fxai_jax.runs.progress import progress

PAIRS = {"genuine": ("a_1", "a_2"), "impostor": ("a_1", "b_1")}
WHOLE = ("a_1", "a_2", "a_3", "b_1", "c_1")
MIDDLING = "a_3"
HALF = "a_partial"
LOW_RESOLUTION = (14, 14)


def demo(*, figures: Figures = FIGURES, out: Out = OUT) -> None:
    """Explain the sample faces with the network that ships, by all four methods.

    FGGB and frequencies on a genuine and an impostor pair; pixel quality (PLQ) of a
    good face and of a middling one; attention (AMVA) of five faces and of the same
    at 14x14 pixels. Writes a figure, the raw arrays and a manifest for each.
    """
    card, model = load_card(DEFAULT), load_backbone(DEFAULT)
    made(out)
    _demo_pairs(model, card, out, figures)
    _demo_quality(model, card, out, figures)
    _demo_attention(model, card, out, figures)
    print(printable(f"figures, raw arrays and manifests are in {out}"))


def _demo_pairs(model: FaceModel, card: Card, out: Path, files: FigureFiles) -> None:
    threshold = threshold_of(card, None)
    bands = frequency.radial_bands(card.image_size)
    with STDERR.status("compiling FGGB"):
        explain_pixels, pixel_seconds = compile_fggb(model, card.image_size)
    with STDERR.status("compiling frequencies"):
        explain_bands, band_seconds = compile_frequency(model, bands)
    table = Table("method", "pair", *PAIR_COLUMNS)
    for kind, names in PAIRS.items():
        paths = sample_path(names[0]), sample_path(names[1])
        images = sample_face(names[0]), sample_face(names[1])
        result = explain_pixels(images[0], images[1], threshold)
        options = {"method": "fggb", "gradient": "absolute", "threshold": threshold}
        stem = out / f"demo_fggb_{kind}"
        write_fggb(stem, paths, images, result, card, options, files)
        title = f"{kind}: {names[0]}, {names[1]}"
        table.add_row("fggb", title, *pair_cells(result, threshold, pixel_seconds))
        result = explain_bands(images[0], images[1])
        options = {"method": "frequency", "threshold": threshold}
        stem = out / f"demo_frequency_{kind}"
        write_frequency(stem, paths, images, result, bands, card, options, files)
        table.add_row("frequency", title, *pair_cells(result, threshold, band_seconds))
        pixel_seconds = band_seconds = 0.0  # compiled once, used for both pairs
    Console().print(table)


def _demo_quality(model: FaceModel, card: Card, out: Path, files: FigureFiles) -> None:
    options = {"method": "plq", "regression": "uniform", "passes": 100, "seed": 0}
    with STDERR.status("compiling PLQ"):
        explain, seconds = compile_plq(model, card)
    table = Table("method", "face", *COLUMNS, "compile s")
    for name in (WHOLE[0], MIDDLING):
        face = sample_face(name)
        result = explain(image_key(jax.random.key(0), face), face)
        stem = out / f"demo_plq_{name}"
        write_plq(stem, sample_path(name), face, result, card, options, files)
        table.add_row("plq", name, *plq_cells(result), f"{seconds:.1f}")
        seconds = 0.0
    Console().print(table)


def _demo_attention(
    model: FaceModel, card: Card, out: Path, files: FigureFiles
) -> None:
    good = [sample_face(name) for name in WHOLE]
    bad = [
        np.asarray(frequency.lower_resolution(jnp.asarray(face), LOW_RESOLUTION))
        for face in good
    ]
    explain = compile_activation(model, card.image_size)
    images, activations = [*good, *bad, sample_face(HALF)], []
    with progress(STDERR, "attention", "faces", len(images)) as advance:
        for image in images:
            activations.append(explain(image))
            advance(1)
    activations = jnp.stack(activations)
    inputs = {name: sample_path(name) for name in (*WHOLE, HALF)}
    told = {"method": "amva", "low_resolution": LOW_RESOLUTION}
    write_variation(
        out / "demo_amva",
        activations[: len(good)],
        activations[len(good) : -1],
        (HALF, sample_face(HALF), activations[-1]),
        make_manifest(card, inputs, told),
        files,
    )
