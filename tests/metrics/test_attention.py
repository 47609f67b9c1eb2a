import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from fxai_jax.metrics import attention
from tests.reference import amva_oracle


def test_groups_are_the_ends_of_the_ranking(rng):
    quality = rng.permutation(57).astype(np.float32)
    found = attention.quality_groups(jnp.asarray(quality), higher_is_better=True)
    np.testing.assert_array_equal(quality[found.high], [56, 55, 54, 53, 52])
    np.testing.assert_array_equal(quality[found.low], [0, 1, 2, 3, 4])
    found = attention.quality_groups(
        jnp.asarray(quality), higher_is_better=False, fraction=0.05
    )
    np.testing.assert_array_equal(quality[found.high], [0, 1])
    np.testing.assert_array_equal(quality[found.low], [56, 55])
    few = attention.quality_groups(jnp.arange(3.0), higher_is_better=True)
    assert (few.high.tolist(), few.low.tolist()) == ([2], [0])


def test_scalars_of_two_groups(rng):
    x, y = rng.uniform(size=(2, 6, 7)).astype(np.float32)
    distance = attention.wasserstein(jnp.asarray(x), jnp.asarray(y))
    expected = stats.wasserstein_distance(x.ravel(), y.ravel())
    np.testing.assert_allclose(distance, expected, atol=1e-6)
    shifted = attention.wasserstein(jnp.asarray(x), jnp.asarray(x[::-1] + 0.25))
    np.testing.assert_allclose(shifted, 0.25, atol=1e-6)
    inside = rng.uniform(size=x.shape) < 0.4
    found = attention.mean_inside_outside(jnp.asarray(x), jnp.asarray(inside))
    np.testing.assert_allclose(found, (x[inside].mean(), x[~inside].mean()), rtol=1e-5)
    whole = attention.mean_inside_outside(jnp.asarray(x), jnp.ones(x.shape, bool))
    np.testing.assert_allclose(whole, (x.mean(), 0), rtol=1e-5)


def test_auroc_equals_counting_pairs(rng):
    low, high = rng.integers(0, 9, 30), rng.integers(0, 7, 21)
    found = attention.auroc(
        jnp.asarray(low, jnp.float32) / 8, jnp.asarray(high, jnp.float32) / 8
    )
    np.testing.assert_allclose(found, amva_oracle.auroc(low, high), rtol=1e-6)
    assert attention.auroc(jnp.array([2.0, 3.0]), jnp.array([0.0, 1.0])) == 1


def test_the_ellipse_holds_the_landmarks_and_not_the_border():
    inside = np.asarray(attention.face_ellipse((112, 112)))
    arcface = [(38, 52), (74, 52), (56, 72), (42, 92), (71, 92)]
    assert all(inside[y, x] for x, y in arcface)
    assert not inside[0].any()
    assert not inside[:, 0].any()
    np.testing.assert_array_equal(inside, inside[:, ::-1])
    area = np.pi * 0.36 * 0.28
    np.testing.assert_allclose(inside.mean(), area, rtol=0.01)


@pytest.mark.parametrize("total", [7, 20, 100, 1000])
def test_groups_hold_the_whole_number_that_the_share_names(total):
    """0.29 of 100 is 29, whatever the rounding of the product says."""
    quality = jnp.arange(total, dtype=jnp.float32)
    for count in range(1, total // 2 + 1, max(1, total // 40)):
        share = count / total
        groups = attention.quality_groups(
            quality, higher_is_better=True, fraction=share
        )
        assert groups.low.tolist() == [*range(count)]
