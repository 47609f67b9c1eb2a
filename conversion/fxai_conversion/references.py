"""Embeddings that PyTorch computed, read from an archive that may be forged."""

import lzma
import math
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib.format import (
    read_array,
    read_array_header_1_0,
    read_array_header_2_0,
    read_magic,
)

from fxai_jax.cards import Card
from fxai_jax.holes import check_not_sparse

MAX_REFERENCE_BYTES = 2**30
"""Most bytes of reference images and embeddings, some 7,000 faces."""

_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What archives that are damaged, encrypted or oddly compressed raise."""


def read_reference(path: Path, card: Card) -> tuple[np.ndarray, np.ndarray]:
    """Reads images and embeddings for the network of a card.

    Args:
        path: A file .npz, which nothing is taken on trust from.
        card: The card.

    Returns:
        Images (n, h, w, 3), RGB in [0, 1], as float32, and embeddings (n, d) as
        float64.

    Raises:
        ValueError: If the file is no such archive or does not fit the card; the
            message names the file.
        OSError: If it cannot be opened.

    Example:
        >>> import tempfile
        >>> from fxai_jax.cards import load_card
        >>> images, embeddings = np.zeros((1, 112, 112, 3)), np.ones((1, 9))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/golden.npz", images=images, embeddings=embeddings)
        ...     read_reference(Path(folder, "golden.npz"), load_card("mobilefacenet"))
        Traceback (most recent call last):
        ValueError: ...golden.npz has images (1, 112, 112, 3) and embeddings (1, 9), ...
    """
    images, embeddings = _arrays(path)
    count = images.shape[0] if images.ndim else 0
    shapes = (count, *card.image_size, 3), (count, card.embedding_size)
    if (images.shape, embeddings.shape) != shapes or not count:
        raise ValueError(
            f"{path} has images {images.shape} and embeddings {embeddings.shape}, "
            f"expected {shapes[0]} and {shapes[1]}, at least one of each"
        )
    if images.dtype.kind != "f" or not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"{path} has images outside RGB in [0, 1] ({images.dtype})")
    embeddings = embeddings.astype(np.float64)
    if not (np.isfinite(embeddings).all() and embeddings.any(axis=1).all()):
        raise ValueError(f"{path} has embeddings that are zero or not finite")
    return images.astype(np.float32), embeddings


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays, whatever a forged archive claims of them."""
    check_not_sparse(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            images, embeddings = (
                _member(archive, name) for name in ("images", "embeddings")
            )
    except _UNREADABLE as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise ValueError(
            f"{path} is no .npz of images and embeddings ({reason})"
        ) from error
    return images, embeddings


def _check_members(infos: list[zipfile.ZipInfo]) -> None:
    total = sum(info.file_size for info in infos)
    if total > MAX_REFERENCE_BYTES:
        raise ValueError(f"it unpacks to {total} bytes, at most {MAX_REFERENCE_BYTES}")


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array of numbers, of no more bytes than its entry has."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        readers = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}
        shape, _, dtype = readers[read_magic(stream)](stream)
        claimed = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "fiub" or claimed > info.file_size:
            raise ValueError(f"{name} claims to be {dtype} of shape {shape}")
    with archive.open(info) as stream:
        return read_array(stream, allow_pickle=False)
