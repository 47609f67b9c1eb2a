import numpy as np
import pytest

from fxai_jax.metrics.resampling import bootstrap


def mean_of(values):
    return lambda counts: counts @ values / counts.sum()


def test_it_is_the_slow_bootstrap(rng):
    """Each resample is a list of units; quantiles are interpolated by hand."""
    values = rng.random(30)
    seen = []

    def mean(counts):
        seen.append(np.repeat(values, counts).mean())
        return mean_of(values)(counts)

    found = bootstrap(mean, np.zeros(30), seed=3, resamples=101, level=0.8)
    ranked = np.sort(seen)
    assert len(set(seen)) == 101
    np.testing.assert_allclose(found.low, ranked[10], rtol=1e-12)
    np.testing.assert_allclose(found.high, ranked[90], rtol=1e-12)


def test_strata_keep_their_sizes_and_their_units(rng):
    strata = rng.permutation(np.repeat([0, 1, 2], [1, 7, 22]))
    drawn = []

    def note(counts):
        drawn.append(counts.copy())
        return 0.0

    bootstrap(note, strata, seed=0, resamples=50)
    for stratum, size in enumerate((1, 7, 22)):
        inside = np.array(drawn)[:, strata == stratum]
        assert (inside.sum(1) == size).all()
        assert inside.min() == (1 if size == 1 else 0)
        assert (inside.mean(0) > 0).all()


def test_it_has_the_width_of_a_binomial(rng):
    genuine = np.arange(800) < 400
    wrong = np.arange(800) % 4 == 0

    def fnmr(counts):
        return counts[genuine] @ wrong[genuine] / counts[genuine].sum()

    found = bootstrap(fnmr, genuine, seed=1, level=0.9, resamples=2000)
    half = 1.645 * np.sqrt(0.25 * 0.75 / 400)
    np.testing.assert_allclose(found.low, 0.25 - half, atol=0.008)
    np.testing.assert_allclose(found.high, 0.25 + half, atol=0.008)


def test_the_seed_decides(rng):
    statistic, strata = mean_of(rng.random(20)), np.zeros(20)
    first, again, other = (
        bootstrap(statistic, strata, seed=seed, resamples=50) for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_arrays_are_bounded_entry_by_entry(rng):
    values, strata = rng.random((20, 2)), np.zeros(20)
    both = bootstrap(mean_of(values), strata, seed=0, resamples=50)
    for column in range(2):
        alone = bootstrap(mean_of(values[:, column]), strata, seed=0, resamples=50)
        np.testing.assert_allclose([end[column] for end in both], alone, rtol=1e-12)


def test_undefined_resamples_are_left_out():
    """The statistic exists where unit 0 was drawn, and then is how often."""

    def statistic(counts):
        return np.array([counts[0] if counts[0] else np.nan, np.nan])

    low, high = bootstrap(statistic, np.zeros(5), seed=0, resamples=200)
    assert low[0] == 1.0
    assert 2 <= high[0] <= 5
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize("options", [{"resamples": 1}, {"level": 1.0}, {"level": 0.0}])
def test_useless_options_are_refused(options):
    with pytest.raises(ValueError, match="2 resamples and a level between 0 and 1"):
        bootstrap(mean_of(np.ones(3)), np.zeros(3), seed=0, **options)
