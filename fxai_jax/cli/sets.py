"""Finding the faces of a set and running a function over them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card, fingerprint
from fxai_jax.command_line import STDERR
from fxai_jax.data.finding import find_images
from fxai_jax.data.images import Pixels
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.progress import tell
from fxai_jax.runs.running import Function, Results, run
from fxai_jax.runs.tasks import over_files


def found_images(given: Sequence[Path]) -> list[Path]:
    """The images of what was given; tells what was left out."""
    found = find_images(given)
    tell(STDERR, found.notices())
    return found.paths


def run_set(
    function: Function,
    model: FaceModel,
    card: Card,
    paths: Sequence[Path],
    read: Callable[[Path], Pixels],
    told: Mapping[str, Any],
    options: RunOptions,
    *,
    title: str,
    file: str,
) -> Results:
    """Runs a function of one face over files; tells which ones were left out.

    `told` is what the values depend on beside the network, with the passes; `file` the
    journal in the folder of `options.resume`.
    """
    task = over_files(
        title,
        function,
        model,
        paths,
        read,
        static={"passes": told["passes"]},
        depends={**told, **fingerprint(card)},
        file=file,
    )
    found = run(task, options)
    tell(STDERR, [f"skipped {error}" for error in found.errors])
    if found.errors:
        tell(STDERR, [f"{len(found.errors)} of {len(paths)} images were skipped"])
    return found
