"""One view of every kind of labelled pair list: distinct images, and pairs of them.

A network embeds each image once, however many pairs it is in.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from fxai_jax.data.bins import read_bin
from fxai_jax.data.images import SIZE, Pixels, decode_image, image_size, load_image
from fxai_jax.data.pairs import read_pairs


class PairSet(NamedTuple):
    """The n pairs of a list, as places in its distinct images."""

    images: list[str]
    """Name of each image: its path, or "image 17 of lfw.bin"."""

    read: Callable[[int], Pixels]
    """Decodes image i as RGB in [0, 1] with shape (h, w, 3). What it raises, a
    ValueError or OSError, names the image."""

    probe: Int[np.ndarray, " n"]
    """Place of each pair's first image."""

    gallery: Int[np.ndarray, " n"]
    """Place of each pair's second image."""

    genuine: Bool[np.ndarray, " n"]
    """True where both images show one person."""

    groups: dict[str, list[str]]
    """Further columns by their names, one text per pair."""

    measure: Callable[[int], tuple[int, int]]
    """Height and width of image i by its header alone; raises as `read` does."""


def open_pairs(
    path: str | Path,
    *,
    root: str | Path | None = None,
    size: tuple[int, int] | None = SIZE,
) -> PairSet:
    """Opens a list of pairs; its content, not its name, tells which kind it is.

    No image is decoded before it is read, so a damaged one costs its own pairs only.

    Args:
        path: Table or list in LFW's style (see `fxai_jax.data.pairs.read_pairs`), or a
            packed benchmark such as lfw.bin (see `fxai_jax.data.bins.read_bin`).
        root: Folder to which the images of a list are relative; None is the folder of
            the list. A packed benchmark holds its images and needs none.
        size: Height and width that images must have in pixels; None accepts any size.

    Returns:
        The pairs. An image that several pairs name, or that a packed benchmark holds
        several times, is there once.

    Raises:
        FileNotFoundError: If the list or images are missing.
        ValueError: If the list is damaged, inconsistent, or asks to run anything.

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> pairs = open_pairs(sample_pairs())
        >>> len(pairs.images), len(pairs.genuine), int(pairs.genuine.sum())
        (6, 30, 12)
        >>> pairs.read(0).shape
        (112, 112, 3)
    """
    path = Path(path)
    return _packed(path, size) if _is_pickle(path) else _listed(path, root, size)


def take_pairs(pairs: PairSet, rows: Int[np.ndarray, " m"]) -> PairSet:
    """Some pairs of a set, such as those of one group.

    Args:
        pairs: Pairs.
        rows: Their places in the set, in the wanted order.

    Returns:
        These pairs; images that they do not use stay.

    Raises:
        IndexError: If there is no such pair.

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> pairs = open_pairs(sample_pairs())
        >>> take_pairs(pairs, np.flatnonzero(pairs.genuine)).genuine.shape
        (12,)
    """
    return pairs._replace(
        probe=pairs.probe[rows],
        gallery=pairs.gallery[rows],
        genuine=pairs.genuine[rows],
        groups={name: [texts[i] for i in rows] for name, texts in pairs.groups.items()},
    )


def limit_pairs(pairs: PairSet, count: int, *, seed: int) -> PairSet:
    """A random part of a set with the same share of genuine pairs, in the same order.

    With the same seed, a larger part holds every smaller one.

    Args:
        pairs: Pairs.
        count: Most pairs to keep.
        seed: Start of the random numbers, non-negative.

    Returns:
        The part, with at least one pair of each kind that exists; the set itself where
        it is no larger than `count`. Images that it does not use stay.

    Raises:
        ValueError: If `count` is too small for one pair of each kind.

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> limit_pairs(open_pairs(sample_pairs()), 5, seed=0).genuine.sum()
        np.int64(2)
    """
    total, genuine = pairs.genuine.size, int(pairs.genuine.sum())
    least = (genuine > 0) + (genuine < total)
    if count < least:
        raise ValueError(
            f"{count} pairs cannot hold one of each kind; keep at least {least}"
        )
    if count >= total:
        return pairs
    share = round(count * genuine / total)
    if least == 2:
        share = min(max(share, 1), count - 1)
    rng = np.random.default_rng(seed)
    kept = [
        rng.permutation(np.flatnonzero(pairs.genuine == kind))[:number]
        for kind, number in ((True, share), (False, count - share))
    ]
    return take_pairs(pairs, np.sort(np.concatenate(kept)))


def _is_pickle(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(1) == b"\x80"


def _listed(
    path: Path, root: str | Path | None, size: tuple[int, int] | None
) -> PairSet:
    pairs = read_pairs(path, root=root)
    paths = list(dict.fromkeys([*pairs.probe, *pairs.gallery]))
    place = {image: i for i, image in enumerate(paths)}
    return PairSet(
        [str(image) for image in paths],
        lambda i: load_image(paths[i], size=size),
        np.array([place[image] for image in pairs.probe]),
        np.array([place[image] for image in pairs.gallery]),
        pairs.genuine,
        pairs.groups,
        lambda i: image_size(paths[i], str(paths[i])),
    )


def _packed(path: Path, size: tuple[int, int] | None) -> PairSet:
    contents, genuine = read_bin(path)
    first: dict[bytes, int] = {}
    for number, content in enumerate(contents):
        first.setdefault(content, number)
    place = {content: i for i, content in enumerate(first)}
    places = np.array([place[content] for content in contents])
    images = list(first)
    names = [f"image {number} of {path.name}" for number in first.values()]
    return PairSet(
        names,
        lambda i: decode_image(images[i], names[i], size=size),
        places[0::2],
        places[1::2],
        genuine,
        {},
        lambda i: image_size(images[i], names[i]),
    )
