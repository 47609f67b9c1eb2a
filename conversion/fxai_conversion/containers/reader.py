"""Reads PyTorch checkpoints without PyTorch, executing nothing from the file.

Zip archives, the older streams and safetensors are read; state dicts, training
checkpoints, whole modules and TorchScript give the same dotted names. Whatever a
pickle asks to import is recorded in `RawCheckpoint.globals_seen` and never imported.
"""

import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from fxai_conversion.containers.contents import Contents
from fxai_conversion.containers.legacy_stream import open_legacy
from fxai_conversion.containers.safetensors_file import (
    is_safetensors,
    open_safetensors,
)
from fxai_conversion.containers.zip_archive import open_zip
from fxai_conversion.refusals import UnreadableCheckpoint, looks_like
from fxai_conversion.torch_objects.tensors import View, is_known
from fxai_jax.holes import check_not_sparse

MAX_BYTES = 4 * 2**30

MAX_EXPANSION = 8
"""Most bytes of tensors by bytes of the file: names may share what they name."""

SPARE_BYTES = 2**24
"""Bytes that a file may expand to, however small it is."""

_MALFORMED = (
    ValueError,
    OverflowError,
    EOFError,
    OSError,
    MemoryError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class RawCheckpoint(NamedTuple):
    """The tensors of a checkpoint as they lie in the file, and where they came from.

    Attributes:
        tensors: Arrays by dotted name, in the order of the file; each owns its memory.
        container: ``"zip"``, ``"legacy"`` or ``"safetensors"``.
        layout: ``"state dict"``, ``"nested"``, ``"lightning"``, ``"whole module"`` or
            ``"torchscript"``.
        globals_seen: Every ``module.name`` the pickle asked to import.
        sha256: Hexadecimal digest of the file.
        nbytes: Size of the file.
    """

    tensors: dict[str, np.ndarray]
    container: str
    layout: str
    globals_seen: tuple[str, ...]
    sha256: str
    nbytes: int


def read(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    strict_pickle: bool = False,
) -> RawCheckpoint:
    r"""Reads every tensor of a checkpoint file.

    Names are as nested in the file, such as ``state_dict.module.conv1.weight``;
    prefixes stay. Non-persistent buffers of a whole module are left out, and so is all
    that is not a PyTorch tensor. A view becomes an array of its own.

    Args:
        path: The file.
        max_bytes: Most bytes the file may have, and its tensors once they stand alone;
            these are no more than eight times the file and 16 MiB either way.
        strict_pickle: Whether to refuse a pickle that names anything but tensors,
            storages and dictionaries, instead of keeping inert stubs.

    Returns:
        The tensors and the provenance of the file.

    Raises:
        UnreadableCheckpoint: If the file is no PyTorch checkpoint, or truncated,
            damaged, forged, too large, or holds tensors that are not dense and
            strided; the message says which and what to do.
        OSError: If the file cannot be opened.

    Example:
        >>> import tempfile
        >>> header = b'{"w": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}'
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(struct.pack("<Q", len(header)) + header + b"\1\2")
        ...     file.flush()
        ...     read(file.name).tensors["w"].tolist()
        [1, 2]
    """
    content = _content(Path(path), max_bytes)
    nbytes = len(content)
    digest = hashlib.sha256(content).hexdigest()
    max_bytes = min(max_bytes, MAX_EXPANSION * nbytes + SPARE_BYTES)
    try:
        contents = _open(io.BytesIO(content), nbytes, max_bytes)
        if strict_pickle:
            _refuse_stubs(contents)
        tensors = _tensors(contents, max_bytes)
    except _MALFORMED as error:
        raise UnreadableCheckpoint(f"{path}: {_reason(error)}") from error
    names = tuple(str(found) for found in contents.globals_seen)
    return RawCheckpoint(
        tensors, contents.container, contents.layout, names, digest, nbytes
    )


def _reason(error: Exception) -> str:
    if isinstance(error, UnreadableCheckpoint):
        return str(error)
    return f"truncated or damaged ({type(error).__name__}: {str(error)[:200]})"


def _content(path: Path, max_bytes: int) -> bytes:
    """The whole file: read once, so that what is hashed is what is parsed."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableCheckpoint(
            f"{path}: a {'directory' if path.is_dir() else 'device'}, not a file: name "
            "the checkpoint file itself"
        )
    if status.st_size > max_bytes:
        raise UnreadableCheckpoint(
            f"{path}: {status.st_size} bytes, more than the {max_bytes} that are read: "
            "save the network's state dict alone, without classifier and optimiser"
        )
    check_not_sparse(path)
    with path.open("rb") as file:
        return file.read(status.st_size)


def _open(file: BinaryIO, nbytes: int, max_bytes: int) -> Contents:
    head = file.read(512)
    if head.startswith(b"PK\x03\x04"):
        return open_zip(file, nbytes, max_bytes)
    if is_safetensors(head):
        return open_safetensors(file, nbytes)
    if len(head) > 1 and head[0] == 0x80 and head[1] <= 5:
        return open_legacy(file, nbytes)
    foreign = looks_like(head)
    raise UnreadableCheckpoint(
        f"this is {foreign}"
        if foreign
        else f"not a PyTorch checkpoint: it begins with {head[:8]!r}"
    )


def _refuse_stubs(contents: Contents) -> None:
    unknown = [str(found) for found in contents.globals_seen if not is_known(found)]
    if unknown:
        raise UnreadableCheckpoint(
            f"strict_pickle: it imports {', '.join(unknown[:10])}"
            f"{' and more' if len(unknown) > 10 else ''}, which plain tensors do not "
            "need; nothing was executed, and without strict_pickle they stay inert"
        )


def _tensors(contents: Contents, max_bytes: int) -> dict[str, np.ndarray]:
    """Copies the views out, one storage in memory at a time."""
    views = contents.views
    _check_size(views, max_bytes)
    sharing = defaultdict(list)
    for name, view in views.items():
        sharing[view.storage].append(name)
    arrays = {}
    for storage, names in sharing.items():
        data = contents.load(storage)
        arrays |= {name: _array(name, views[name], data) for name in names}
    return {name: arrays[name] for name in views}


def _check_size(views: dict[str, View], max_bytes: int) -> None:
    if not views:
        raise UnreadableCheckpoint(
            "it holds no PyTorch tensors (NumPy arrays in a pickle are not read): save "
            "a state dict"
        )
    total = sum(view.nbytes for view in views.values())
    if total > max_bytes:
        raise UnreadableCheckpoint(
            f"its tensors expand to {total} bytes, more than max_bytes={max_bytes}"
        )


def _array(name: str, view: View, data: np.ndarray | bytes) -> np.ndarray:
    if 0 in view.shape:
        return np.empty(view.shape, view.storage.dtype)
    size = view.storage.dtype.itemsize
    strides = tuple(size * step for step in view.strides)
    flat = np.uint8 if view.storage.dtype == bool else view.storage.dtype
    window = np.ndarray(view.shape, flat, data, size * view.offset, strides)
    if view.storage.dtype != bool:
        return window.copy()
    if window.max() > 1:
        raise UnreadableCheckpoint(f"forged or damaged: {name!r} is neither 0 nor 1")
    return window.astype(bool)
