"""Tables of face pairs: which two images, whether of one person, and in which group.

A header line, separated by commas or tabs. Two columns name the images and one holds
labels, 1 for genuine and 0 for impostor: `path_a`, `path_b` and `label`, or `probe`,
`gallery` and `genuine`. All others are groups.
"""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from fxai_jax.data.names import KEPT

COLUMNS = (("path_a", "path_b", "label"), ("probe", "gallery", "genuine"))
"""The names a table may give its two image columns and its label column."""

MAX_BYTES = 2**30
"""Largest list that is read, in bytes."""


class Listed(NamedTuple):
    """The n pairs of a list, as it names them."""

    probe: list[Path]
    gallery: list[Path]
    genuine: Bool[np.ndarray, " n"]
    groups: dict[str, list[str]]
    """Further columns by their names."""

    lines: list[int]
    """The line of each pair, counted from 1."""


def read_text(path: Path) -> str:
    """The text of a list, refused where it is none; other bytes are kept escaped."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path}: found {size} bytes, expected a list of at most {MAX_BYTES}; "
            "split it"
        )
    content = path.read_bytes()
    if b"\0" in content:
        raise ValueError(f"{path}: found a zero byte, expected UTF-8 text")
    return content.decode("utf-8-sig", KEPT)


def parse_table(path: Path, text: str, root: Path) -> Listed:
    """The pairs of a table; all columns but three are groups."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = "\t" if "\t" in first else ","
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
    a, b = ([root / cells[i] for _, cells in rows] for i in (probe, gallery))
    genuine = np.array([cells[label] == "1" for _, cells in rows], bool)
    return Listed(a, b, genuine, groups, [line for line, _ in rows])


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
