"""Tasks over the images of folders, and over the pairs and images of lists."""

import os
from collections.abc import Callable, Sequence
from functools import cache
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
    return Task(
        title,
        function,
        shared,
        names,
        lambda i: (read(paths[i]),),
        stamp=lambda i: _stamp(paths[i]),
        **rest,
    )


def over_pairs(
    title: str, function: Function, shared: Any, pairs: Pairs, **rest: Any
) -> Task:
    """A task over pairs, whose function gets probe and gallery."""
    names = [pairs.name(i) for i in range(len(pairs))]
    image_stamp = _image_stamp(pairs)

    def stamp(i: int) -> str:
        return " ".join(
            image_stamp(int(side[i])) for side in (pairs.probe, pairs.gallery)
        )

    usual: dict[str, Any] = {"unit": "pairs", "batch_size": PAIRS_TOGETHER}
    usual["stamp"] = stamp
    return Task(title, function, shared, names, pairs.read_pair, **usual | rest)


def over_images(
    title: str, function: Function, shared: Any, pairs: Pairs, **rest: Any
) -> Task:
    """A task over the images that pairs use, each once, in the order of `used`."""
    used = pairs.used()
    names = [pairs.images[i] for i in used]

    def load(i: int) -> tuple[np.ndarray]:
        return (pairs.read(int(used[i])),)

    image_stamp = _image_stamp(pairs)

    def stamp(i: int) -> str:
        return image_stamp(int(used[i]))

    return Task(title, function, shared, names, load, stamp=stamp, **rest)


def _image_stamp(pairs: Pairs) -> Callable[[int], str]:
    """The stamp of an image, asked once: that of its file, or of the packed one."""
    source = cache(lambda: "" if pairs.source is None else _stamp(pairs.source))
    return cache(lambda i: _stamp(pairs.images[i]) or source())


def _stamp(path: str | Path) -> str:
    """Where a file is and its state; nothing for what is no file."""
    try:
        state = os.stat(path)
    except OSError:
        return ""
    return f"{os.path.abspath(path)} {state.st_size} {state.st_mtime_ns}"
