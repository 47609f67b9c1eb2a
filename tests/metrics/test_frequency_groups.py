from functools import partial

import numpy as np

from fxai_jax.metrics.frequency_groups import group_influence
from tests.reference import frequency_oracle


def drawn_persons(persons, seed, resamples):
    """The persons of each resample, as the bootstrap draws them."""
    rng = np.random.default_rng(seed)
    return [rng.integers(persons, size=persons) for _ in range(resamples)]


def test_group_means_equal_pairs_written_out(rng):
    persons, groups, n, resamples = 12, 3, 60, 40
    influence = rng.normal(size=(n, 4)).astype(np.float32)
    identities = rng.integers(0, persons, (n, 2))
    identities[::2, 1] = identities[::2, 0]
    identities[: 2 * persons] = np.arange(2 * persons)[:, None] // 2  # all recur
    group = rng.integers(0, groups, n)
    found = group_influence(
        influence,
        identities,
        group,
        group_count=groups,
        seed=5,
        resamples=resamples,
        level=0.9,
    )
    write_out = partial(
        frequency_oracle.resampled_means, influence, identities, group, groups
    )
    expected = [write_out(each) for each in drawn_persons(persons, 5, resamples)]
    for i, name in enumerate(("mean", "difference")):
        exact = write_out(range(persons))[i]
        np.testing.assert_allclose(getattr(found, name), exact, atol=1e-6)
        draws = np.stack([e[i] for e in expected])
        low, high = np.nanpercentile(draws, [5, 95], axis=0)
        interval = getattr(found, f"{name}_interval")
        np.testing.assert_allclose(interval.low, low, atol=1e-6)
        np.testing.assert_allclose(interval.high, high, atol=1e-6)
    np.testing.assert_allclose(found.spread, found.mean.std(axis=0, ddof=1), rtol=1e-9)


def test_drawing_persons_widens_the_interval():
    # 8 persons with 50 equal pairs each: 400 pairs, but only 8 independent numbers
    person = np.repeat(np.arange(8), 50)
    influence = np.arange(8, dtype=np.float32)[person][:, None]
    pairs_of_one = np.stack([person, person], axis=1)
    found = group_influence(
        influence, pairs_of_one, 0 * person, group_count=1, seed=0, resamples=2000
    )
    low, high = found.mean_interval
    expected = 2 * 1.96 * np.arange(8).std() / np.sqrt(8)
    np.testing.assert_allclose(high - low, expected, rtol=0.1)
    np.testing.assert_allclose(found.difference_interval, 0, atol=1e-12)
    assert np.isnan(found.spread).all()


def test_a_group_without_pairs_is_not_a_number():
    identities, group = np.array([[0, 0], [1, 1]]), np.zeros(2, int)
    influence = np.ones((2, 3), np.float32)
    found = group_influence(influence, identities, group, group_count=2, seed=0)
    np.testing.assert_array_equal(found.mean[0], 1)
    assert np.isnan(found.mean[1]).all()
    assert np.isnan(found.mean_interval.low[1]).all()
    np.testing.assert_array_equal(found.mean_interval.low[0], 1)
