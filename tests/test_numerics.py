import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from fxai_jax import filters, numerics


def finite_gradient(fun, x):
    return bool(jnp.isfinite(jax.grad(fun)(x)).all())


def test_safe_norm_equals_the_norm_and_has_gradient_zero_at_zero(rng):
    x = jnp.asarray(rng.normal(size=(5, 3)), jnp.float32)
    np.testing.assert_allclose(numerics.safe_norm(x), np.linalg.norm(x), rtol=1e-6)
    np.testing.assert_allclose(
        jax.grad(numerics.safe_norm)(x), x / np.linalg.norm(x), rtol=1e-5
    )
    zero = jnp.zeros((4,))
    assert numerics.safe_norm(zero) == 0
    np.testing.assert_array_equal(jax.grad(numerics.safe_norm)(zero), 0)


def test_unit_vector_has_norm_one_and_a_finite_gradient_at_zero(rng):
    x = jnp.asarray(rng.normal(size=192), jnp.float32)
    assert abs(float(jnp.linalg.norm(numerics.unit_vector(x))) - 1) < 1e-6
    zero = jnp.zeros(3)
    np.testing.assert_array_equal(numerics.unit_vector(zero), 0)
    assert finite_gradient(lambda v: numerics.unit_vector(v)[0], zero)


def test_cosine_is_invariant_to_scale_and_finite_at_zero(rng):
    x, y = jnp.asarray(rng.normal(size=(2, 64)), jnp.float32)
    expected = np.dot(x, y) / np.linalg.norm(x) / np.linalg.norm(y)
    np.testing.assert_allclose(numerics.cosine(3.0 * x, 0.1 * y), expected, atol=1e-6)
    assert numerics.cosine(jnp.zeros(64), y) == 0
    assert finite_gradient(lambda v: numerics.cosine(v, y), jnp.zeros(64))


def test_whole_numbers_have_the_norms_of_their_values(unchecked):
    for dtype in (np.int8, np.uint8, np.int32):
        x, y = np.array([100, 100], dtype), np.array([100, 0], dtype)
        assert float(numerics.safe_norm(x)) == pytest.approx(20000**0.5)
        assert numerics.unit_vector(x).tolist() == pytest.approx([0.5**0.5] * 2)
        assert float(numerics.cosine(x, y)) == pytest.approx(0.5**0.5)
    assert float(numerics.safe_norm(np.array([True, False, False]))) == 1


def test_squares_of_long_vectors_do_not_overflow():
    for size in (1e16, 1e25, 3e37):
        x, y = jnp.array([size, size]), jnp.array([size, 0.0])
        assert float(numerics.safe_norm(x)) == pytest.approx(size * 2**0.5)
        assert float(numerics.cosine(x, y)) == pytest.approx(0.5**0.5)
        found = jax.grad(numerics.safe_norm)(x)
        assert found.tolist() == pytest.approx([0.5**0.5] * 2)
        compiled = jax.jit(jax.vmap(numerics.cosine))(x[None], y[None])
        assert compiled.tolist() == pytest.approx([0.5**0.5])
    assert np.isinf(numerics.safe_norm(jnp.array([jnp.inf, 1.0])))
    assert numerics.safe_norm(jnp.zeros(0)) == 0


def test_lower_median_takes_the_lower_of_two(rng):
    for count in (1, 4, 7):
        x = rng.normal(size=(count, 2, 3)).astype(np.float32)
        expected = np.sort(x, axis=0)[(count - 1) // 2]
        np.testing.assert_array_equal(numerics.lower_median(jnp.asarray(x)), expected)


def test_min_max_reaches_both_ends_and_survives_a_constant(rng):
    x = numerics.min_max(jnp.asarray(rng.normal(size=(6, 5)), jnp.float32))
    assert float(x.min()) == 0
    assert float(x.max()) == pytest.approx(1)
    np.testing.assert_array_equal(numerics.min_max(jnp.full((3, 3), 2.0)), 0)
    assert finite_gradient(lambda v: numerics.min_max(v).sum(), jnp.full((3,), 2.0))


def test_pixel_ranks_order_a_map_without_ties(rng, key):
    saliency = rng.permutation(35).reshape(5, 7).astype(np.float32) - 11
    ranks = numerics.pixel_ranks(key, jnp.asarray(saliency))
    np.testing.assert_array_equal(ranks, 23 - saliency)
    compiled = jax.jit(numerics.pixel_ranks)(key, jnp.asarray(saliency))
    np.testing.assert_array_equal(compiled, ranks)


def test_pixel_ranks_break_ties_at_random_and_without_bias(rng, key):
    positive = rng.permutation(36) < 12
    zeros = rng.choice([0.0, -0.0], 36)
    saliency = np.where(positive, rng.uniform(1, 2, 36), zeros).astype(np.float32)
    saliency = jnp.asarray(saliency).reshape(6, 6)
    keys = jax.random.split(key, 1000)
    ranks = jax.vmap(numerics.pixel_ranks, (0, None))(keys, saliency).reshape(-1, 36)
    np.testing.assert_array_equal(np.sort(ranks, axis=1)[7], np.arange(36))
    assert (np.ptp(ranks[:, positive], axis=0) == 0).all()
    tied = np.asarray(ranks)[:, ~positive]
    deviation = np.sqrt((24**2 - 1) / 12)
    error = np.abs(tied.mean(axis=0) - 23.5) / (deviation / np.sqrt(1000))
    assert error.max() < 6
    np.testing.assert_allclose(tied.std(axis=0), deviation, rtol=0.15)
    again = numerics.pixel_ranks(keys[3], saliency).reshape(-1)
    np.testing.assert_array_equal(again, ranks[3])


@pytest.mark.parametrize("values", [2, 7, 1000])
def test_centred_ranks_are_those_of_scipy(rng, values):
    numbers = rng.integers(0, values, 60).astype(np.float32)
    found = numerics.centred_ranks(jnp.asarray(numbers))
    expected = 2 * stats.rankdata(numbers) - 61
    np.testing.assert_array_equal(found, expected)
    assert int(found.sum()) == 0


def test_pair_cosines_are_those_of_each_pair(rng):
    probe, gallery = rng.normal(size=(2, 9, 5)) * rng.uniform(0.1, 30, (2, 9, 1))
    found = numerics.pair_cosines(probe, gallery)
    expected = [
        x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        for x, y in zip(probe, gallery, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.dtype == np.float64
    assert numerics.pair_cosines(np.zeros((1, 5)), gallery[:1]).tolist() == [0]
    single = numerics.pair_cosines(probe.astype(np.float32), gallery.astype(np.float32))
    np.testing.assert_allclose(single, expected, atol=1e-6)


def test_pair_cosines_of_whole_and_of_huge_numbers(unchecked):
    x, y = np.array([[100, 100], [3, 4]]), np.array([[100, 0], [3, 4]])
    for dtype in (np.int8, np.uint8, np.float16):
        found = numerics.pair_cosines(x.astype(dtype), y.astype(dtype))
        np.testing.assert_allclose(found, [0.5**0.5, 1], rtol=1e-12)
    huge = numerics.pair_cosines(np.float64(x) * 1e200, y * 1e-3)
    np.testing.assert_allclose(huge, [0.5**0.5, 1], rtol=1e-12)


def test_pair_cosines_are_of_one_shape(unchecked):
    for wrong in (np.ones((1, 2)), np.ones((3, 1)), np.ones(2), np.ones((2, 2))):
        with pytest.raises(ValueError, match=r"expected one shape \(n, d\), got \(3"):
            numerics.pair_cosines(np.ones((3, 2)), wrong)
    with pytest.raises(ValueError, match="expected one shape"):
        numerics.pair_cosines(np.ones(2), np.ones(2))


def test_rounding_is_not_scaled_to_a_map(rng):
    """Blurred constants differ in their last bits alone."""
    for value in rng.uniform(0.1, 9, 2).astype(np.float32):
        constant = np.full((16, 16), value)
        noisy = constant * (1 + rng.integers(-2, 3, (16, 16)) * np.float32(1.2e-7))
        for map_ in (constant, noisy.astype(np.float32)):
            blurred = filters.gaussian_blur(jnp.asarray(map_))
            assert bool(numerics.is_constant(blurred))
            assert not np.any(numerics.min_max(blurred))
            assert not np.any(numerics.min_max(jnp.asarray(map_)))
    small = jnp.asarray(rng.uniform(size=(5, 5)), jnp.float32) * 1e-20
    assert not bool(numerics.is_constant(small))
    assert float(numerics.min_max(small).max()) == 1
