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
    finished = upsample((features @ weights).clip(min=0))
    np.testing.assert_allclose(found.similarity, finished, atol=tolerance)
    against = upsample((features @ -weights).clip(min=0))
    np.testing.assert_allclose(found.dissimilarity, against, atol=tolerance)
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


def test_maps_are_clamped_on_the_grid_and_not_after_upsampling(linear, pair):
    """Both maps may be positive between cells of different sign; their difference is
    the map that is not clamped."""
    for cam in (cams.grad_cam, cams.score_cam):
        found = cam(linear, *pair, threshold=0.4)
        difference = found.similarity - found.dissimilarity
        tolerance = 1e-5 * float(jnp.abs(found.signed).max())
        np.testing.assert_allclose(difference, found.signed, atol=tolerance)
        assert bool(
            (found.similarity >= jnp.maximum(found.signed, 0) - tolerance).all()
        )
    grid = np.array([[1.0, -1.0, 0.5], [-2.0, 1.0, 0.0], [0.3, -0.2, 0.1]])

    class OneChannel(LinearModel):
        def features(self, image):
            return jnp.asarray(grid[..., None], jnp.float32) * image.mean()

        def head(self, features, *, dropout_rate=0.0, key=None):
            return jnp.stack([features.mean(), 1.0])

    ones = jnp.ones((SIZE, SIZE, 3))
    found = cams.grad_cam(
        OneChannel(np.random.default_rng(0)), ones, -ones, threshold=0.0
    )
    scale = float(found.signed[0, 0]) / grid[0, 0]
    assert scale != 0
    kept = (np.sign(scale) * grid).clip(min=0)
    expected = abs(scale) * upsample(kept)
    np.testing.assert_allclose(found.similarity, expected, atol=1e-5 * abs(scale))
    assert bool(((found.similarity > 0) & (found.dissimilarity > 0)).any())


def test_grad_cam_with_constant_norms_by_hand(linear, pair):
    """The slope of the dot product over the norms, which stay what they are."""
    found = cams.grad_cam(linear, *pair, threshold=0.4, norms="constant")
    features = np.asarray(linear.features(pair[0]), np.float64)
    raw = np.asarray(linear(pair[0]), np.float64)
    g = normalised(linear(pair[1]))
    slope = linear.weights @ (g / np.linalg.norm(raw))
    weights = slope.reshape(GRID, GRID, K).mean(axis=(0, 1))
    grid = features @ weights
    tolerance = 1e-4 * np.abs(grid).max()
    np.testing.assert_allclose(found.signed, upsample(grid), atol=tolerance)
    finished = upsample(grid.clip(min=0))
    np.testing.assert_allclose(found.similarity, finished, atol=tolerance)
    usual = cams.grad_cam(linear, *pair, threshold=0.4)
    np.testing.assert_allclose(found.cosine, usual.cosine, atol=1e-6)
    assert float(jnp.abs(found.signed - usual.signed).max()) > tolerance


def test_unknown_norms_are_refused(linear, pair, unchecked):
    with pytest.raises(
        ValueError, match="norms must be 'differentiated' or 'constant'"
    ):
        cams.grad_cam(linear, *pair, threshold=0.4, norms="fame")
