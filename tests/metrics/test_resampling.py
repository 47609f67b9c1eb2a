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


def person_values(rng, persons):
    """Values of pairs, made of what their persons bring and of noise; the mean is 0."""
    brought = rng.normal(size=persons.max() + 1)
    alike = (persons[:, 0] == persons[:, 1])[:, None]
    sides = np.where(alike, brought[persons] / 2, brought[persons])
    return sides.sum(1) + 0.5 * rng.normal(size=len(persons))


def genuine_pairs(rng):
    return np.repeat(np.arange(40), 6)[:, None] * np.ones(2, int)


def impostor_pairs(rng):
    drawn = rng.integers(40, size=(240, 2))
    return drawn[drawn[:, 0] != drawn[:, 1]]


@pytest.mark.parametrize("pairs_of", [genuine_pairs, impostor_pairs])
def test_drawing_persons_covers_what_drawing_pairs_does_not(rng, pairs_of):
    """In lists of 40 persons, 95 % intervals of a mean whose truth is 0."""
    lists, covered = 200, np.zeros(2)
    for seed in range(lists):
        persons = pairs_of(rng)
        values = person_values(rng, persons)
        for way, who in enumerate((persons, None)):
            options = {"seed": seed, "resamples": 200, "persons": who}
            low, high = bootstrap(mean_of(values), np.zeros(len(values)), **options)
            covered[way] += low <= 0 <= high
    over_persons, over_pairs = covered / lists
    assert 0.87 < over_persons < 0.995
    assert over_pairs < 0.75


def test_where_nobody_recurs_pairs_are_drawn_as_ever(rng):
    values, strata = rng.random(30), rng.permutation(30) < 10
    mixed = np.where(
        strata[:, None], np.arange(30)[:, None], np.arange(60, 120)[:30, None]
    )
    persons = np.stack([mixed[:, 0], mixed[:, 0] + 200 * ~strata], axis=1)
    options = {"seed": 4, "resamples": 50}
    plain = bootstrap(mean_of(values), strata, **options)
    assert bootstrap(mean_of(values), strata, persons=persons, **options) == plain


def test_a_pair_counts_as_often_as_both_of_its_persons(rng):
    """Written out: persons 0 to 3 recur, 8 and 9 do not."""
    persons = np.array([[0, 0], [0, 1], [1, 2], [2, 2], [3, 8], [3, 0], [9, 9]])
    drawn = []

    def note(counts):
        drawn.append(counts.copy())
        return 0.0

    bootstrap(note, np.zeros(7), persons=persons, seed=0, resamples=300)
    times = np.random.default_rng(0)
    for counts in drawn:
        c = np.bincount(times.integers(1, 5, size=4), minlength=5)[1:]
        times.integers(1, size=1)  # the pair of nobody who recurs, alone in its stratum
        expected = [c[0], c[0] * c[1], c[1] * c[2], c[2], c[3], c[3] * c[0], 1]
        assert counts.tolist() == expected


def test_no_resample_loses_a_kind_of_pair(rng):
    """One impostor pair of two persons who recur: half of all draws would lose it."""
    persons = np.array([[0, 0], [0, 0], [1, 1], [1, 1], [2, 2], [2, 2], [0, 1]])
    genuine = persons[:, 0] == persons[:, 1]
    drawn = []

    def note(counts):
        drawn.append(counts[~genuine].sum())
        return 0.0

    bootstrap(note, genuine, persons=persons, seed=int(rng.integers(99)))
    assert min(drawn) >= 1


def test_there_are_two_persons_for_each_unit(unchecked):
    for wrong in (np.zeros((3, 2), int), np.zeros((5, 2), int), np.zeros((4, 1), int)):
        with pytest.raises(ValueError, match="two persons for each of 4 pairs"):
            bootstrap(np.sum, np.zeros(4), persons=wrong, seed=0)
