"""Lists of pairs in the style of LFW's pairs.txt, which name persons, not files.

A line ``folds pairs`` (or just ``pairs``), then per fold as many genuine lines
``name i j`` and impostor lines ``name i other j``. Image i of a person is
``name/name_000i`` with any suffix of an image; of several the first in alphabetical
order.
"""

import re
from pathlib import Path

import numpy as np

from fxai_jax.data.images import SUFFIXES
from fxai_jax.data.pairs.tables import Listed

Person = tuple[str, str]


def header_of(text: str) -> tuple[int, int] | None:
    """Folds and pairs of one kind in each, or None for a list of another style."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = re.fullmatch(
        r"(?:([1-9]\d{0,8})\s+)?([1-9]\d{0,8})", first.strip(), re.ASCII
    )
    return (int(found[1] or 1), int(found[2])) if found else None


def parse_lfw(path: Path, text: str, root: Path, header: tuple[int, int]) -> Listed:
    """The pairs of a list; its one group column is "fold"."""
    folds, size = header
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
    pairs = [_people(path, number, line) for number, line in lines]
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

    fold = [str(i // (2 * size)) for i in range(len(pairs))]
    sides = [image(a) for a, _ in pairs], [image(b) for _, b in pairs]
    numbers = [number for number, _ in lines]
    return Listed(sides[0], sides[1], genuine, {"fold": fold}, numbers)


def _people(path: Path, number: int, line: str) -> tuple[Person, Person]:
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
