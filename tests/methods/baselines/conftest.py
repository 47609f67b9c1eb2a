"""A smooth face model with a grid of features, and pairs for it."""

import jax
import jax.numpy as jnp
import pytest

SIZE, GRID, K, D = 28, 4, 5, 9


class SmoothModel:
    """Random, without kinks; its embeddings have cosines of any sign."""

    def __init__(self, key):
        first, second, third = jax.random.split(key, 3)
        self.colours = jax.random.normal(first, (3, K))
        self.inner = jax.random.normal(second, (GRID * GRID * K, 16)) / 4
        self.outer = jax.random.normal(third, (16, D))

    def features(self, image):
        side = SIZE // GRID
        cells = image.reshape(GRID, side, GRID, side, 3).mean(axis=(1, 3))
        return jnp.tanh(cells @ self.colours)

    def head(self, features, *, dropout_rate=0.0, key=None):
        return jnp.tanh(features.reshape(-1) @ self.inner) @ self.outer

    def __call__(self, image):
        return self.head(self.features(image))


@pytest.fixture
def smooth(key):
    return SmoothModel(key)


@pytest.fixture
def faces(rng):
    """Four images, coarse enough that their cells differ."""
    cells = rng.uniform(size=(4, GRID, 1, GRID, 1, 3))
    side = SIZE // GRID
    noise = rng.uniform(size=(4, GRID, side, GRID, side, 3))
    images = (cells + 0.2 * noise) / 1.2
    return jnp.asarray(images.reshape(4, SIZE, SIZE, 3), jnp.float32)
