from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.data.pair_sets import PairSet
from fxai_jax.methods import frequency as bands_of
from fxai_jax.metrics.band_curves import band_cosines, influence_order
from fxai_jax.metrics.verification import equal_error
from fxai_jax.runners.evaluation import frequency
from fxai_jax.runners.evaluation.band_groups import (
    compare_groups,
    influence_rows,
    persons,
)
from tests.faces import smooth_embedder

SIZE = 12
BANDS = bands_of.radial_bands((SIZE, SIZE), width=2)
COUNT = len(BANDS.masks)


@pytest.fixture
def images(rng):
    return rng.uniform(size=(5, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture
def embed(key):
    return smooth_embedder(key, SIZE, 7)


def pair_set(probe, gallery, genuine, groups=None, read=None):
    names = [f"{i}.png" for i in range(5)]
    places = np.array(probe), np.array(gallery), np.array(genuine)
    return PairSet(names, read, *places, groups or {}, lambda i: (SIZE, SIZE))


def made_run(rng, genuine, groups=None, draws=2):
    """Curves of nobody's, as `run_bands` would split them."""
    n = len(genuine)
    cosines = rng.uniform(size=(n, 4 + draws, COUNT + 1)).astype(np.float32)
    directed = rng.normal(size=(n, COUNT)).astype(np.float32)
    pairs = pair_set(np.zeros(n, int), np.ones(n, int), genuine, groups)
    return frequency.Run(pairs, directed, frequency.split_curves(cosines), [])


@pytest.mark.parametrize("perturb", ["probe", "both"])
def test_curves_of_a_pair_are_those_of_the_metric(embed, images, key, perturb):
    options = {"masks": BANDS.masks, "perturb": perturb, "draws": 3}
    found = frequency.pair_bands(embed, key, *images[:2], **options)
    influence = bands_of.explain(embed, *images[:2], BANDS.masks, perturb=perturb)
    np.testing.assert_allclose(found["directed"], influence.directed, atol=1e-5)
    curves = frequency.split_curves(np.asarray(found["curves"])[None])
    metric = partial(band_cosines, embed, *images[:2], BANDS.masks, perturb=perturb)
    orders = {
        "influence": influence_order(influence.directed),
        "low to high": jnp.arange(COUNT),
        "high to low": jnp.arange(COUNT)[::-1],
    }
    for mode in frequency.MODES:
        for name, order in orders.items():
            expected = metric(order, mode=mode)
            np.testing.assert_allclose(curves[mode][name][0, 0], expected, atol=1e-5)
    random = curves["deletion"]["random"][0]
    assert random.shape == (3, COUNT + 1)
    np.testing.assert_allclose(random[:, 0], influence.cosine, atol=1e-5)
    assert np.ptp(random[:, 1:-1], axis=0).max() > 1e-4
    assert np.ptp(random[:, -1]) < 1e-5
    np.testing.assert_array_equal(
        curves["insertion"]["random"][0], curves["deletion"]["random"][0, :, ::-1]
    )


def test_a_run_leaves_damaged_images_out(embed, images, key):
    def read(i):
        if i == 4:
            raise ValueError("image 4 is damaged")
        return images[i]

    pairs = pair_set([0, 4, 2, 3], [1, 0, 1, 0], [True, True, False, False], read=read)
    function = jax.tree_util.Partial(embed)
    options = {"draws": 1, "batch_size": 4}
    run = frequency.run_bands(function, key, pairs, BANDS.masks, **options)
    assert run.errors == ["image 4 is damaged"]
    assert run.pairs.probe.tolist() == [0, 2, 3]
    assert run.directed.shape == (3, COUNT)
    alone = frequency.pair_bands(embed, key, *images[:2], masks=BANDS.masks)
    np.testing.assert_allclose(run.directed[0], alone["directed"], atol=1e-5)
    with pytest.raises(ValueError, match="at least 1 draw, got 0"):
        frequency.run_bands(function, key, pairs, BANDS.masks, draws=0)
    one_kind = pairs._replace(genuine=np.array([False, True, False, False]))
    with pytest.raises(ValueError, match="found 0 genuine and 3 impostor"):
        frequency.run_bands(function, key, one_kind, BANDS.masks, **options)


def test_error_rates_at_each_number_of_bands(rng):
    cosines = rng.normal(size=(30, 2, 4)).astype(np.float32)
    genuine = rng.permutation(np.arange(30) < 12)
    curves = {"a": cosines[:, :1], "b": cosines}
    rates = frequency.error_rates(curves, genuine, fmr=1e-3)
    for name, each in curves.items():
        highest = each[~genuine].max(0)
        missed = 100 * (each[genuine] <= highest[None]).mean(0)
        np.testing.assert_allclose(rates[name]["FNMR"], missed.mean(0), rtol=1e-5)
        eer = [
            np.mean([100 * equal_error(c, genuine).rate for c in each[:, :, s].T])
            for s in range(4)
        ]
        np.testing.assert_allclose(rates[name]["EER"], eer, rtol=1e-5)
    allowed = frequency.error_rates(curves, genuine, fmr=0.5)
    assert (allowed["b"]["FNMR"] <= rates["b"]["FNMR"]).all()
    assert allowed["b"]["FNMR"].mean() < rates["b"]["FNMR"].mean()


def test_rows_hold_areas_and_margins(rng):
    genuine = np.arange(12) < 6
    run = made_run(rng, genuine, {"sex": ["f", "m"] * 6})
    rows = frequency.frequency_rows(run)
    assert [r["group"] for r in rows[::4]] == ["all", "sex=f", "sex=m"]
    assert [r["order"] for r in rows[:4]] == list(frequency.ORDERS)
    assert (rows[4]["genuine"], rows[4]["impostor"]) == (3, 3)

    def mean_area(mode, order, members):
        curve = run.curves[mode][order][members].mean((0, 1))
        return 100 * np.trapezoid(curve, dx=1 / COUNT)

    for row in rows[4:8]:
        members = np.array([0, 2, 4])
        deleted, inserted = (
            mean_area(mode, row["order"], members) for mode in frequency.MODES
        )
        assert row["deletion"] == pytest.approx(deleted, rel=1e-4)
        assert row["insertion"] == pytest.approx(inserted, rel=1e-4)
        if row["order"] == "random":
            assert "ins - del" not in row
            assert deleted == pytest.approx(inserted)
            continue
        assert row["ins - del"].value == pytest.approx(inserted - deleted, abs=1e-3)
        assert row["ins - del"].low <= row["ins - del"].value <= row["ins - del"].high
        under = mean_area("deletion", "random", members) - deleted
        assert row["del. under random"].value == pytest.approx(under, abs=1e-3)
    margin = rows[0]["over low to high"].value
    difference = rows[0]["ins - del"].value - rows[1]["ins - del"].value
    assert margin == pytest.approx(difference, abs=1e-3)
    assert "over low to high" not in rows[1]
    rates = frequency.error_rates(run.curves["deletion"], genuine, fmr=1e-3)
    expected = np.trapezoid(rates["influence"]["EER"], dx=1 / COUNT)
    assert rows[0]["EER area"] == pytest.approx(expected, rel=1e-4)


def test_groups_of_one_kind_and_persons(rng):
    genuine = np.arange(12) < 6
    groups = {"set": ["x"] * 3 + ["y"] * 3 + ["z"] * 6}
    groups |= {"identity_a": ["p"] * 6 + ["q"] * 6, "identity_b": ["p"] * 12}
    rows = frequency.frequency_rows(made_run(rng, genuine, groups))
    assert [r["group"] for r in rows[::4]] == ["all", "set=x", "set=y"]
    assert "EER area" in rows[0]
    assert "EER area" not in rows[4]


def test_who_is_in_a_pair():
    genuine = [True, False, False]
    columns = {"probe_identity": ["b", "a", "c"], "gallery_identity": ["b", "c", "b"]}
    pairs = pair_set([0, 1, 2], [1, 2, 3], genuine, columns)
    np.testing.assert_array_equal(persons(pairs), [[1, 1], [0, 2], [2, 1]])
    assert persons(pairs._replace(groups={"probe_identity": ["b", "a", "c"]})) is None


def test_groups_side_by_side(rng):
    genuine = np.arange(40) < 20
    texts = ["x", "x", "y", "z"] * 10
    run = made_run(rng, genuine, {"set": texts})
    found = compare_groups(run)
    assert [(c.pairs, c.column) for c in found] == [
        ("all", "kind"),
        ("genuine", "set"),
        ("impostor", "set"),
    ]
    assert found[0].names == ["genuine", "impostor"]
    assert found[2].counts == [10, 5, 5]
    np.testing.assert_allclose(
        found[0].influence.mean,
        [run.directed[genuine].mean(0), run.directed[~genuine].mean(0)],
        atol=1e-5,
    )
    chosen = np.flatnonzero(~genuine & (np.array(texts) == "y"))
    mean = run.directed[chosen].mean(0)
    np.testing.assert_allclose(found[2].influence.mean[1], mean, atol=1e-5)
    difference = mean - run.directed[~genuine].mean(0)
    np.testing.assert_allclose(found[2].influence.difference[1], difference, atol=1e-5)
    rows = influence_rows(found, BANDS)
    assert len(rows) == (2 + 3 + 3) * COUNT
    row = rows[(2 + 3 + 1) * COUNT + 1]
    assert (row["pairs"], row["group"], row["count"]) == ("impostor", "set=y", 5)
    assert (row["band"], row["coefficients"]) == ("2-4", int(BANDS.coefficients[1]))
    assert row["influence"].value == pytest.approx(100 * mean[1], abs=1e-3)
    assert row["influence"].low < row["influence"].value < row["influence"].high


def test_pairs_of_one_person_are_no_independent_pairs(rng):
    genuine = np.arange(80) < 60
    run = made_run(rng, genuine)
    persons_of = np.arange(80) % 6
    alike = run._replace(directed=run.directed[persons_of])
    who = [f"person {i}" for i in persons_of]
    named = {"identity_a": who, "identity_b": who}
    by_person = alike._replace(pairs=run.pairs._replace(groups=named))
    widths = [
        np.ptp(compare_groups(r)[0].influence.mean_interval[:, 0], axis=0)
        for r in (alike, by_person)
    ]
    assert (widths[1] > 1.5 * widths[0]).all()
