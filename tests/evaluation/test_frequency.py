import dataclasses
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.evaluation import band_areas, band_groups, frequency
from fxai_jax.evaluation.band_groups import compare_groups, influence_rows
from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.frequency import Frequency
from fxai_jax.methods import frequency as bands_of
from fxai_jax.metrics.band_curves import band_cosines, influence_order
from fxai_jax.metrics.verification import equal_error
from tests.evaluation import tiny
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


def pairs_of(genuine, groups=None, probe=None, gallery=None):
    n = len(genuine)
    probe, gallery = probe or [0] * n, gallery or [1] * n
    return tiny.pairs_of([None] * 5, probe, gallery, genuine, **(groups or {}))


def made_up(rng, genuine, groups=None, draws=2):
    """Pairs with influences and curves of nobody's."""
    n = len(genuine)
    cosines = rng.uniform(size=(n, 4 + draws, COUNT + 1)).astype(np.float32)
    directed = rng.normal(size=(n, COUNT)).astype(np.float32)
    return pairs_of(genuine, groups), directed, band_areas.split_curves(cosines)


@pytest.mark.slow
@pytest.mark.parametrize("perturb", ["probe", "both"])
def test_curves_of_a_pair_are_those_of_the_metric(embed, images, key, perturb):
    options = {"perturb": perturb, "draws": 3}
    found = frequency.measure((embed, BANDS.masks), key, *images[:2], **options)
    influence = bands_of.explain(embed, *images[:2], BANDS.masks, perturb=perturb)
    np.testing.assert_allclose(found["directed"], influence.directed, atol=1e-5)
    curves = band_areas.split_curves(np.asarray(found["curves"])[None])
    metric = partial(band_cosines, embed, *images[:2], BANDS.masks, perturb=perturb)
    orders = {
        "influence": influence_order(influence.directed),
        "low to high": jnp.arange(COUNT),
        "high to low": jnp.arange(COUNT)[::-1],
    }
    for mode in band_areas.MODES:
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


@pytest.mark.slow
def test_the_report_leaves_damaged_images_out(key, rng):
    size = tiny.SIZE
    images = list(rng.uniform(size=(5, size, size, 3)).astype(np.float32))
    images[4] = None
    model = tiny.upper_half(rng.normal(size=(size * size * 3 // 2, 8)) / size)
    network = tiny.network(model)
    pairs = tiny.pairs_of(images, [0, 4, 2, 3], [1, 0, 1, 0], [1, 1, 0, 0])
    report = evaluate(Frequency(width=8, draws=1), pairs, backbone=network)
    assert report.table.title == "Bands of the spectrum: 3 pairs, tiny"
    assert report.manifest["options"]["skipped"] == 1
    assert [row["order"] for row in report.table.rows] == list(band_areas.ORDERS)
    bands = bands_of.radial_bands((size, size), width=8)
    alone = frequency.measure(
        (model, bands.masks), key, *images[:2], perturb="probe", draws=1
    )
    curves = band_areas.split_curves(np.asarray(alone["curves"])[None])
    deleted = report.chart.panels[0].lines["influence"]
    np.testing.assert_allclose(
        deleted.y, curves["deletion"]["influence"][0, 0], atol=1e-4
    )
    influence = report.tables["frequency_influence"].rows
    genuine = [row["influence"].value for row in influence[: len(bands.masks)]]
    np.testing.assert_allclose(genuine, 100 * alone["directed"], atol=1e-2)
    one_kind = dataclasses.replace(pairs, genuine=np.array([False, True, False, False]))
    with pytest.raises(ValueError, match="found 0 genuine and 3 impostor"):
        evaluate(Frequency(), one_kind, backbone=network)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "at least 1 of the draws, got 0"),
        ({"fmr": 1.5}, r"false match rate is in \[0, 1\], got 1\.5"),
    ],
)
def test_options_without_a_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Frequency(**options)


def test_error_rates_at_each_number_of_bands(rng):
    cosines = rng.normal(size=(30, 2, 4)).astype(np.float32)
    genuine = rng.permutation(np.arange(30) < 12)
    curves = {"a": cosines[:, :1], "b": cosines}
    rates = band_areas.error_rates(curves, genuine, fmr=1e-3)
    for name, each in curves.items():
        highest = each[~genuine].max(0)
        missed = 100 * (each[genuine] <= highest[None]).mean(0)
        np.testing.assert_allclose(rates[name]["FNMR"], missed.mean(0), rtol=1e-5)
        eer = [
            np.mean([100 * equal_error(c, genuine).rate for c in each[:, :, s].T])
            for s in range(4)
        ]
        np.testing.assert_allclose(rates[name]["EER"], eer, rtol=1e-5)
    allowed = band_areas.error_rates(curves, genuine, fmr=0.5)
    assert (allowed["b"]["FNMR"] <= rates["b"]["FNMR"]).all()
    assert allowed["b"]["FNMR"].mean() < rates["b"]["FNMR"].mean()


def test_rows_hold_areas_and_margins(rng):
    genuine = np.arange(12) < 6
    pairs, _, curves = made_up(rng, genuine, {"sex": ["f", "m"] * 6})
    rows = band_areas.frequency_rows(curves, pairs, 1e-3, 0)
    assert [r["group"] for r in rows[::4]] == ["all", "sex=f", "sex=m"]
    assert [r["order"] for r in rows[:4]] == list(band_areas.ORDERS)
    assert (rows[4]["genuine"], rows[4]["impostor"]) == (3, 3)

    def mean_area(mode, order, members):
        curve = curves[mode][order][members].mean((0, 1))
        return 100 * np.trapezoid(curve, dx=1 / COUNT)

    for row in rows[4:8]:
        members = np.array([0, 2, 4])
        deleted, inserted = (
            mean_area(mode, row["order"], members) for mode in band_areas.MODES
        )
        assert row["deletion"] == pytest.approx(deleted, rel=1e-4)
        assert row["insertion"] == pytest.approx(inserted, rel=1e-4)
        if row["order"] == "random":
            assert "ins - del" not in row
            assert deleted == pytest.approx(inserted)
            continue
        assert row["ins - del"].value == pytest.approx(inserted - deleted, abs=1e-3)
        under = mean_area("deletion", "random", members) - deleted
        assert row["del. under random"].value == pytest.approx(under, abs=1e-3)
    margin = rows[0]["over low to high"].value
    difference = rows[0]["ins - del"].value - rows[1]["ins - del"].value
    assert margin == pytest.approx(difference, abs=1e-3)
    assert "over low to high" not in rows[1]
    rates = band_areas.error_rates(curves["deletion"], genuine, fmr=1e-3)
    expected = np.trapezoid(rates["influence"]["EER"], dx=1 / COUNT)
    assert rows[0]["EER area"] == pytest.approx(expected, rel=1e-4)


def test_groups_of_one_kind_and_persons(rng):
    genuine = np.arange(12) < 6
    groups = {"set": ["x"] * 3 + ["y"] * 3 + ["z"] * 6}
    groups |= {"identity_a": ["p"] * 6 + ["q"] * 6, "identity_b": ["p"] * 12}
    pairs, _, curves = made_up(rng, genuine, groups)
    rows = band_areas.frequency_rows(curves, pairs, 1e-3, 0)
    assert [r["group"] for r in rows[::4]] == ["all", "set=x", "set=y"]
    assert "EER area" in rows[0]
    assert "EER area" not in rows[4]


def test_groups_side_by_side(rng):
    genuine = np.arange(40) < 20
    texts = ["x", "x", "y", "z"] * 10
    pairs, directed, _ = made_up(rng, genuine, {"set": texts})
    found = compare_groups(directed, pairs)
    assert [(c.pairs, c.column) for c in found] == [
        ("all", "kind"),
        ("genuine", "set"),
        ("impostor", "set"),
    ]
    assert found[0].counts == {"genuine": 20, "impostor": 20}
    assert found[2].counts == {"set=x": 10, "set=y": 5, "set=z": 5}
    np.testing.assert_allclose(
        found[0].influence.mean,
        [directed[genuine].mean(0), directed[~genuine].mean(0)],
        atol=1e-5,
    )
    chosen = np.flatnonzero(~genuine & (np.array(texts) == "y"))
    mean = directed[chosen].mean(0)
    np.testing.assert_allclose(found[2].influence.mean[1], mean, atol=1e-5)
    difference = mean - directed[~genuine].mean(0)
    np.testing.assert_allclose(found[2].influence.difference[1], difference, atol=1e-5)
    rows = influence_rows(found, BANDS)
    assert len(rows) == (2 + 3 + 3) * COUNT
    row = rows[(2 + 3 + 1) * COUNT + 1]
    assert (row["pairs"], row["group"], row["count"]) == ("impostor", "set=y", 5)
    assert (row["band"], row["coefficients"]) == ("2-4", int(BANDS.coefficients[1]))
    interval = found[2].influence.mean_interval
    expected = 100 * np.array([mean[1], interval.low[1, 1], interval.high[1, 1]])
    assert row["influence"] == pytest.approx(expected, abs=1e-3)
    drawing = band_groups.chart(found[2], np.asarray(BANDS.edges))
    assert drawing.title == "impostor pairs by set; shaded: 95 % intervals"
    means, differences = drawing.panels
    line = means.lines["set=y"]
    np.testing.assert_array_equal(line.x, np.mean(BANDS.edges, axis=1))
    np.testing.assert_allclose(line.y, mean, atol=1e-5)
    np.testing.assert_array_equal(line.band[0], interval.low[1])
    np.testing.assert_array_equal(line.band[1], interval.high[1])
    np.testing.assert_allclose(differences.lines["set=y"].y, difference, atol=1e-5)
    assert means.zero
    assert differences.zero


def test_pairs_of_one_person_are_no_independent_pairs(rng):
    genuine = np.arange(80) < 60
    pairs, directed, _ = made_up(rng, genuine)
    persons_of = np.arange(80) % 12
    who = [f"person {i}" for i in persons_of]
    named = pairs_of(genuine, {"identity_a": who, "identity_b": who})
    widths = [
        high - low
        for low, high in (
            compare_groups(directed[persons_of], each)[0].influence.mean_interval
            for each in (pairs, named)
        )
    ]
    assert (widths[1][0] > 1.5 * widths[0][0]).all()
