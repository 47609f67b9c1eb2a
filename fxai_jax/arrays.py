"""The arrays of a checkpoint folder: written with Orbax, read as far as files hold."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import tensorstore as ts

from fxai_jax.holes import held_bytes

Arrays = dict[str, np.ndarray]
"""The leaves of a model by their path, such as ``conv1/conv/kernel``."""

SPARE_BYTES = 2**21
"""What a folder takes beside its arrays, at most."""

MAX_EXPANSION = 16
"""Most bytes of arrays by bytes of their files; trained weights hardly shrink."""

MAX_KEYS = 100_000
"""Most entries of a store; an array has a few."""

FLOATING = ("float16", "bfloat16", "float32", "float64")
"""Types that a parameter may be stored in."""


def arrays_sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """Digest of names, shapes, dtypes and bytes, whatever the order and the storage.

    Example:
        >>> arrays_sha256({"a": np.zeros(2)})[:8]
        'b0b66804'
    """
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        # Python has no buffers of bfloat16.
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def write_arrays(folder: Path, arrays: Arrays) -> None:
    """Writes a new folder that `read_arrays` reads."""
    import orbax.checkpoint as ocp  # half a second that loading does not need
    from flax.traverse_util import unflatten_dict

    tree = unflatten_dict({tuple(k.split("/")): v for k, v in arrays.items()})
    # Weights hardly shrink (8 %), and inflating them took half of the loading.
    handler = ocp.PyTreeCheckpointHandler(use_compression=False)
    with ocp.Checkpointer(handler) as writer:
        writer.save(folder, tree)


def read_arrays(folder: Path) -> Arrays:
    """The arrays that Orbax wrote; TensorStore reads them in a third of its time."""
    if not folder.is_dir():
        raise ValueError(f"{folder.parent} is incomplete: it has no arrays folder")
    store = {"driver": "ocdbt", "base": {"driver": "file", "path": f"{folder}/"}}
    shared = ts.Context()  # without it every array opens the store again
    try:
        keys = ts.KvStore.open(store, context=shared).result().list().result()
        if len(keys) > MAX_KEYS:
            raise ValueError(f"it has {len(keys)} entries, more than {MAX_KEYS}")
        names = sorted({key.decode().rpartition("/")[0] for key in keys})
        specs = [{"driver": "zarr", "kvstore": {**store, "path": n}} for n in names]
        opened = [ts.open(spec, open=True, context=shared) for spec in specs]
        stores = [store.result() for store in opened]
        _check_bytes(folder, stores)
        reads = [store.read() for store in stores]
        values = [np.asarray(read.result()) for read in reads]
    except ValueError as error:
        reason = str(error).splitlines()[0][:200]
        raise ValueError(
            f"{folder} is damaged or not an Orbax checkpoint: {reason}"
        ) from error
    return {n.replace(".", "/"): a for n, a in zip(names, values, strict=True)}


def _check_bytes(folder: Path, stores: Sequence[ts.TensorStore]) -> None:
    """Refuses arrays that the files cannot hold: TensorStore would fill them up."""
    held = sum(held_bytes(path) for path in folder.rglob("*") if path.is_file())
    claimed = sum(_claimed(store) for store in stores)
    if claimed > MAX_EXPANSION * held + SPARE_BYTES:
        raise ValueError(f"its arrays claim {claimed} bytes, its files have {held}")


def _claimed(store: ts.TensorStore) -> int:
    """Bytes that reading an array takes: its own, or those of one of its chunks."""
    chunk = [size or 0 for size in store.chunk_layout.read_chunk.shape or ()]
    numel = max(math.prod(store.shape), math.prod(chunk))
    return numel * store.dtype.numpy_dtype.itemsize


def check_arrays(arrays: Arrays, expected: Mapping[str, Any]) -> None:
    """Refuses what are not the arrays of a network, in any floating type.

    A ValueError names the first five that are missing, unknown or of another shape.
    """
    problems = [f"missing {name}" for name in sorted(expected.keys() - arrays.keys())]
    problems += [f"unknown {name}" for name in sorted(arrays.keys() - expected.keys())]
    problems += [
        f"{name} is {array.dtype}{array.shape}, expected {want.dtype}{want.shape}"
        for name, array in sorted(arrays.items())
        if (want := expected.get(name)) is not None and not _fits(array, want)
    ]
    if problems:
        shown = "; ".join(problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"{shown}{more}")


def _fits(array: np.ndarray, want: Any) -> bool:
    floating = jnp.issubdtype(want.dtype, jnp.floating)
    types = FLOATING if floating else (str(want.dtype),)
    return array.shape == want.shape and str(array.dtype) in types
