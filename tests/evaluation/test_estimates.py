import numpy as np
import pytest

from fxai_jax.evaluation.estimates import (
    common_rows,
    estimate_rows,
    groups_of,
    mean_interval,
)
from tests.evaluation.tiny import SIZE, pairs_of


def independent(count):
    places = np.arange(count)
    return pairs_of([None] * count, places, places, [True] * count)


def test_intervals_of_means_are_those_of_a_bootstrap(rng):
    values = rng.normal(size=(40, 2)) * [1.0, 5.0] + [0.0, 3.0]
    low, high = mean_interval(values, independent(40), 0)
    drawn = rng.integers(40, size=(4000, 40))
    means = values[drawn].mean(1)
    expected = np.quantile(means, [0.025, 0.975], axis=0)
    spread = means.std(0)
    assert np.all(np.abs(low - expected[0]) < 0.35 * spread)
    assert np.all(np.abs(high - expected[1]) < 0.35 * spread)


def test_the_interval_of_one_pair_is_its_value():
    low, high = mean_interval(np.full((1, 1), 2.5), independent(1), 0)
    assert (low, high) == ([2.5], [2.5])


def test_rows_hold_means_with_their_intervals(rng):
    a, b = rng.normal(size=(2, 50))
    columns = {("x", "m"): a, ("x", "n"): b, ("y", "m"): a - b}
    pairs = independent(50)
    rows = estimate_rows(columns, pairs, seed=3)
    assert {name: list(row) for name, row in rows.items()} == {
        "x": ["m", "n"],
        "y": ["m"],
    }
    for estimate, values in ((rows["x"]["m"], a), (rows["y"]["m"], a - b)):
        assert estimate.value == pytest.approx(values.mean())
        alone = mean_interval(values[:, None], pairs, 3)
        assert (estimate.low, estimate.high) == pytest.approx(
            (alone.low[0], alone.high[0])
        )


def test_groups_leave_out_columns_of_names():
    images = [np.zeros((SIZE, SIZE, 3), np.float32)] * 4
    columns = {"light": list("aabb"), "name": list("wxyz"), "same": list("cccc")}
    columns["fold"] = columns["identity_a"] = columns["identity_b"] = list("0011")
    pairs = pairs_of(images, range(4), range(4), [True] * 4, **columns)
    assert {k: v.tolist() for k, v in groups_of(pairs).items()} == {
        "all": [0, 1, 2, 3],
        "light=a": [0, 1],
        "light=b": [2, 3],
    }


def test_the_pairs_that_went_well_everywhere():
    rows = [np.array([0, 1, 3, 4]), np.array([1, 3, 9]), np.array([3, 1])]
    assert common_rows(rows).tolist() == [1, 3]
    with pytest.raises(ValueError, match="no pair is left that went well in every"):
        common_rows([np.array([0]), np.array([1])])
