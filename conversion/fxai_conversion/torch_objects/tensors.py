"""Tensors in PyTorch's pickles: storages, and strided views with checked bounds.

A tensor is pickled as a call of a rebuilding function with a storage, an offset, sizes
and strides. The call is never made: the numbers are checked against the storage.
"""

import math
from typing import NamedTuple

import ml_dtypes
import numpy as np

from fxai_conversion.refusals import UnreadableCheckpoint
from fxai_conversion.torch_objects.pickles import ORDERED_DICT
from fxai_jax.data.inert_pickle.nodes import DICT, SET, Global, Node, PersistentId

MAX_DIMENSIONS = 64
MAX_NAME = 4096
MAX_TENSORS = 50_000
"""Most tensors of a file: the largest published network has 18,000."""

STORAGE_DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
    "ComplexFloatStorage": np.dtype("<c8"),
    "ComplexDoubleStorage": np.dtype("<c16"),
}
_REBUILD = {
    Global("torch._utils", "_rebuild_tensor"): (4, 4),
    Global("torch._utils", "_rebuild_tensor_v2"): (6, 7),
}
_WRAPPERS = {
    Global("torch._utils", "_rebuild_parameter"),
    Global("torch._utils", "_rebuild_parameter_with_state"),
    Global("torch.nn.parameter", "Parameter"),
    Global("torch.autograd.variable", "Variable"),
}
_SIZE = Global("torch", "Size")
_DTYPES = """float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool
complex64 complex128"""
_KNOWN = {
    DICT,
    SET,
    ORDERED_DICT,
    Global("__builtin__", "set"),
    Global("torch", "device"),
    _SIZE,
    *_REBUILD,
    *_WRAPPERS,
    *(Global("torch", name) for name in _DTYPES.split()),
}


class Storage(NamedTuple):
    """A flat run of numbers in the file, shared by the tensors that view it."""

    key: str
    dtype: np.dtype
    numel: int

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return self.numel * self.dtype.itemsize


class View(NamedTuple):
    """A strided tensor over a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor once it stands alone."""
        return math.prod(self.shape) * self.storage.dtype.itemsize


def check_count(tensors: int) -> None:
    """Refuses more tensors than any network has."""
    if tensors > MAX_TENSORS:
        raise UnreadableCheckpoint(f"it holds more than {MAX_TENSORS} tensors")


def is_known(found: Global) -> bool:
    """Whether the reader knows a global, rather than keeping an inert stub of it."""
    if found.module in ("torch", "torch.cuda"):
        return found in _KNOWN or found.name in STORAGE_DTYPES
    return found in _KNOWN


def naturals(*values: object) -> tuple[int, ...]:
    """The values, if all are integers in [0, 2**63)."""
    checked = tuple(v for v in values if type(v) is int and 0 <= v < 2**63)
    if len(checked) < len(values):
        raise UnreadableCheckpoint(
            "forged or damaged: a size, stride, offset or element count is negative, "
            "huge or no integer"
        )
    return checked


def storage_of(found: PersistentId) -> tuple[Storage, int, int] | None:
    """Reads a persistent id ``("storage", type, key, location, numel[, view])``.

    Returns the storage, and the first element and the length of the part that is meant
    (legacy files name parts of storages); None for the source of a module.
    """
    record = found.value if isinstance(found.value, tuple) else ()
    if record[:1] == ("module",):
        return None
    if len(record) not in (5, 6) or record[0] != "storage":
        raise UnreadableCheckpoint("forged or damaged: an unknown persistent id")
    _, kind, key, location, numel, *view = record
    if not isinstance(key, str) or not isinstance(kind, Global):
        raise UnreadableCheckpoint("forged or damaged: a storage without key or type")
    if kind.module not in ("torch", "torch.cuda") or kind.name not in STORAGE_DTYPES:
        raise UnreadableCheckpoint(
            f"storages of type {kind} are not supported (quantised or too new): save "
            "the model as float32"
        )
    if location == "meta":
        raise UnreadableCheckpoint("its tensors are on device 'meta': it has no values")
    storage = Storage(key, STORAGE_DTYPES[kind.name], *naturals(numel))
    return storage, *_part(storage, view[0] if view else None)


def _part(storage: Storage, view: object) -> tuple[int, int]:
    if view is None:
        return 0, storage.numel
    if not isinstance(view, tuple) or len(view) != 3:
        raise UnreadableCheckpoint("forged or damaged: a storage view is malformed")
    start, length = naturals(*view[1:])
    if start + length > storage.numel:
        raise UnreadableCheckpoint(
            f"forged or damaged: a view ends at {start + length} of a storage of "
            f"{storage.numel} elements"
        )
    return start, length


def _sizes(value: object) -> tuple[int, ...]:
    if isinstance(value, Node) and value.maker == _SIZE and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, tuple) or len(value) > MAX_DIMENSIONS:
        raise UnreadableCheckpoint("forged or damaged: a tensor's size is no tuple")
    return naturals(*value)


def view_of(node: Node) -> View | None:
    """The tensor that a node rebuilds, or None if it rebuilds something else."""
    maker, args = node.maker, node.args
    if isinstance(maker, Global) and maker in _WRAPPERS:
        if not (args and isinstance(args[0], Node)):
            return None
        maker, args = args[0].maker, args[0].args
    if not isinstance(maker, Global):
        return None
    if maker not in _REBUILD:
        return _refuse_other_tensors(maker)
    low, high = _REBUILD[maker]
    if not low <= len(args) <= high or not isinstance(args[0], PersistentId):
        raise UnreadableCheckpoint(f"forged or damaged: a call of {maker}")
    if not all(_is_empty(metadata) for metadata in args[6:]):
        raise UnreadableCheckpoint(
            "a tensor carries a lazy conjugation or negation: call resolve_conj() and "
            "resolve_neg() before torch.save"
        )
    return _bounded_view(args[0], *args[1:4])


def _is_empty(value: object) -> bool:
    return value is None or (
        isinstance(value, Node) and not value.pairs and not value.args
    )


def _refuse_other_tensors(maker: Global) -> None:
    is_torch = maker.module.partition(".")[0] == "torch"
    if is_torch and (
        maker.name.startswith("_rebuild") or maker.name.endswith("Tensor")
    ):
        raise UnreadableCheckpoint(
            f"a tensor made by {maker} (quantised, sparse, a view of another type, a "
            "subclass) is not supported: save plain dense tensors"
        )


def _bounded_view(
    found: PersistentId, offset: object, size: object, stride: object
) -> View:
    part = storage_of(found)
    if part is None:
        raise UnreadableCheckpoint("forged or damaged: a tensor without a storage")
    storage, start, length = part
    (first,), shape, strides = naturals(offset), _sizes(size), _sizes(stride)
    if len(shape) != len(strides):
        raise UnreadableCheckpoint(
            f"forged or damaged: {len(shape)} sizes with {len(strides)} strides"
        )
    steps = zip(shape, strides, strict=True)
    reach = 0 if 0 in shape else 1 + sum((n - 1) * step for n, step in steps)
    if first + reach > length:
        raise UnreadableCheckpoint(
            f"forged or damaged: a tensor of shape {shape} ends at element "
            f"{first + reach} of a storage of {length}"
        )
    return View(storage, start + first, shape, strides)
