"""Files and folders that appear whole or not at all.

They are made beside their place and moved into it, so that a full disk or Ctrl-C leaves
what was there before.
"""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def new_folder(
    folder: str | Path, may_replace: Callable[[Path], bool], *, nbytes: int = 0
) -> Iterator[Path]:
    """Makes a folder; what is written is moved there once all of it is.

    Args:
        folder: The folder to make, which may be empty.
        may_replace: Whether a folder that is not empty may be lost.
        nbytes: Bytes that must be free on the disk.

    Yields:
        The folder to write into, beside the one to make.

    Raises:
        ValueError: If the folder is no local one, or has what may not be lost.
        OSError: If it cannot be written; the message names the path.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     with new_folder(f"{place}/new", lambda _: False) as folder:
        ...         _ = (folder / "text").write_text("whole")
        ...     Path(place, "new", "text").read_text()
        'whole'
    """
    place = _place(folder)
    _check_loss(place, may_replace)
    place.parent.mkdir(parents=True, exist_ok=True)
    made = _beside(place)
    made.mkdir()
    try:
        with naming(place):
            _reserve(made / "space", nbytes)
            yield made
            _exchange(made, place)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_whole(path: str | Path, *parts: bytes | memoryview) -> None:
    """Writes a file, replacing one that is there once all of it is written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     write_whole(f"{place}/file", b"who", b"le")
        ...     Path(place, "file").read_bytes()
        b'whole'
    """
    with written(path) as made, made.open("wb") as file:
        for part in parts:
            file.write(part)


@contextlib.contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """A path beside the wanted one, of the same suffix, moved to it at the end.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     with written(f"{place}/notes.txt") as made:
        ...         _ = made.write_text("whole")
        ...     os.listdir(place)
        ['notes.txt']
    """
    place = _place(path)
    if place.is_dir():
        raise ValueError(f"{place} is a folder: name a file to write")
    made = _beside(place)
    try:
        with naming(place):
            yield made
            made.replace(place)
    finally:
        made.unlink(missing_ok=True)


def local_folder(folder: str | Path, what: str = "the folder") -> Path:
    """A folder for results, made where it is missing; `what` names it in errors.

    Raises:
        ValueError: If it is an address such as gs://bucket/run.
        OSError: If it cannot be made.

    Example:
        >>> local_folder("gs://bucket/run")
        Traceback (most recent call last):
        ValueError: the folder 'gs://bucket/run' is an address: only local files are ...
    """
    _refuse_address(folder, f"{what} ")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"{what} {folder} cannot be made a folder: {error.strerror}"
        ) from error
    return Path(folder)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Gives the path to an error of the system, which a full disk does not name."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _refuse_address(path: str | Path, what: str = "") -> None:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise ValueError(
            f"{what}{str(path)!r} is an address: only local files are written"
        )


def _place(path: str | Path) -> Path:
    _refuse_address(path)
    place = Path(path).resolve()
    if place == Path.cwd() or not place.name:
        raise ValueError(
            f"{str(path)!r} is the folder you are in: name what is to be made"
        )
    return place


def _check_loss(place: Path, may_replace: Callable[[Path], bool]) -> None:
    if not place.exists():
        return
    if not place.is_dir():
        raise ValueError(f"{place} is a file: name a folder to make")
    if any(place.iterdir()) and not may_replace(place):
        raise ValueError(
            f"{place} holds files that would be lost: name a folder that is new or "
            "empty, or remove it first"
        )


def _beside(place: Path) -> Path:
    return place.with_name(f".{secrets.token_hex(4)}.{place.name[-100:]}")


def _reserve(path: Path, nbytes: int) -> None:
    """Fails on a full disk at once, before writers with threads of their own do."""
    if nbytes and hasattr(os, "posix_fallocate"):
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, nbytes)
        path.unlink()


def _exchange(made: Path, place: Path) -> None:
    if not place.exists():
        made.rename(place)
        return
    old = _beside(place)
    place.rename(old)
    try:
        made.rename(place)
    except BaseException:
        old.rename(place)
        raise
    shutil.rmtree(old)
