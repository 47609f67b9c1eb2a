"""Files with holes: they claim far more bytes than the disk holds of them.

Reading one gives zeros without end, from a file that was quick to download.
"""

import os
import stat
from pathlib import Path

_MOST_RUNS = 10_000


def held_bytes(path: str | Path) -> int:
    """Bytes of a file that are more than holes; all, where a system cannot tell.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile() as file:
        ...     _ = file.write(bytes(5000))
        ...     file.flush()
        ...     held_bytes(file.name)
        5000
    """
    with Path(path).open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        return _held(file.fileno(), size) if hasattr(os, "SEEK_DATA") else size


def check_not_sparse(path: str | Path) -> None:
    """Refuses a file of which more than half is holes, and what is no file."""
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path}: a directory or device, not a file")
    size, held = status.st_size, held_bytes(path)
    if held < size // 2:
        raise ValueError(
            f"{path}: a sparse file, which claims {size} bytes and holds {held}: "
            "fetch it again"
        )


def _held(descriptor: int, size: int) -> int:
    held = end = 0
    for _ in range(_MOST_RUNS):
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        except OSError:  # no data follows
            return held
        held += end - begin
        if end >= size:
            return held
    return held + size - end
