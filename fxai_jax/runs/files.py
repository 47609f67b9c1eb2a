"""Writing files whole: what a full disk or Ctrl-C cuts off leaves nothing behind."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:/")


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path beside the wanted one, moved to it when all is written.

    Raises:
        OSError: What went wrong, with the wanted path.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with written(Path(folder) / "notes.txt") as beside:
        ...         _ = beside.write_text("whole")
        ...     os.listdir(folder)
        ['notes.txt']
    """
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with named(path):
            yield beside
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Gives the path to an error of the system, which a full disk does not name."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def local_folder(folder: str | Path, what: str = "the folder") -> Path:
    """A folder for results, made where it is missing; `what` names it in errors.

    Raises:
        ValueError: If it is an address such as gs://bucket/run.
        OSError: If it cannot be made.

    Example:
        >>> local_folder("gs://bucket/run")
        Traceback (most recent call last):
        ValueError: the folder gs://bucket/run is an address: write to a local disk ...
    """
    if SCHEME.match(os.fspath(folder)):
        raise ValueError(
            f"{what} {folder} is an address: write to a local disk or a mounted bucket"
        )
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"{what} {folder} cannot be made a folder: {error.strerror}"
        ) from error
    return Path(folder)
