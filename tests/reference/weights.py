"""Weights for tests: every leaf distinct and far from its trivial value.

The values depend on a tensor's name and shape alone, so a golden file needs no weights.
"""

import json
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

FIXTURES = Path(__file__).parent.parent / "fixtures" / "checkpoint_keys"


def published_layout(arch):
    """Shape of each tensor of a published checkpoint, by name."""
    keys = json.loads((FIXTURES / f"{arch}.json").read_text("utf-8"))
    return {name: tuple(shape) for name, (shape, _) in keys.items()}


def hashed(name, shape):
    """Numbers in [0, 1): a hash of the position, started by the CRC-32 of the name."""
    x = np.arange(np.prod(shape, dtype=int), dtype=np.uint32)
    x += np.uint32(zlib.crc32(name.encode()))
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    x ^= x >> 16
    return (x / 2**32).reshape(shape)


def state(layout, numbers=hashed):
    """Tensors by PyTorch name, of a size that keeps deep networks from exploding.

    Kernels are uniform with standard deviation ``2 / sqrt(fan in)``, the gains of norms
    and the slopes in [0.2, 0.8), running variances in [0.5, 1.5), the rest in
    [-0.2, 0.2).
    """
    return {name: _tensor(name, shape, numbers) for name, shape in layout.items()}


def _tensor(name, shape, numbers):
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    u = numbers(name, shape)
    if name.endswith("running_var"):
        values = 0.5 + u
    elif name.endswith("weight") and len(shape) > 1:
        values = (2 * u - 1) * 2 * np.sqrt(3 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        values = 0.2 + 0.6 * u
    else:
        values = 0.4 * u - 0.2
    return values.astype(np.float32)


def placeholders(layout):
    """Zeros by PyTorch name that take no memory."""
    return {k: np.broadcast_to(np.float32(0), shape) for k, shape in layout.items()}


def structure(make):
    """Shape of each leaf of our network by path, and how many parameters it has."""
    abstract = nnx.eval_shape(make)
    leaves = flatten_dict(nnx.to_pure_dict(nnx.state(abstract)))
    shapes = {"/".join(map(str, path)): leaf.shape for path, leaf in leaves.items()}
    parameters = jax.tree.leaves(nnx.state(abstract, nnx.Param))
    return shapes, sum(int(np.prod(leaf.shape)) for leaf in parameters)


def identity(make, **leaves):
    """Our network with norms that do nothing and zero kernels, but for `leaves`."""
    shapes, _ = structure(make)
    ones = ("scale", "var")
    arrays = {
        path: np.full(shape, path.endswith(ones), np.float32)
        for path, shape in shapes.items()
    }
    given = {path.replace("__", "/"): array for path, array in leaves.items()}
    return fill(make, arrays | given)


def fill(make, arrays):
    """Our network with the arrays, which must be its leaves exactly."""
    graph, abstract = nnx.split(nnx.eval_shape(make))
    leaves = flatten_dict(nnx.to_pure_dict(abstract))
    expected = {"/".join(map(str, path)): leaf.shape for path, leaf in leaves.items()}
    assert {path: array.shape for path, array in arrays.items()} == expected
    values = {path: jnp.asarray(arrays["/".join(map(str, path))]) for path in leaves}
    nnx.replace_by_pure_dict(abstract, unflatten_dict(values))
    return nnx.merge(graph, abstract)
