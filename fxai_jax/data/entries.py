"""Which entry of a mapping by names belongs to which file."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

Index = dict[str, list[str]]
"""Names by what they may end in."""


def assign(
    names: Iterable[str], files: Sequence[Path], folders: Sequence[Path]
) -> dict[Path, str | ValueError]:
    """The name that means each of the files of a run.

    A name is a path, with or without its suffix. It means the file at that place in one
    of the folders; where there is none among the files, the file whose path ends in it.
    Of several names that fit a file, the one with the most folders counts.

    Args:
        names: Names of entries.
        files: All files of a run.
        folders: Folders to which names may be relative. A name that leads from the
            first one to a file which is not of the run means that file alone.

    Returns:
        For each file its name, or an error that says why it has none: no name fits, or
        two files or names are not told apart.

    Example:
        >>> anna, bert = Path("faces/anna/1.png"), Path("faces/bert/1.png")
        >>> found = assign(["anna/1.png", "bert/1"], [anna, bert], [Path("faces")])
        >>> found[anna], found[bert]
        ('anna/1.png', 'bert/1')
    """
    bases = [_absolute(folder) for folder in folders]
    paths = {file: _absolute(file) for file in files}
    tails = {name: _tail(name, bases[0]) for name in names}
    index, depth = _indexed(tails)
    found = {file: _longest(path, index, depth) for file, path in paths.items()}
    meant: dict[str, list[Path]] = {}
    for file, name in found.items():
        if isinstance(name, str):
            meant.setdefault(name, []).append(file)
    for name, several in meant.items():
        places = [f"{base}/{tails[name]}" for base in bases]
        exact = [file for file in several if _is_at(paths[file], places)]
        if len(exact) != 1 or len(several) > 1:
            found |= _faults(name, several, exact, Path(places[0]))
    return found


def _absolute(path: Path) -> str:
    return os.path.abspath(path).replace(os.sep, "/")


def _tail(name: str, base: str) -> str:
    tail = os.path.normpath(name).replace(os.sep, "/")
    return os.path.normpath(f"{base}/{tail}") if tail.startswith("../") else tail


def _indexed(tails: Mapping[str, str]) -> tuple[Index, int]:
    index: Index = {}
    depth = 0
    for name, tail in tails.items():
        stem = os.path.splitext(tail)[0]
        depth = max(depth, tail.count("/") + 1)
        index.setdefault(tail, []).append(name)
        if stem != tail:  # for a file that has no suffix
            index.setdefault(f"{stem}.*", []).append(name)
    return index, depth


def _longest(path: str, index: Index, depth: int) -> str | ValueError:
    for tail in _tails(path, depth):
        fitting = index.get(tail, [])
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            return ValueError(
                f"{fitting[0]!r} and {fitting[1]!r} both mean {path}; remove one"
            )
    return ValueError(f"there is no entry for {path}; its key is that path or its end")


def _tails(path: str, depth: int) -> Iterator[str]:
    *folders, name = path.split("/")
    stem = os.path.splitext(name)[0]
    for count in range(min(depth, len(folders) + 1) - 1, -1, -1):
        parts = folders[len(folders) - count :]
        for last in (name, stem, f"{name}.*"):
            yield "/".join([*parts, last])


def _is_at(path: str, places: Sequence[str]) -> bool:
    return path in places or os.path.splitext(path)[0] in places


def _faults(
    name: str, several: list[Path], exact: list[Path], beside: Path
) -> dict[Path, ValueError]:
    """What is wrong with files that one name fits, `exact` the ones at its place."""
    if not exact and beside.is_file():
        exact = [beside]
    if len(exact) == 1:
        why = f"{name!r} means {exact[0]}"
        others = [file for file in several if not _is_same(file, exact[0])]
        return {f: ValueError(f"there is no entry for {f}: {why}") for f in others}
    if len(several) == 1:
        return {}
    a, b, *_ = exact or several
    fault = f"{name!r} may mean {a} or {b}; write their folders into the keys"
    return {file: ValueError(fault) for file in several}


def _is_same(file: Path, other: Path) -> bool:
    return file == other or (file.exists() and file.samefile(other))
