"""Lists of face pairs: which two images, whether of one person, and in which group.

Every image is looked for when the list is read, so that an evaluation does not stop
half-way. The packed benchmarks of InsightFace hold images instead of paths and are
read by `fxai_jax.data.bins`.
"""

import csv
import io
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

COLUMNS = (("path_a", "path_b", "label"), ("probe", "gallery", "genuine"))
"""The names a table may give its two image columns and its label column."""

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Image files that a list in LFW's style may mean, which does not name the suffix."""

MAX_BYTES = 2**30
"""Largest list that is read, in bytes."""


class PairList(NamedTuple):
    """The n pairs of a list, in its order."""

    probe: list[Path]
    """First image of each pair."""

    gallery: list[Path]
    """Second image of each pair."""

    genuine: Bool[np.ndarray, " n"]
    """True where both images show one person."""

    groups: dict[str, list[str]]
    """Every further column by its name, one text per pair. Lists in LFW's style have
    one, "fold"."""


def read_pairs(path: str | Path, *, root: str | Path | None = None) -> PairList:
    """Reads a list of pairs; its content, not its name, tells which kind it is.

    - A table with a header line, separated by commas or tabs. Two columns name the
      images and one holds labels, 1 for genuine and 0 for impostor: `path_a`,
      `path_b` and `label`, or `probe`, `gallery` and `genuine`. All others are groups.
    - A list in LFW's style: a line ``folds pairs`` (or just ``pairs``), then per fold
      as many genuine lines ``name i j`` and impostor lines ``name i other j``. Image i
      of a person is ``name/name_000i`` with any suffix of an image; of several the
      first in alphabetical order.

    Args:
        path: UTF-8 text file.
        root: Folder to which the images are relative; None is the folder of the list.

    Returns:
        The pairs; every image exists.

    Raises:
        FileNotFoundError: If the list or images are missing; the message counts them.
        ValueError: If the list is of no known kind, empty, or inconsistent; the
            message names the line.

    Example:
        >>> read_pairs("pairs.csv").groups["light"]  # doctest: +SKIP
    """
    path = Path(path)
    text = _text(path)
    root = path.parent if root is None else Path(root)
    first = next((line for line in text.splitlines() if line.strip()), "")
    header = re.fullmatch(
        r"(?:([1-9]\d{0,8})\s+)?([1-9]\d{0,8})", first.strip(), re.ASCII
    )
    if header:
        pairs = _lfw(path, text, root, int(header[1] or 1), int(header[2]))
    else:
        pairs = _table(path, text, root, "\t" if "\t" in first else ",")
    if not pairs.probe:
        raise ValueError(f"{path}: found no pairs, expected at least one line of them")
    _check_files(path, [*pairs.probe, *pairs.gallery])
    return pairs


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path}: found {size} bytes, expected a list of at most {MAX_BYTES}; "
            "split it"
        )
    content = path.read_bytes()
    if content.startswith(b"\x80"):
        raise ValueError(
            f"{path}: found a pickle, expected text; if it is a packed benchmark such "
            "as lfw.bin, read it with fxai_jax.data.bins.read_bin"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: byte {error.start} is not UTF-8 text; save the list as UTF-8"
        ) from None
    if "\0" in text:
        raise ValueError(f"{path}: found a zero byte, expected UTF-8 text")
    return text


def _table(path: Path, text: str, root: Path, delimiter: str) -> PairList:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None
    if not rows:
        raise ValueError(f"{path}: found an empty file, expected a list of pairs")
    names = rows.pop(0)[1]
    probe, gallery, label = _layout(path, names)
    for line, cells in rows:
        if len(cells) != len(names):
            raise ValueError(
                f"{path}, line {line}: found {len(cells)} cells, expected "
                f"{len(names)} as in the header: {', '.join(names)}"
            )
        if not cells[probe] or not cells[gallery]:
            raise ValueError(f"{path}, line {line}: found no path, expected two images")
        if cells[label] not in ("0", "1"):
            raise ValueError(
                f"{path}, line {line}: found the label {cells[label]!r}, expected 1 "
                "for genuine or 0 for impostor"
            )
    groups = {
        name: [cells[place] for _, cells in rows]
        for place, name in enumerate(names)
        if place not in (probe, gallery, label)
    }
    return PairList(
        [root / cells[probe] for _, cells in rows],
        [root / cells[gallery] for _, cells in rows],
        np.array([cells[label] == "1" for _, cells in rows], bool),
        groups,
    )


def _layout(path: Path, names: list[str]) -> tuple[int, int, int]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"{path}: found the column {repeated[0]!r} twice; rename one of them"
        )
    fitting = [layout for layout in COLUMNS if set(layout) <= set(names)]
    if len(fitting) != 1:
        choices = " or ".join(", ".join(layout) for layout in COLUMNS)
        raise ValueError(
            f"{path}: found the columns {', '.join(names)[:300]}, expected {choices}, "
            "and one of the two only; name them so in the first line, separated by "
            "commas or tabs"
        )
    probe, gallery, label = (names.index(name) for name in fitting[0])
    return probe, gallery, label


Person = tuple[str, str]


def _lfw(path: Path, text: str, root: Path, folds: int, size: int) -> PairList:
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ][1:]
    if len(lines) != 2 * folds * size:
        raise ValueError(
            f"{path}: found {len(lines)} pairs, expected {2 * folds * size} by its "
            f"first line: {folds} folds of {size} genuine and {size} impostor pairs"
        )
    pairs = [_lfw_pair(path, number, line) for number, line in lines]
    genuine = np.array([a[0] == b[0] for a, b in pairs], bool)
    for fold, labels in enumerate(genuine.reshape(folds, -1)):
        if labels.sum() != size:
            raise ValueError(
                f"{path}: found {labels.sum()} genuine pairs in fold {fold}, expected "
                f"{size}; is a line missing or out of order?"
            )
    images = {name: _images(root / name) for pair in pairs for name, _ in pair}

    def image(person: Person) -> Path:
        name, number = person
        stem = f"{name}_{int(number):04d}"
        return images[name].get(stem, root / name / f"{stem}.jpg")

    return PairList(
        [image(a) for a, _ in pairs],
        [image(b) for _, b in pairs],
        genuine,
        {"fold": [str(i // (2 * size)) for i in range(len(pairs))]},
    )


def _lfw_pair(path: Path, number: int, line: str) -> tuple[Person, Person]:
    cells = line.strip().split("\t") if "\t" in line else line.split()
    if len(cells) == 3:
        cells.insert(2, cells[0])
    ok = len(cells) == 4 and all(
        re.fullmatch(r"\d{1,6}", cells[i], re.ASCII) for i in (1, 3)
    )
    if not ok or any(
        name in (".", "..") or re.search(r"[/\\]", name) for name in cells
    ):
        raise ValueError(
            f"{path}, line {number}: found {line[:100]!r}, expected 'name i j' for a "
            "genuine or 'name i other j' for an impostor pair"
        )
    return (cells[0], cells[1]), (cells[2], cells[3])


def _images(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    files = sorted(folder.iterdir(), reverse=True)
    return {file.stem: file for file in files if file.suffix.lower() in SUFFIXES}


def _check_files(path: Path, images: list[Path]) -> None:
    wanted = dict.fromkeys(images)
    missing = [image for image in wanted if not os.path.isfile(image)]
    if missing:
        raise FileNotFoundError(
            f"{path}: {len(missing)} of {len(wanted)} images are missing: "
            f"{', '.join(str(image) for image in missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}; check the folder they are "
            "relative to (root)"
        )
