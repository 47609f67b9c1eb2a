"""``fxai-jax explain plq``: which pixels of one face are good enough."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.shared import DEFAULT, OUT, read_face, tell
from fxai_jax.command_line import STDERR, File
from fxai_jax.data.images import Pixels
from fxai_jax.methods import plq
from fxai_jax.runners import faces
from fxai_jax.runners.compiling import compile_timed, face_shape
from fxai_jax.runners.results import flat, make_manifest, write_result


def explain_plq(
    image: File,
    *,
    backbone: str = DEFAULT,
    regression: plq.Regression = "uniform",
    passes: int = 100,
    seed: int = 0,
    landmarks: Path | None = None,
    out: Path = OUT,
) -> None:
    """Show which pixels of a face are good enough for recognition (PLQ).

    Writes a figure, the raw map (.npz) and a manifest (.json). Quality and map depend
    on constants of the network, which its card holds (see fxai-jax calibrate).

    Args:
        image: Image of an aligned face, or a photograph with --landmarks.
        backbone: Name of a shipped network, or a checkpoint folder.
        regression: uniform as published, or minimum_norm, which is always stable.
        passes: Stochastic passes of the quality; more make it more exact.
        seed: Start of the random numbers.
        landmarks: JSON file, five points (x, y) an image: eyes, nose, mouth corners.
        out: Folder for the results.
    """
    card = load_card(backbone)
    constants = faces.quality_constants(card, regression)
    face = read_face(image, landmarks, card)
    with STDERR.status("explaining"):
        function = faces.plq_function(constants, regression=regression, passes=passes)
        key = faces.image_key(jax.random.key(seed), face)
        model = load_backbone(backbone)
        compiled, seconds = compile_timed(
            function, model, key, face_shape(card.image_size)
        )
        result = jax.device_get(compiled(model, key, face))
    options = {"method": "plq", "regression": regression, "passes": passes}
    options |= {"seed": seed, "landmarks": landmarks and str(landmarks)}
    options |= constants
    stem = out / f"plq_{image.stem}"
    write_plq(stem, image, face, result, card, options)
    table = Table("quality", "SER-FIQ", "standard error", "compile s")
    table.add_row(*plq_row(result), f"{seconds:.1f}")
    Console().print(table)
    print(f"wrote {stem}.png, .npz and .json")


def write_plq(
    stem: Path,
    path: Path,
    face: Pixels,
    result: plq.PixelQuality,
    card: Card,
    options: Mapping[str, Any],
) -> None:
    """Writes what PLQ says of a face: figure, map, manifest.

    Args:
        stem: Target without suffix.
        path: File of the face.
        face: Its pixels.
        result: Explanation, on the host.
        card: Card of the network.
        options: Options of the run, with the regression.
    """
    tell(faces.plq_notices(result, options["regression"]))
    manifest = make_manifest(card, {"image": path}, options)
    write_result(stem, flat("", result), manifest)
    figure = visualize.quality_figure(face, result, name=path.stem)
    figure.savefig(f"{stem}.png", dpi=150)


def plq_row(result: plq.PixelQuality) -> list[str]:
    """Cells of a table: scaled quality, SER-FIQ quality, its standard error.

    Args:
        result: Explanation of a face, on the host.

    Returns:
        Three cells.
    """
    numbers = (result.quality, result.ser_fiq.quality, result.ser_fiq.standard_error)
    return [f"{float(number):.4f}" for number in numbers]
