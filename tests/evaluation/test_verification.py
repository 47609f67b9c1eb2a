import numpy as np
import pytest

from fxai_jax.evaluation import verification
from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.report import Estimate
from fxai_jax.evaluation.scores import Scores, chosen_threshold, score_pairs
from fxai_jax.evaluation.verification import Verification
from fxai_jax.metrics.insightface_folds import grid_folds, stretches
from fxai_jax.metrics.resampling import Interval
from fxai_jax.runs.options import RunOptions
from tests.evaluation.tiny import network, pairs_of, upper_half


def scored(cosine, genuine, **groups):
    places = np.zeros(len(genuine), int)
    pairs = pairs_of([None], places, places, genuine, **groups)
    return Scores(pairs, np.asarray(cosine, np.float64), 0)


@pytest.fixture
def many(rng):
    genuine = rng.random(300) < 0.4
    return scored(rng.normal(0.4 * genuine, 0.2).clip(-1, 1), genuine)


@pytest.fixture
def no_intervals(monkeypatch):
    """Spares tests about other cells the time that resampling takes."""
    nowhere = Interval(np.zeros(()), np.zeros(()))
    monkeypatch.setattr(verification, "bootstrap", lambda *_, **__: nowhere)


def slow_equal_error(cosine, genuine):
    """EER and its threshold by trying every score."""
    best = (2.0, 0.0, 0.0)
    ranked = [np.sort(cosine[genuine == kind]) for kind in (False, True)]
    for threshold in sorted(set(cosine), reverse=True):
        below = [np.searchsorted(each, threshold) / each.size for each in ranked]
        fmr, fnmr = 1 - below[0], below[1]
        if abs(fmr - fnmr) < best[0] - 1e-9:
            best = (abs(fmr - fnmr), (fmr + fnmr) / 2, threshold)
    return best[1:]


def eer_interval(cosine, genuine, seed):
    """Percentiles of the EER of resampled pairs, each kind drawn apart."""
    rng, rates = np.random.default_rng(seed), []
    ranked = np.argsort(-cosine, kind="stable")
    kinds = [np.flatnonzero(genuine[ranked] == kind) for kind in (False, True)]
    for _ in range(1000):
        drawn = [
            places[rng.integers(places.size, size=places.size)] for places in kinds
        ]
        rows = ranked[np.concatenate(drawn)]
        rates.append(100 * slow_equal_error(cosine[rows], genuine[rows])[0])
    return np.quantile(rates, [0.025, 0.975])


def fold_accuracies(cosine, genuine, fold):
    accuracies = []
    for k in np.unique(fold):
        other = fold != k
        right = [np.sum((cosine[other] >= t) == genuine[other]) for t in cosine[other]]
        best = max(cosine[other][np.array(right) == max(right)])
        accuracies.append(np.mean((cosine[~other] >= best) == genuine[~other]))
    return np.array(accuracies)


def test_a_row_is_what_a_slow_count_finds(many):
    cosine, genuine = many.cosine, many.pairs.genuine
    (row,) = verification.verification_rows(many, threshold=0.25, seed=3)
    rate, threshold = slow_equal_error(cosine, genuine)
    assert row["EER"].value == pytest.approx(100 * rate, abs=1e-3)
    low, high = eer_interval(cosine, genuine, 3)
    assert (row["EER"].low, row["EER"].high) == pytest.approx((low, high))
    below = cosine[cosine < threshold].max()
    assert row["at cosine"] == f"{(threshold + below) / 2:.3f}"
    assert (row["pairs"], row["genuine"]) == (300, genuine.sum())
    assert row["impostor"] == 300 - genuine.sum()
    impostors = np.sort(cosine[~genuine])[::-1]
    for far in ("1e-1", "1e-2"):
        first_refused = impostors[int(float(far) * impostors.size + 1e-9)]
        expected = 100 * np.mean(cosine[genuine] > first_refused)
        assert row[f"TAR at {far}"] == pytest.approx(expected, abs=1e-3)
    accuracy = 100 * np.mean((cosine >= 0.25) == genuine)
    assert row["accuracy at 0.250"] == pytest.approx(accuracy)
    fold = verification.shuffled_folds(genuine, 3)
    accuracies = 100 * fold_accuracies(cosine, genuine, fold)
    assert row["accuracy"] == pytest.approx(accuracies.mean(), abs=1e-3)
    error = accuracies.std(ddof=1) / np.sqrt(10)
    assert row["standard error"] == pytest.approx(error, abs=1e-3)
    assert row["folds"] == 10
    assert set(row) <= set(verification.columns(0.25))


@pytest.mark.parametrize("impostors", [9, 10, 999, 1000])
def test_rates_are_reported_where_impostors_resolve_them(rng, no_intervals, impostors):
    genuine = np.arange(impostors + 2) >= impostors
    (row,) = verification.verification_rows(scored(rng.random(genuine.size), genuine))
    found = [name for name in row if name.startswith("TAR")]
    assert len(found) == len(str(impostors)) - 1


def test_one_kind_of_pair_has_what_is_defined(rng, no_intervals):
    genuine = np.array([True, False] * 3 + [True] * 3)
    light = ["dim"] * 6 + ["bright"] * 3
    scores = scored(rng.random(9), genuine, light=light)
    rows = verification.verification_rows(scores, threshold=0.5)
    assert [row["group"] for row in rows] == ["all", "light=bright", "light=dim"]
    bright = rows[1]
    assert list(bright) == [
        "group",
        "pairs",
        "genuine",
        "impostor",
        "accuracy at 0.500",
    ]
    assert (bright["genuine"], bright["impostor"]) == (3, 0)
    for row in rows:
        for cell in row.values():
            numbers = cell if isinstance(cell, Estimate) else [cell]
            assert all(np.isfinite(n) for n in numbers if not isinstance(n, str))


def test_a_single_pair_of_a_kind_has_no_folds(no_intervals):
    (row,) = verification.verification_rows(scored([0.9, 0.1, 0.2], [1, 0, 0]))
    assert row["EER"].value == 0
    assert not {"accuracy", "standard error", "folds"} & set(row)


def test_the_folds_of_a_list_are_folds_and_no_groups(rng, no_intervals):
    genuine, fold = np.tile([True, False], 20), np.repeat(["x", "y"], 20)
    light = ["dim"] * 30 + ["bright"] * 10
    scores = scored(rng.random(40), genuine, fold=fold, light=light)
    rows = verification.verification_rows(scores)
    assert [row["group"] for row in rows] == ["all", "light=bright", "light=dim"]
    accuracies = 100 * fold_accuracies(scores.cosine, genuine, fold)
    assert rows[0]["accuracy"] == pytest.approx(accuracies.mean(), abs=1e-3)
    assert rows[0]["folds"] == 2
    assert "accuracy" not in rows[1]  # all of it is in the fold y
    assert rows[2]["folds"] == 2
    one = scored(scores.cosine, genuine, fold=["0"] * 40)
    assert verification.verification_rows(one)[0]["folds"] == 10


@pytest.mark.parametrize(("genuine", "impostor", "count"), [(25, 31, 10), (4, 30, 4)])
def test_shuffled_folds_share_both_kinds(rng, genuine, impostor, count):
    labels = rng.permutation(np.arange(genuine + impostor) < genuine)
    folds = verification.shuffled_folds(labels, 1)
    assert folds.max() + 1 == count
    for kind in (True, False):
        sizes = np.bincount(folds[labels == kind], minlength=count)
        assert sizes.min() >= 1
        assert np.ptp(sizes) <= 1
    assert (verification.shuffled_folds(labels, 2) != folds).any()


def test_the_roc_holds_the_best_rate_that_is_allowed(many):
    cosine, genuine = many.cosine, many.pairs.genuine
    far, tar = verification.roc_stairs(cosine, genuine)
    assert (np.diff(far) > 0).all()
    assert (np.diff(tar) >= 0).all()
    ends = (far[0], far[-1], tar[-1])
    assert ends == pytest.approx((50 / np.sum(~genuine), 100, 100))
    for allowed in (0.31, 5.03, 37.07):
        points = [
            np.mean(cosine[genuine] >= t)
            for t in cosine
            if 100 * np.mean(cosine[~genuine] >= t) <= allowed
        ]
        step = np.searchsorted(far, allowed, side="right") - 1
        assert tar[step] == pytest.approx(100 * max(points), abs=1e-3)


def test_a_histogram_holds_every_pair(rng):
    cosine = rng.uniform(-0.2, 0.9, 50).astype(np.float32)
    columns = np.linspace(-0.5, 1.0, 21)
    ends, share = verification.histogram_stairs(cosine, columns)
    assert ends.shape == share.shape
    assert share.sum() == pytest.approx(100)
    assert (share[0], share[-1]) == (0, 0)
    assert (ends[0], ends[-1]) == (-0.5, 1.0)
    inside = (cosine >= ends[8]) & (cosine < ends[9])
    assert share[8] == pytest.approx(100 * inside.mean())


@pytest.mark.parametrize("spread", [1.0, 1e-4, 0.0])
def test_no_column_lies_on_both_sides_of_the_threshold(rng, spread):
    for threshold in (*rng.uniform(-1, 1, 20), -1.0, 1.0):
        cosine = (0.1 + spread * rng.uniform(-0.3, 0.8, 30)).astype(np.float32)
        ends = verification.histogram_ends(cosine, float(threshold))
        assert threshold in ends
        assert ends[0] <= cosine.min() <= cosine.max() < ends[-1]
        _, share = verification.histogram_stairs(cosine, ends)
        accepted = share[1:-1][ends[:-1] >= threshold].sum()
        assert accepted == pytest.approx(100 * np.mean(cosine >= threshold))


def test_the_chart_shows_the_roc_of_groups_and_the_histogram(many):
    light = ["dim", "dim", "bright"] * 100
    cosine, genuine = many.cosine, many.pairs.genuine
    scores = scored(cosine, genuine, light=light)
    curves, shares = verification.chart(scores).panels
    assert (curves.title, curves.log_x) == ("ROC", True)
    assert (curves.y_range, shares.y_range) == ((0, 100), (0, None))
    assert list(curves.lines) == ["all", "light=dim", "light=bright"]
    bright = np.array(light) == "bright"
    far, tar = verification.roc_stairs(cosine[bright], genuine[bright])
    np.testing.assert_array_equal(curves.lines["light=bright"].x, far)
    np.testing.assert_array_equal(curves.lines["light=bright"].y, tar)
    assert list(shares.lines) == ["genuine", "impostor", "EER threshold"]
    columns = verification.histogram_ends(cosine, shares.lines["EER threshold"].x[0])
    ends, share = verification.histogram_stairs(cosine[genuine], columns)
    np.testing.assert_array_equal(shares.lines["genuine"].x, ends)
    np.testing.assert_array_equal(shares.lines["genuine"].y, share)
    line = shares.lines["EER threshold"]
    accepted = cosine >= slow_equal_error(cosine, genuine)[1]
    middle = (cosine[accepted].min() + cosine[~accepted].max()) / 2
    assert line.x == pytest.approx(middle)
    assert line.y[1] == max(shares.lines[k].y.max() for k in ("genuine", "impostor"))


def test_notes_say_what_a_short_list_cannot_tell(rng, no_intervals):
    scores = scored(rng.random(30), np.arange(30) < 18)
    rows = verification.verification_rows(scores)
    _, missing, folds, _ = verification.notes(rows, scores)
    assert missing == (
        "12 impostor pairs do not resolve a FAR of 1e-2 or 1e-3 or 1e-4: 1e-2 takes "
        "100 of them."
    )
    assert "mean and standard error over 10 stretches of the shuffled list" in folds


def test_the_report_judges_at_the_threshold_of_the_network(rng):
    images = list(rng.uniform(size=(4, 32, 32, 3)).astype(np.float32))
    model = upper_half(rng.normal(size=(32 * 32 * 3 // 2, 8)) / 32)
    pairs = pairs_of(images, [0, 1, 2, 3], [0, 1, 3, 0], [1, 1, 0, 0])
    report = evaluate(Verification(), pairs, backbone=network(model))
    [row] = report.table.rows
    cosine = [float(np.dot(*units(model, images, pair))) for pair in ((2, 3), (3, 0))]
    expected = 100 * (2 + sum(value < 0.5 for value in cosine)) / 4
    assert row["accuracy at 0.500"] == expected
    assert report.manifest["options"]["threshold"] == 0.5
    other = evaluate(Verification(threshold=1.0), pairs, backbone=network(model))
    assert "accuracy at 1.000" in other.table.rows[0]
    assert report.table.columns == verification.columns(0.5)


def units(model, images, places):
    raw = [np.asarray(model(images[i]), np.float64) for i in places]
    return [each / np.linalg.norm(each) for each in raw]


def test_mirror_images_are_added_before_cosines_are_taken(rng):
    images = list(rng.normal(size=(4, 32, 32, 3)).astype(np.float32))
    model = upper_half(rng.normal(size=(32 * 32 * 3 // 2, 8)) / 32)
    pairs = pairs_of(images, [0, 1, 2], [1, 2, 3], [1, 1, 0])
    found = score_pairs(model, pairs, RunOptions(), flip=True).cosine
    plain = score_pairs(model, pairs, RunOptions()).cosine
    for i in range(3):
        a, b = (
            np.asarray(model(images[i + side]))
            + np.asarray(model(images[i + side][:, ::-1]))
            for side in (0, 1)
        )
        expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert found[i] == pytest.approx(expected, abs=1e-5)
    assert np.abs(found - plain).max() > 1e-4
    report = evaluate(Verification(flip=True), pairs, backbone=network(model))
    middle = chosen_threshold(None, Scores(pairs, found, 0))
    assert report.table.rows[0]["at cosine"] == f"{middle:.3f}"
    assert any("face plus mirror image" in note for note in report.table.notes)


def test_what_insightface_prints_is_in_the_row_of_all_pairs(rng):
    genuine = np.arange(20) % 2 == 0
    alike = np.where(genuine, rng.uniform(0.9, 1, 20), rng.uniform(0, 0.1, 20))
    alike[:2] = 0, 1  # wrong, both in the first stretch
    images = list(rng.normal(size=(40, 32, 32, 3)).astype(np.float32))
    for i, share in enumerate(alike.astype(np.float32)):
        images[20 + i] = share * images[i] + (1 - share) * images[20 + i]
    model = upper_half(rng.normal(size=(32 * 32 * 3 // 2, 8)) / 32)
    pairs = pairs_of(images, np.arange(20), np.arange(20, 40), genuine)
    protocol = Verification(as_insightface=True)
    report = evaluate(protocol, pairs, backbone=network(model))
    cosine = score_pairs(model, pairs, RunOptions()).cosine
    found = grid_folds(cosine, genuine, stretches(20))
    assert found != grid_folds(cosine, genuine, verification.shuffled_folds(genuine, 0))
    [row] = report.table.rows
    mean, deviation, tar, spread, _ = (100 * number for number in found)
    assert row["accuracy (InsightFace)"] == f"{mean:.2f} ± {deviation:.2f}"
    assert row["TAR at 1e-3 (InsightFace)"] == f"{tar:.2f} ± {spread:.2f}"
    assert any("over 10 stretches in its order" in n for n in report.table.notes)
