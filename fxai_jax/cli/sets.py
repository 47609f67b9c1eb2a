"""Running one function over the faces of a set, for the commands that take folders."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card
from fxai_jax.cli.shared import read_face, tell
from fxai_jax.command_line import STDERR
from fxai_jax.runners.journal import Record
from fxai_jax.runners.streaming import run_images

Files = Annotated[list[Path], tyro.conf.Positional]
"""Images and folders of images, given by their place."""


def run_set(
    function: Callable[..., dict[str, Any]],
    model: FaceModel,
    card: Card,
    paths: Sequence[Path],
    options: Mapping[str, Any],
    *,
    landmarks: Path | None,
    batch_size: int,
    journal: Path | None,
) -> list[Record]:
    """Runs a function of one face over files; tells which ones were skipped.

    Args:
        function: Function of model, key and image.
        model: The network.
        card: Its card.
        paths: Image files.
        options: What the values depend on, with the seed.
        landmarks: JSON file with five points per image, or None.
        batch_size: Images alive together.
        journal: File that lets a run that was cut off go on.

    Returns:
        The records of the images that could be used, named by their paths.

    Raises:
        ValueError: If none of them could.
    """
    records = run_images(
        function,
        model,
        jax.random.key(options["seed"]),
        paths,
        partial(read_face, landmarks=landmarks, card=card),
        batch_size=batch_size,
        journal=journal,
        fingerprint={**options, "weights_sha256": card.weights_sha256},
        progress=STDERR,
    )
    errors = [record.error for record in records if record.error is not None]
    if len(errors) == len(records):
        raise ValueError(
            f"none of the {len(records)} images can be used; the first: {errors[0]}"
        )
    tell(f"skipped {error}" for error in errors)
    if errors:
        tell([f"{len(errors)} of {len(records)} images were skipped"])
    return [record for record in records if record.error is None]
