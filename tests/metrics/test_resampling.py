from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.metrics.resampling import bootstrap
from fxai_jax.metrics.verification import operating_point


def pairs(rng, n, values):
    """Scores on a coarse grid, so that most are tied, and both kinds of pairs."""
    genuine = rng.permutation(n) < n // 3
    return rng.integers(0, values, n).astype(np.float32), genuine


def rate(scores, genuine):
    return operating_point(scores, genuine, threshold=5.0).fnmr


def test_bootstrap_does_not_depend_on_chunks_or_jit(rng, key):
    scores, genuine = pairs(rng, 50, 20)
    whole = bootstrap(rate, key, scores, genuine, resamples=64)
    for chunk_size in (7, 100):
        options = {"resamples": 64, "chunk_size": chunk_size}
        chunked = bootstrap(rate, key, scores, genuine, **options)
        np.testing.assert_allclose(chunked, whole, rtol=1e-6)
    compiled = jax.jit(partial(bootstrap, rate, resamples=64))
    np.testing.assert_allclose(compiled(key, scores, genuine), whole, rtol=1e-6)


def test_bootstrap_keeps_the_pairs_together_and_the_counts(rng, key):
    scores, genuine = pairs(rng, 30, 1000)
    scores += genuine * 1000
    marks = np.arange(30, dtype=np.float32)

    def checks(drawn, labels, others):
        intact = jnp.all(drawn == jnp.asarray(scores)[others.astype(jnp.int32)])
        kinds = jnp.all((drawn >= 1000) == labels)
        return jnp.array([intact, kinds, jnp.sum(labels)], jnp.float32)

    interval = bootstrap(checks, key, scores, genuine, marks, resamples=20)
    np.testing.assert_allclose(interval.low, [1, 1, genuine.sum()], rtol=1e-6)
    np.testing.assert_allclose(interval.high, [1, 1, genuine.sum()], rtol=1e-6)


def test_bootstrap_has_the_width_of_a_binomial(rng, key):
    genuine = np.arange(800) < 400
    scores = np.where(np.arange(800) % 4 == 0, 0, 1).astype(np.float32)

    def fnmr(scores, genuine):
        return operating_point(scores, genuine, threshold=0.5).fnmr

    interval = bootstrap(fnmr, key, scores, genuine, level=0.9, resamples=2000)
    half = 1.645 * np.sqrt(0.25 * 0.75 / 400)
    np.testing.assert_allclose(interval.low, 0.25 - half, atol=0.008)
    np.testing.assert_allclose(interval.high, 0.25 + half, atol=0.008)
    other = bootstrap(fnmr, jax.random.fold_in(key, 1), scores, genuine)
    assert not np.array_equal(other, bootstrap(fnmr, key, scores, genuine))


@pytest.mark.parametrize("options", [{"resamples": 1}, {"level": 1.0}, {"level": 0.0}])
def test_bootstrap_refuses_useless_options(rng, key, options):
    with pytest.raises(ValueError, match="2 resamples and a level between 0 and 1"):
        bootstrap(rate, key, *pairs(rng, 9, 9), **options)
