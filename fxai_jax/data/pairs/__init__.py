"""Labelled pairs of faces, from every kind of list: one view of all of them.

A network embeds each image once, however many pairs it is in. No image is decoded
before it is read, so a damaged one costs its own pairs only.
"""

import dataclasses
import re
import stat
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from fxai_jax.data.images import SIZE, Pixels, decode_image, image_size, load_image
from fxai_jax.data.pairs.lfw import header_of, parse_lfw
from fxai_jax.data.pairs.packed import read_bin
from fxai_jax.data.pairs.tables import parse_table, read_text

Places = Int[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """The n pairs of a list, as places in its distinct images.

    Attributes:
        images: Name of each image: its path, or "image 17 of lfw.bin".
        read: Decodes image i as RGB in [0, 1] with shape (h, w, 3). What it raises, a
            ValueError or OSError, names the image.
        measure: Height and width of image i by its header alone; raises as `read`.
        probe: Place of each pair's first image, with shape (n,).
        gallery: Place of each pair's second image, with shape (n,).
        genuine: True where both images show one person, with shape (n,).
        groups: Further columns by their names, one text per pair.
        source: The file they come from, if any.
    """

    images: list[str]
    read: Callable[[int], Pixels]
    measure: Callable[[int], tuple[int, int]]
    probe: Places
    gallery: Places
    genuine: Bool[np.ndarray, " n"]
    groups: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    source: Path | None = None

    def __len__(self) -> int:
        """The number of pairs."""
        return self.genuine.size

    def take(self, rows: Places) -> "Pairs":
        """Some of the pairs, in the order of `rows`; images that none uses stay."""
        groups = {name: [x[i] for i in rows] for name, x in self.groups.items()}
        return dataclasses.replace(
            self,
            probe=self.probe[rows],
            gallery=self.gallery[rows],
            genuine=self.genuine[rows],
            groups=groups,
        )

    def limit(self, count: int, *, seed: int) -> "Pairs":
        """A random part with the same share of genuine pairs, in the same order.

        With the same seed, a larger part holds every smaller one.

        Args:
            count: Most pairs to keep.
            seed: Start of the random numbers, non-negative.

        Returns:
            The part, with at least one pair of each kind that exists; these pairs
            themselves where they are not more than `count`.

        Raises:
            ValueError: If `count` is too small for one pair of each kind.

        Example:
            >>> from fxai_jax.data.samples import sample_pairs
            >>> open_pairs(sample_pairs()).limit(5, seed=0).genuine.sum().item()
            2
        """
        total, genuine = len(self), int(self.genuine.sum())
        least = (genuine > 0) + (genuine < total)
        if count < least:
            raise ValueError(
                f"{count} pairs cannot hold one of each kind; keep at least {least}"
            )
        if count >= total:
            return self
        share = round(count * genuine / total)
        if least == 2:
            share = min(max(share, 1), count - 1)
        rng = np.random.default_rng(seed)
        kept = [
            rng.permutation(np.flatnonzero(self.genuine == kind))[:number]
            for kind, number in ((True, share), (False, count - share))
        ]
        return self.take(np.sort(np.concatenate(kept)))

    def used(self) -> Places:
        """Places of the images that some pair uses, ascending."""
        return np.unique(np.concatenate([self.probe, self.gallery]))

    def name(self, i: int) -> str:
        """What messages call pair i; two lines of a list have two names."""
        probe, gallery = self.images[self.probe[i]], self.images[self.gallery[i]]
        return f"{i}: {probe} | {gallery}"

    def read_pair(self, i: int) -> tuple[Pixels, Pixels]:
        """Decodes both images of pair i."""
        return self.read(int(self.probe[i])), self.read(int(self.gallery[i]))


def open_pairs(
    path: str | Path,
    *,
    root: str | Path | None = None,
    size: tuple[int, int] | None = SIZE,
    read: Callable[[Path], Pixels] | None = None,
) -> Pairs:
    """Opens a list of pairs; its content, not its name, tells which kind it is.

    - A table with a header line, separated by commas or tabs. Two columns name the
      images and one holds labels, 1 for genuine and 0 for impostor: `path_a`, `path_b`
      and `label`, or `probe`, `gallery` and `genuine`. All others are groups.
    - A list in LFW's style: a line ``folds pairs`` (or just ``pairs``), then per fold
      as many genuine lines ``name i j`` and impostor lines ``name i other j``. Image i
      of a person is ``name/name_000i`` with any suffix of an image; of several the
      first in alphabetical order.
    - A packed benchmark of InsightFace, such as lfw.bin, of which nothing is executed.

    Paths that lead to one file, as links or in other spellings, are one image.

    Args:
        path: UTF-8 text file or packed benchmark.
        root: Folder to which the images of a list are relative; None is the folder of
            the list. A packed benchmark holds its images and needs none.
        size: Height and width that images must have in pixels; None accepts any size.
        read: How an image file becomes a face; None reads faces of `size` that are
            aligned already.

    Returns:
        The pairs. An image that several pairs name, or that a packed benchmark holds
        several times, is there once.

    Raises:
        FileNotFoundError: If the list is missing, or all of its images; one that is
            missing beside others costs its own pairs only.
        ValueError: If the list is of no known kind, empty, damaged, inconsistent, gives
            one pair both labels, or asks to run anything; the message names the line.

    Example:
        >>> from fxai_jax.data.samples import sample_pairs
        >>> pairs = open_pairs(sample_pairs())
        >>> len(pairs), len(pairs.images), int(pairs.genuine.sum())
        (30, 6, 12)
        >>> pairs.read(0).shape
        (112, 112, 3)
    """
    path = Path(path)
    if _is_pickle(path):
        return _packed(path, size)
    text = read_text(path)
    folder = path.parent if root is None else Path(root)
    header = header_of(text)
    listed = (
        parse_lfw(path, text, folder, header)
        if header
        else parse_table(path, text, folder)
    )
    if not listed.probe:
        raise ValueError(f"{path}: found no pairs, expected at least one line of them")
    files, place = _distinct(path, [*listed.probe, *listed.gallery])
    read = read or (lambda file: load_image(file, size=size))
    pairs = Pairs(
        images=[str(file) for file in files],
        read=lambda i: read(files[i]),
        measure=lambda i: image_size(files[i], str(files[i])),
        probe=np.array([place[file] for file in listed.probe]),
        gallery=np.array([place[file] for file in listed.gallery]),
        genuine=listed.genuine,
        groups=listed.groups,
        source=path,
    )
    _check_labels(pairs, [f"line {line}" for line in listed.lines])
    return pairs


_PICKLE = re.compile(rb"\x80|\(?\(lp\d+\n|\(?\][qr(]")
"""How a pickle begins: by its protocol since 2, by the list it holds in 0 and 1."""


def _is_pickle(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return bool(_PICKLE.match(stream.read(16)))


def _packed(path: Path, size: tuple[int, int] | None) -> Pairs:
    contents, genuine = read_bin(path)
    first: dict[bytes, int] = {}
    for number, content in enumerate(contents):
        first.setdefault(content, number)
    place = {content: i for i, content in enumerate(first)}
    places = np.array([place[content] for content in contents])
    images = list(first)
    names = [f"image {number} of {path.name}" for number in first.values()]
    pairs = Pairs(
        images=names,
        read=lambda i: decode_image(images[i], names[i], size=size),
        measure=lambda i: image_size(images[i], names[i]),
        probe=places[0::2],
        gallery=places[1::2],
        genuine=genuine,
        source=path,
    )
    _check_labels(pairs, [f"pair {i}" for i in range(len(pairs))])
    return pairs


def _distinct(path: Path, listed: list[Path]) -> tuple[list[Path], dict[Path, int]]:
    """The files of a list, each under its first name, and the place of every name."""
    first: dict[Hashable, int] = {}
    files, place, missing = [], {}, []
    for file in dict.fromkeys(listed):
        identity = _identity(file)
        if identity is None:
            missing.append(file)
        place[file] = first.setdefault(identity or file, len(files))
        if place[file] == len(files):
            files.append(file)
    if len(missing) == len(files):
        raise FileNotFoundError(
            f"{path}: {len(missing)} of {len(files)} images are missing: "
            f"{', '.join(str(file) for file in missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}; check the folder they are "
            "relative to (root)"
        )
    return files, place


def _identity(file: Path) -> tuple[int, ...] | None:
    """What two names of one file share; None where there is no file."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    # Size and time guard against file systems that give several files one number.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _check_labels(pairs: Pairs, where: list[str]) -> None:
    low = np.minimum(pairs.probe, pairs.gallery)
    high = np.maximum(pairs.probe, pairs.gallery)
    key = low * len(pairs.images) + high
    both = np.intersect1d(key[pairs.genuine], key[~pairs.genuine])
    if not both.size:
        return
    rows = np.flatnonzero(np.isin(key, both))
    i = rows[0]
    j = next(
        j for j in rows if key[j] == key[i] and pairs.genuine[j] != pairs.genuine[i]
    )
    kinds = ["genuine" if pairs.genuine[row] else "impostor" for row in (i, j)]
    a, b = pairs.images[low[i]], pairs.images[high[i]]
    raise ValueError(
        f"{pairs.source}: {where[i]} says that {a} and {b} are {kinds[0]}, {where[j]} "
        f"that they are {kinds[1]}; {both.size} pairs have both labels: correct or "
        "remove them"
    )
