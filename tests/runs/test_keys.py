import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.runs.keys import image_key, run_key
from fxai_jax.runs.options import RunOptions


def test_the_key_of_one_image_is_that_of_its_pixels(rng, key):
    image = rng.random((4, 3, 3), np.float32)
    digest = zlib.crc32(image.tobytes())
    for same in (image, jnp.asarray(image), np.asfortranarray(image)):
        assert image_key(key, same) == jax.random.fold_in(key, digest)
    other = rng.random((4, 3, 3), np.float32)
    digest = zlib.crc32(image.tobytes() + other.tobytes())
    assert image_key(key, image, other) == jax.random.fold_in(key, digest)
    assert image_key(key, other, image) != image_key(key, image, other)


def test_every_seed_starts_its_own_numbers():
    largest = 2**32 - 1
    for seed in (0, 7, largest):
        assert run_key(seed) == jax.random.key(seed)
    assert run_key(0) != run_key(largest)
    for seed in (-1, 2**32, 10**20):
        with pytest.raises(ValueError, match=f"below 2..32, got {seed}"):
            run_key(seed)
        with pytest.raises(ValueError, match=f"below 2..32, got {seed}"):
            RunOptions(seed=seed)
