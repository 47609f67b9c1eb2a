"""``fxai-jax demo``: all four explanations on the sample faces."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.attention_maps import write_variation
from fxai_jax.cli.pair_maps import pair_row, write_fggb, write_frequency
from fxai_jax.cli.quality_maps import plq_row, write_plq
from fxai_jax.cli.shared import DEFAULT, OUT, pair_threshold
from fxai_jax.command_line import STDERR
from fxai_jax.data.faces import sample_face, sample_path
from fxai_jax.methods import frequency
from fxai_jax.runners import faces, pairs
from fxai_jax.runners.compiling import compile_timed, face_shape

PAIRS = {"genuine": ("a_1", "a_2"), "impostor": ("a_1", "b_1")}
WHOLE = ("a_1", "a_2", "a_3", "b_1", "c_1")
MIDDLING = "a_3"
HALF = "a_partial"
LOW_RESOLUTION = (14, 14)


def demo(*, out: Path = OUT) -> None:
    """Explain the sample faces with the network that ships, by all four methods.

    FGGB and frequencies on a genuine and an impostor pair; pixel quality (PLQ) of a
    good face and of a middling one; attention (AMVA) of five faces and of the same
    at 14x14 pixels. Writes a figure, the raw arrays and a manifest for each.

    Args:
        out: Folder for the results.
    """
    card, model = load_card(DEFAULT), load_backbone(DEFAULT)
    _demo_pairs(model, card, out)
    _demo_quality(model, card, out)
    _demo_attention(model, card, out)
    print(f"figures, raw arrays and manifests are in {out}")


def _demo_pairs(model: FaceModel, card: Card, out: Path) -> None:
    threshold = pair_threshold(None, card)
    bands = frequency.radial_bands(card.image_size)
    with STDERR.status("compiling FGGB"):
        explain_pixels, pixel_seconds = pairs.compile_fggb(model, card.image_size)
    with STDERR.status("compiling frequencies"):
        explain_bands, band_seconds = pairs.compile_frequency(model, bands)
    heads = ("cosine", "threshold", "decision", "compile s", "run s")
    table = Table("method", "pair", *heads)
    for kind, names in PAIRS.items():
        paths = [sample_path(name) for name in names]
        images = [sample_face(name) for name in names]
        result = explain_pixels(images[0], images[1], threshold)
        options = {"method": "fggb", "gradient": "absolute", "threshold": threshold}
        stem = out / f"demo_fggb_{kind}"
        write_fggb(stem, paths, images, result, card, options)
        title = f"{kind}: {names[0]}, {names[1]}"
        table.add_row("fggb", title, *pair_row(result, threshold, pixel_seconds))
        result = explain_bands(images[0], images[1])
        options = {"method": "frequency", "threshold": threshold}
        stem = out / f"demo_frequency_{kind}"
        write_frequency(stem, paths, images, result, bands, card, options)
        table.add_row("frequency", title, *pair_row(result, threshold, band_seconds))
        pixel_seconds = band_seconds = 0.0  # compiled once, used for both pairs
    Console().print(table)


def _demo_quality(model: FaceModel, card: Card, out: Path) -> None:
    regression = "uniform"
    constants = faces.quality_constants(card, regression)
    function = faces.plq_function(constants, regression=regression, passes=100)
    key = jax.random.key(0)
    with STDERR.status("compiling PLQ"):
        explain, seconds = compile_timed(
            function, model, key, face_shape(card.image_size)
        )
    table = Table("method", "face", "quality", "SER-FIQ", "standard error", "compile s")
    for name in (WHOLE[0], MIDDLING):
        face = sample_face(name)
        result = jax.device_get(explain(model, faces.image_key(key, face), face))
        options = {"method": "plq", "regression": regression, "passes": 100, "seed": 0}
        stem = out / f"demo_plq_{name}"
        write_plq(stem, sample_path(name), face, result, card, options)
        table.add_row("plq", name, *plq_row(result), f"{seconds:.1f}")
        seconds = 0.0
    Console().print(table)


def _demo_attention(model: FaceModel, card: Card, out: Path) -> None:
    good = [sample_face(name) for name in WHOLE]
    bad = [
        np.asarray(frequency.lower_resolution(jnp.asarray(face), LOW_RESOLUTION))
        for face in good
    ]
    explain = faces.compile_activation(model, card.image_size)
    images = track(
        [*good, *bad, sample_face(HALF)], "attention", console=STDERR, transient=True
    )
    activations = jnp.stack([explain(image) for image in images])
    write_variation(
        out / "demo_amva",
        activations[: len(good)],
        activations[len(good) : -1],
        (sample_face(HALF), activations[-1]),
        card,
        {name: sample_path(name) for name in (*WHOLE, HALF)},
        {"method": "amva", "low_resolution": LOW_RESOLUTION},
    )
