"""The packed verification benchmarks of InsightFace: lfw.bin, cfp_fp.bin and others.

Such a file is a pickle of a list of encoded images and a list of labels. A pickle is a
program, so it is not run: `fxai_jax.data.inert_pickle` records what it asks for, and
what describes bytes and labels is recognised here. Everything else is refused.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from fxai_jax.data.inert_pickle.nodes import (
    ByteString,
    Global,
    Node,
    Pickled,
    RefusedPickle,
)
from fxai_jax.data.inert_pickle.unpickling import unpickle
from fxai_jax.holes import check_not_sparse

MAX_BYTES = 2**31
"""Largest file that is read, in bytes."""

MAX_OPCODES = 5_000_000
"""Most steps of a pickle that are followed; lfw.bin has about 40,000."""


def read_bin(path: str | Path) -> tuple[list[bytes], Bool[np.ndarray, " n"]]:
    """Reads a packed benchmark without running it.

    The images stay encoded: decode them with `fxai_jax.data.images.decode_image`, so
    that a damaged one can be reported and passed over.

    Args:
        path: File with a pickle of protocol 1 to 5, from Python 2 or 3.

    Returns:
        2n encoded images and n labels, true for genuine; images 2i and 2i + 1 are
        pair i.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or too large, asks for anything but images
            and labels, or their numbers do not fit.

    Example:
        >>> import pickle, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "lfw.bin"
        ...     _ = path.write_bytes(pickle.dumps(([b"probe", b"gallery"], [True])))
        ...     read_bin(path)
        ([b'probe', b'gallery'], array([ True]))
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    check_not_sparse(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path}: found {size} bytes, expected at most {MAX_BYTES}")
    try:
        with path.open("rb") as file:
            return _benchmark(
                unpickle(file, size, max_opcodes=MAX_OPCODES, max_bytes=MAX_BYTES)
            )
    except RefusedPickle as error:
        reason = str(error)[:300].removesuffix("; download it again")
        found = f"no readable pickle ({reason})"
    except ValueError as error:
        found = str(error)
    raise ValueError(
        f"{path}: found {found}; expected a pickle, of protocol 1 to 5, of a list of "
        "encoded images and a list of their labels. Nothing of it was executed; "
        "download it again"
    )


_ENCODE = Global("_codecs", "encode")
_DTYPE = Global("numpy", "dtype")
_CORES = ("numpy.core", "numpy._core")
_RECONSTRUCT = [Global(f"{core}.multiarray", "_reconstruct") for core in _CORES]
_SCALAR = [Global(f"{core}.multiarray", "scalar") for core in _CORES]
_FROM_BUFFER = [Global(f"{core}.numeric", "_frombuffer") for core in _CORES]
_WELCOME = [_ENCODE, _DTYPE, Global("numpy", "ndarray")]
_WELCOME += [*_RECONSTRUCT, *_SCALAR, *_FROM_BUFFER]

Decoded = dict[int, bytes]
"""Bytes by the identity of the value that they were decoded from."""


def _benchmark(pickled: Pickled) -> tuple[list[bytes], Bool[np.ndarray, " n"]]:
    for demand in pickled.globals_seen:
        if demand not in _WELCOME:
            raise ValueError(f"a demand for {str(demand)[:200]!r}, which is refused")
    if pickled.persistent_ids:
        raise ValueError("a demand for what is not in the file, which is refused")
    match pickled.root:
        case (list() as values, labels):
            decoded: Decoded = {}
            images = [_image(*numbered, decoded) for numbered in enumerate(values)]
            genuine = _genuine(labels, decoded)
        case _:
            raise ValueError("a pickle of something else")
    if not genuine.size or len(images) != 2 * genuine.size:
        raise ValueError(
            f"{len(images)} images for {genuine.size} labels instead of two each"
        )
    return images, genuine


def _image(place: int, value: object, decoded: Decoded) -> bytes:
    array = _array(value)
    data = _bytes(array[1] if array else value, decoded)
    if data is None:
        raise ValueError(f"no bytes in image {place}")
    return data


def _genuine(value: object, decoded: Decoded) -> Bool[np.ndarray, " n"]:
    if array := _array(value):
        labels = np.frombuffer(_bytes(array[1], decoded) or b"", np.uint8)
    elif isinstance(value, list):
        labels = np.array([_label(label, decoded) for label in value], np.uint8)
    else:
        raise ValueError("labels that are neither True nor False")
    if labels.max(initial=0) > 1:
        raise ValueError("labels other than 0 and 1")
    return labels.astype(bool)


def _label(value: object, decoded: Decoded) -> int:
    """A label, 2 for any number that is none."""
    match value:
        case int():
            return int(value) if value in (0, 1) else 2
        case Node(maker, args=(dtype, data)) if maker in _SCALAR:
            label = _bytes(data, decoded)
            if _code(dtype) != "b1" or label not in (b"\0", b"\1"):
                raise ValueError("a NumPy number that is no label")
            return label[0]
    raise ValueError("labels that are neither True nor False")


def _array(value: object) -> tuple[str, object] | None:
    """Type and data of a NumPy array of bytes or labels; None for anything else."""
    match value:
        case Node(maker, state=(_, _, dtype, _, data)) if maker in _RECONSTRUCT:
            return _code(dtype), data
        case Node(maker, args=(data, dtype, *_)) if maker in _FROM_BUFFER:
            return _code(dtype), data
    return None


def _code(dtype: object) -> str:
    match dtype:
        case Node(maker, args=(("b1" | "u1") as code, *_)) if maker == _DTYPE:
            return code
    raise ValueError("NumPy values that are neither bytes nor labels")


def _bytes(value: object, decoded: Decoded) -> bytes | None:
    """Bytes, whichever way a protocol writes them; None for anything else."""
    match value:
        case bytes():
            return value
        case bytearray() | ByteString():
            source = value
        case Node(maker, args=(str() as source, "latin1" | "latin-1")) if (
            maker == _ENCODE
        ):
            pass
        case _:
            return None
    # One text may be used again and again: decoded once and shared, all the bytes
    # together are no larger than the file.
    if id(source) not in decoded:
        decoded[id(source)] = (
            _latin_1(source) if isinstance(source, str) else bytes(source)
        )
    return decoded[id(source)]


def _latin_1(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("a text that is not Latin-1") from None
