"""safetensors files: a JSON header with names, types, shapes and places, then bytes."""

import json
import math
import operator
import struct
from itertools import accumulate
from typing import Any, BinaryIO

from fxai_conversion.containers.contents import Contents
from fxai_conversion.refusals import UnreadableCheckpoint
from fxai_conversion.torch_objects.tensors import (
    MAX_DIMENSIONS,
    MAX_NAME,
    STORAGE_DTYPES,
    Storage,
    View,
    check_count,
    naturals,
)

MAX_HEADER_BYTES = 8 * 2**20
FIELDS = {"dtype", "shape", "data_offsets"}

DTYPES = {
    name: STORAGE_DTYPES[f"{kind}Storage"]
    for name, kind in {
        "F64": "Double",
        "F32": "Float",
        "F16": "Half",
        "BF16": "BFloat16",
        "I64": "Long",
        "I32": "Int",
        "I16": "Short",
        "I8": "Char",
        "U8": "Byte",
        "BOOL": "Bool",
    }.items()
}


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins with a header length and an opening brace."""
    return head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 2**32


def open_safetensors(file: BinaryIO, nbytes: int) -> Contents:
    """Opens a safetensors file, whose tensors must fill its bytes without gaps."""
    header, first = _header(file, nbytes)
    views = {name: _view(name, entry) for name, entry in header.items()}
    places = _places(header, views, first)
    end = first + sum(view.nbytes for view in views.values())
    if end != nbytes:
        kind = "truncated" if end > nbytes else "forged or damaged"
        raise UnreadableCheckpoint(f"{kind}: {nbytes} bytes where {end} are expected")

    def load(storage: Storage) -> bytes:
        file.seek(places[storage.key])
        return file.read(storage.nbytes)

    return Contents("safetensors", "state dict", views, load, ())


def _header(file: BinaryIO, nbytes: int) -> tuple[dict[str, Any], int]:
    """The entries of the header, and where the tensors' bytes begin."""
    file.seek(0)
    (length,) = struct.unpack("<Q", file.read(8))
    if length > MAX_HEADER_BYTES:
        raise UnreadableCheckpoint(f"its header has {length} bytes: forged or damaged")
    if 8 + length > nbytes:
        raise UnreadableCheckpoint("truncated: it ends within its header")
    header = json.loads(file.read(length), object_pairs_hook=_without_repeats)
    if not isinstance(header, dict):
        raise UnreadableCheckpoint("forged or damaged: its header is no JSON object")
    header.pop("__metadata__", None)
    check_count(len(header))
    return header, 8 + length


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise UnreadableCheckpoint("forged: its header names one tensor twice")
    return dict(pairs)


def _view(name: str, entry: Any) -> View:
    if not name or not name.isprintable() or len(name) > MAX_NAME:
        raise UnreadableCheckpoint(f"a tensor's name is not printable: {name[:80]!a}")
    if not isinstance(entry, dict) or entry.keys() != FIELDS:
        raise UnreadableCheckpoint(f"forged or damaged: the header of {name[:80]!r}")
    if entry["dtype"] not in tuple(DTYPES):
        raise UnreadableCheckpoint(
            f"{name[:80]!r} has an unsupported type: save it as float32"
        )
    shape = _listed(entry["shape"])
    strides = tuple(accumulate(shape[:0:-1], operator.mul, initial=1))[::-1]
    storage = Storage(name, DTYPES[entry["dtype"]], math.prod(shape))
    return View(storage, 0, shape, strides[: len(shape)])


def _listed(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) > MAX_DIMENSIONS:
        raise UnreadableCheckpoint("forged or damaged: a shape or its offsets")
    return naturals(*values)


def _places(
    header: dict[str, Any], views: dict[str, View], first: int
) -> dict[str, int]:
    """Where each tensor begins; in this order they must follow without gaps."""
    spans = {name: _listed(header[name]["data_offsets"]) for name in views}
    places, end = {}, 0
    for name in sorted(spans, key=spans.__getitem__):
        expected = (end, end + views[name].nbytes)
        if spans[name] != expected:
            raise UnreadableCheckpoint(
                f"forged or damaged: {name[:80]!r} has bytes {spans[name]} where "
                f"{expected} are expected: tensors overlap, leave gaps or lie about "
                "their shape"
            )
        places[name], end = first + expected[0], expected[1]
    return places
