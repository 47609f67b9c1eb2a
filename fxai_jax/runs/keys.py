"""The random key of an example: a digest of its pixels, folded into the run's key.

The same image gets the same randomness whatever the batch, the order, the other images
of the set or the command.
"""

import zlib

import jax
import numpy as np
from jaxtyping import Array, Shaped

from fxai_jax.array_types import PRNGKey

SEEDS = 2**32
"""Seeds from here on would start the same random numbers as smaller ones."""


def run_key(seed: int) -> PRNGKey:
    """The key of a run.

    Example:
        >>> run_key(-1)
        Traceback (most recent call last):
        ValueError: a seed is at least 0 and below 2**32, got -1
    """
    check_seed(seed)
    return jax.random.key(seed)


def check_seed(seed: int) -> None:
    """Refuses what starts no random numbers of its own."""
    if not 0 <= seed < SEEDS:
        raise ValueError(f"a seed is at least 0 and below 2**32, got {seed}")


def randomness() -> dict[str, str | bool]:
    """What the random numbers of a seed depend on beside it: settings of JAX.

    Example:
        >>> randomness()["implementation"]
        'threefry2x32'
    """
    settings = jax.config.values
    return {
        "implementation": settings["jax_default_prng_impl"],
        "partitionable": settings["jax_threefry_partitionable"],
        "x64": settings["jax_enable_x64"],
    }


def digest(*arrays: Shaped[np.ndarray | Array, "..."]) -> int:
    """CRC-32 of the bytes of all arrays of an example, in their order."""
    found = 0
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).data, found)
    return found


def image_key(key: PRNGKey, *images: Shaped[np.ndarray | Array, "..."]) -> PRNGKey:
    """The key of one example, as every run folds it.

    Args:
        key: Key of the run.
        images: One image with shape (h, w, c), or all arrays of an example, such as the
            two images of a pair, which share one key.

    Returns:
        Key of the example.

    Example:
        >>> image_key(jax.random.key(0), np.zeros((2, 2, 3), np.float32)).shape
        ()
    """
    return jax.random.fold_in(key, digest(*images))
