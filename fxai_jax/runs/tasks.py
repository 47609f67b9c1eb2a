"""Tasks over the images of folders, and over the pairs and images of lists."""

import os
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
    stamps = [_stamp(path) for path in paths]
    return Task(
        title,
        function,
        shared,
        names,
        lambda i: (read(paths[i]),),
        stamps=stamps,
        **rest,
    )


def over_pairs(
    title: str, function: Function, shared: Any, pairs: Pairs, **rest: Any
) -> Task:
    """A task over pairs, whose function gets probe and gallery."""
    names = [pairs.name(i) for i in range(len(pairs))]
    stamp = _image_stamps(pairs)
    sides = zip(pairs.probe.tolist(), pairs.gallery.tolist(), strict=True)
    usual: dict[str, Any] = {"unit": "pairs", "batch_size": PAIRS_TOGETHER}
    usual["stamps"] = [f"{stamp[probe]} {stamp[gallery]}" for probe, gallery in sides]
    return Task(title, function, shared, names, pairs.read_pair, **usual | rest)


def over_images(
    title: str, function: Function, shared: Any, pairs: Pairs, **rest: Any
) -> Task:
    """A task over the images that pairs use, each once, in the order of `used`."""
    used = pairs.used()
    names = [pairs.images[i] for i in used]

    def load(i: int) -> tuple[np.ndarray]:
        return (pairs.read(int(used[i])),)

    stamps = list(_image_stamps(pairs).values())
    return Task(title, function, shared, names, load, stamps=stamps, **rest)


def _image_stamps(pairs: Pairs) -> dict[int, str]:
    """The stamp of each image that is used: of its file, or of the packed one."""
    packed = "" if pairs.source is None else _stamp(pairs.source)
    return {i: _stamp(pairs.images[i]) or packed for i in pairs.used().tolist()}


def _stamp(path: str | Path) -> str:
    """Where a file is and its state; nothing for what is no file."""
    try:
        state = os.stat(path)
    except OSError:
        return ""
    return f"{os.path.abspath(path)} {state.st_size} {state.st_mtime_ns}"
