"""Tasks over the images of folders, and over the pairs and images of lists."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fxai_jax.data.images import Pixels
from fxai_jax.data.pairs import Pairs
from fxai_jax.runs.running import Function, Task

PAIRS_TOGETHER = 4
"""Pairs alive together: each is embedded for every step of a curve."""


def over_files(
    title: str,
    function: Function,
    shared: Any,
    paths: Sequence[Path],
    read: Callable[[Path], Pixels],
    **rest: Any,
) -> Task:
    """A task over image files, each named by its path; `rest` are fields of `Task`."""
    names = [str(path) for path in paths]
    return Task(title, function, shared, names, lambda i: (read(paths[i]),), **rest)


def over_pairs(
    title: str, function: Function, shared: Any, pairs: Pairs, **rest: Any
) -> Task:
    """A task over pairs, whose function gets probe and gallery."""
    names = [pairs.name(i) for i in range(len(pairs))]
    usual: dict[str, Any] = {"unit": "pairs", "batch_size": PAIRS_TOGETHER}
    return Task(title, function, shared, names, pairs.read_pair, **usual | rest)


def over_images(
    title: str, function: Function, shared: Any, pairs: Pairs, **rest: Any
) -> Task:
    """A task over the images that pairs use, each once, in the order of `used`."""
    used = pairs.used()
    names = [pairs.images[i] for i in used]

    def load(i: int) -> tuple[np.ndarray]:
        return (pairs.read(int(used[i])),)

    return Task(title, function, shared, names, load, **rest)
