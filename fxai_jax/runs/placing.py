"""Spreading examples over devices: placement only, the functions stay the same.

Pad on the host, place with a `NamedSharding`, call the jitted function of a batch,
cut the padding off. Nothing here knows a method.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Tree = Any
"""A pytree of arrays; batches share their first axis."""


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh with the one axis "data".

    Args:
        devices: Devices to use; None takes all, those of other processes too.

    Returns:
        The mesh.

    Example:
        >>> data_mesh().axis_names
        ('data',)
    """
    return Mesh(np.array(devices if devices is not None else jax.devices()), ("data",))


def shard_batch(batch: Tree, mesh: Mesh) -> Tree:
    """Places a batch with its first axis cut over the devices.

    Args:
        batch: Arrays with shape (n, ...), n a multiple of the device count. With
            several processes, each passes its own part.
        mesh: From `data_mesh`.

    Returns:
        The same arrays, each device holding its part.

    Raises:
        ValueError: If n is not a multiple of the devices of this process.

    Example:
        >>> shard_batch(np.zeros((8, 3)), data_mesh()).shape
        (8, 3)
    """
    devices = len(mesh.local_devices)
    for leaf in jax.tree.leaves(batch):
        if leaf.shape[0] % devices:
            raise ValueError(
                f"{leaf.shape[0]} examples do not divide over {devices} devices; "
                "pad them with pad_batch first"
            )
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)),
        batch,
    )


def replicate(tree: Tree, mesh: Mesh) -> Tree:
    """Places a whole copy on every device: models, thresholds, masks.

    Args:
        tree: Pytree of arrays, a model for instance.
        mesh: From `data_mesh`.

    Returns:
        The same tree.

    Example:
        >>> replicate({"threshold": np.float32(0.45)}, data_mesh())["threshold"].shape
        ()
    """
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def pad_batch(batch: Tree, multiple: int) -> tuple[Tree, int]:
    """Repeats the last example until the length is a multiple.

    A repeated example, unlike zeros, cannot bring in NaN or a new code path.

    Args:
        batch: Arrays with shape (n, ...), n at least 1.
        multiple: The device count, or the batch size that was compiled.

    Returns:
        The padded batch and n: cut results back with ``result[:n]``.

    Raises:
        ValueError: If the batch is empty.

    Example:
        >>> pad_batch(np.arange(3), 4)
        (array([0, 1, 2, 2]), 3)
    """
    count = jax.tree.leaves(batch)[0].shape[0]
    if count == 0:
        raise ValueError("an empty batch cannot be padded")
    missing = -count % multiple
    return jax.tree.map(
        lambda x: np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]), batch
    ), count
