import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.methods.baselines import cams

SIZE, GRID, K, D = 12, 3, 4, 6


class LinearModel:
    """Mean colours of cells, mixed into features; a linear head."""

    def __init__(self, rng):
        self.mix = rng.normal(size=(3, K)).astype(np.float32)
        self.mix[:, 2] = 0  # a constant channel
        self.weights = rng.normal(size=(GRID * GRID * K, D)).astype(np.float32)

    def features(self, image):
        side = SIZE // GRID
        return image.reshape(GRID, side, GRID, side, 3).mean(axis=(1, 3)) @ self.mix

    def head(self, features, *, dropout_rate=0.0, key=None):
        return features.reshape(-1) @ self.weights

    def __call__(self, image):
        return self.head(self.features(image))


@pytest.fixture
def linear(rng):
    return LinearModel(rng)


@pytest.fixture
def pair(rng):
    """Coarse images: of fine noise all cells are grey and the cosine is 1."""
    cells = rng.uniform(size=(2, GRID, 1, GRID, 1, 3))
    images = np.tile(cells, (1, 1, SIZE // GRID, 1, SIZE // GRID, 1))
    return jnp.asarray(images.reshape(2, SIZE, SIZE, 3), jnp.float32)


def upsample(grid):
    centres = (np.arange(SIZE) + 0.5) * GRID / SIZE - 0.5
    for _ in range(2):
        grid = np.stack([np.interp(centres, np.arange(GRID), row) for row in grid]).T
    return grid


def normalised(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x)


def test_grad_cam_of_a_linear_head_by_hand(linear, pair):
    found = cams.grad_cam(linear, *pair, threshold=0.4)
    features = np.asarray(linear.features(pair[0]), np.float64)
    raw = np.asarray(linear(pair[0]), np.float64)
    f, g = normalised(raw), normalised(linear(pair[1]))
    slope = linear.weights @ ((g - (f @ g) * f) / np.linalg.norm(raw))
    weights = slope.reshape(GRID, GRID, K).mean(axis=(0, 1))
    expected = upsample(features @ weights)
    tolerance = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(found.signed, expected, atol=tolerance)
    np.testing.assert_allclose(found.similarity, expected.clip(min=0), atol=tolerance)
    np.testing.assert_allclose(found.cosine, f @ g, atol=1e-6)


@pytest.mark.parametrize("baseline", [0.5, [0.1, 0.9, 0.4]])
def test_score_cam_equals_a_loop(linear, pair, baseline):
    given = baseline if isinstance(baseline, float) else jnp.array(baseline)
    found = cams.score_cam(linear, *pair, threshold=0.4, baseline=given)
    features = np.asarray(linear.features(pair[0]), np.float64)
    probe = np.asarray(pair[0], np.float64)
    empty = np.broadcast_to(np.float64(baseline), probe.shape)
    g = normalised(linear(pair[1]))
    total = np.zeros((GRID, GRID))
    for k in range(K):
        mask = upsample(features[..., k])
        if np.ptp(mask) == 0:
            continue
        mask = (mask - mask.min()) / np.ptp(mask)
        masked = normalised(linear(empty + (probe - empty) * mask[..., None]))
        total += (masked @ g - normalised(linear(empty)) @ g) * features[..., k]
    expected = upsample(total)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(found.signed, expected, atol=2e-6)


def test_channels_that_add_nothing_to_the_empty_image_weigh_nothing(linear):
    empty = jnp.full((SIZE, SIZE, 3), 0.5)
    found = cams.score_cam(linear, empty, empty, threshold=0.4)
    np.testing.assert_allclose(found.signed, 0, atol=1e-5)
    different = cams.score_cam(linear, empty, empty, threshold=0.4, baseline=0.1)
    assert bool(jnp.isfinite(different.signed).all())


def test_grad_cam_does_not_change_with_the_length_of_embeddings(linear, pair):
    found = cams.grad_cam(linear, *pair, threshold=0.4)
    linear.weights = 8 * linear.weights
    scaled = jax.jit(lambda a, b: cams.grad_cam(linear, a, b, threshold=0.4))(*pair)
    np.testing.assert_allclose(scaled.signed, found.signed, atol=1e-5)
