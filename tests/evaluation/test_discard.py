import jax
import numpy as np
import pytest

from fxai_jax.evaluation import discard
from fxai_jax.evaluation.scores import Scores, score_pairs
from fxai_jax.explain.quality import measure
from fxai_jax.methods.quality import ser_fiq
from fxai_jax.runs.keys import image_key
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.running import run
from fxai_jax.runs.tasks import over_images
from tests.evaluation.tiny import SIZE, pairs_of, upper_half


@pytest.fixture
def model(rng):
    return upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


@pytest.fixture
def images(rng):
    return list(rng.uniform(size=(5, SIZE, SIZE, 3)).astype(np.float32))


def scored(cosine, genuine, **groups):
    places = np.zeros(len(genuine), int)
    pairs = pairs_of([None], places, places, genuine, **groups)
    return Scores(pairs, np.asarray(cosine, np.float64), 0)


def rated(scores, first, draws):
    oracle = np.where(scores.pairs.genuine, scores.cosine, 2)
    qualities = {"SER-FIQ": first[None], "random": draws, "oracle": oracle[None]}
    return discard.Rated(scores, qualities, np.zeros(1))


def rate(model, pairs, options=RunOptions(seed=2), draws=3):  # noqa: B008
    task = over_images("", measure, model, pairs, static={"passes": 5})
    scores = score_pairs(model, pairs, RunOptions())
    return scores, discard.rate_pairs(scores, run(task, options), draws, options.seed)


def mean_error(cosine, quality_, threshold, end):
    """Mean FNMR over the discarded fraction of genuine pairs, on a fine grid."""
    order = np.argsort(quality_)
    failed = (cosine < threshold)[order]
    cuts = [failed[int(f * failed.size) :].mean() for f in np.arange(0, end, 1e-4)]
    return 100 * np.mean(cuts)


def test_the_threshold_decides_as_the_rate_asks(rng):
    genuine = np.arange(400) < 150
    scores = scored(rng.normal(0.4 * genuine, 0.2).clip(-1, 1), genuine)
    for fmr in (0.1, 0.01):
        found = discard.clean_threshold(scores, fmr=fmr)
        assert np.mean(scores.cosine[~genuine] >= found) <= fmr
        lower = scores.cosine[scores.cosine < found].max()
        assert np.mean(scores.cosine[~genuine] >= lower) > fmr
        higher = scores.cosine[scores.cosine >= found].min()
        assert found == pytest.approx((lower + higher) / 2)
    found = discard.clean_threshold(scores, fmr=0.1, starting_error=0.2)
    assert np.mean(scores.cosine[genuine] < found) == pytest.approx(0.2)


def test_lists_without_a_threshold():
    with pytest.raises(ValueError, match=r"accepted at an error rate of 0\.001, so"):
        discard.clean_threshold(scored([0.5, 0.9], [1, 0]), fmr=1e-3)
    with pytest.raises(ValueError, match="found 2 genuine and 0 impostor"):
        discard.clean_threshold(scored([0.5, 0.9], [1, 1]), fmr=1e-3)


def test_each_image_has_one_quality_and_pairs_the_worse(model, images):
    pairs = pairs_of(images, [0, 1, 3], [1, 4, 0], [1, 0, 1])
    scores, found = rate(model, pairs)
    key = jax.random.key(2)
    single = [
        float(ser_fiq(model, image_key(key, image), image, passes=5).quality)
        for image in images
    ]
    assert found.image == pytest.approx([single[i] for i in (0, 1, 3, 4)], abs=1e-5)
    expected = [min(single[a], single[b]) for a, b in ((0, 1), (1, 4), (3, 0))]
    assert found.qualities["SER-FIQ"] == pytest.approx(np.array([expected]), abs=1e-5)
    oracle = [scores.cosine[0], 2.0, scores.cosine[2]]
    assert found.qualities["oracle"] == pytest.approx(np.array([oracle]))
    assert found.qualities["random"].shape == (3, 3)


def test_a_random_quality_is_that_of_an_image(model, images):
    """Pairs that share their worse image share their quality."""
    pairs = pairs_of(images, [0, 0, 0, 0], [1, 2, 3, 4], [1, 0, 1, 0])
    _, found = rate(model, pairs, draws=40)
    random = found.qualities["random"]
    assert random.shape == (40, 4)
    assert len(np.unique(random[:, 0])) == 40
    assert any(np.ptp(draw) == 0 for draw in random)  # image 0 is the worst
    assert any(np.ptp(draw) > 0 for draw in random)


def test_images_without_quality_cost_their_pairs(model, images):
    pairs = pairs_of(images, [0, 1, 3], [1, 2, 0], [1, 0, 1])
    scores = score_pairs(model, pairs, RunOptions())
    images[2] = None
    task = over_images("", measure, model, pairs, static={"passes": 3})
    found = discard.rate_pairs(scores, run(task, RunOptions()), draws=1, seed=0)
    assert found.scores.pairs.genuine.tolist() == [True, True]
    assert found.scores.cosine.tolist() == scores.cosine[[0, 2]].tolist()
    assert found.qualities["random"].shape == (1, 2)
    images[0] = images[1] = None
    alone = run(task, RunOptions())
    with pytest.raises(ValueError, match=r"quality of both images.*image 0"):
        discard.rate_pairs(scores, alone, draws=1, seed=0)


def test_areas_are_those_of_a_fine_grid(rng):
    genuine = np.arange(40) < 25
    scores = scored(rng.normal(0.4 * genuine, 0.2).clip(-1, 1), genuine)
    first, draws = rng.random(40), rng.random((2, 40))
    options = {"threshold": 0.3, "seed": 1}
    own, random, oracle = discard.discard_rows(rated(scores, first, draws), **options)
    assert [row["quality"] for row in (own, random, oracle)] == [
        "SER-FIQ",
        "random",
        "oracle",
    ]
    cosine = scores.cosine[genuine]
    assert own["FNMR"] == pytest.approx(100 * np.mean(cosine < 0.3), abs=1e-3)
    for name, end in discard.ENDS.items():
        expected = mean_error(cosine, first[genuine], 0.3, end)
        assert own[name].value == pytest.approx(expected, abs=0.1)
        by_draw = [mean_error(cosine, draw[genuine], 0.3, end) for draw in draws]
        assert random[name].value == pytest.approx(np.mean(by_draw), abs=0.1)
        best = mean_error(cosine, cosine, 0.3, end)
        assert oracle[name].value == pytest.approx(best, abs=0.1)
        gain = random[name].value - own[name].value
        assert own[f"gain {name}"].value == pytest.approx(gain, abs=1e-9)
        assert oracle[name].value <= min(own[name].value, random[name].value) + 1e-3


def test_intervals_are_those_of_resampled_pairs(rng):
    """The mean FNMR of equal qualities is that of all pairs: a binomial's interval."""
    genuine = np.arange(600) < 400
    scores = scored(np.where(np.arange(600) % 4 == 0, 0.1, 0.9), genuine)
    found = rated(scores, np.zeros(600), rng.random((1, 600)))
    own, *_ = discard.discard_rows(found, threshold=0.5)
    half = 100 * 1.96 * np.sqrt(0.25 * 0.75 / 400)
    for name in discard.ENDS:
        assert own[name] == pytest.approx((25, 25 - half, 25 + half), abs=1.0)


def test_of_all_pairs_the_oracle_still_discards_genuine_ones_first(rng):
    genuine = np.arange(20) < 10
    scores = scored(np.where(genuine, np.arange(20) / 10, -0.5), genuine)
    found = rated(scores, rng.random(20), rng.random((1, 20)))
    drawing = discard.discard_chart(found, threshold=0.35, counted="all")
    whole, closer = (panel.lines["oracle"] for panel in drawing.panels)
    grid = 100 * discard.GRID
    np.testing.assert_array_equal(whole.x, grid)
    # Of 20 pairs the 4 that fail are gone after one fifth.
    assert whole.y[0] == pytest.approx(40)
    assert (whole.y[grid > 20.01] == 0).all()
    assert (whole.y[grid < 19.99] > 0).all()
    assert closer.x.max() == 30
    np.testing.assert_array_equal(closer.y, whole.y[: closer.y.size])
    assert [panel.x_label for panel in drawing.panels] == ["discarded pairs / %"] * 2
    alone = discard.discard_chart(found, threshold=0.35)
    assert (alone.panels[0].lines["oracle"].y[grid < 39.99] > 0).all()


def test_the_chart_holds_the_mean_and_the_range_of_random_qualities(rng):
    genuine = np.arange(40) < 25
    scores = scored(rng.normal(0.4 * genuine, 0.2).clip(-1, 1), genuine)
    draws = rng.random((4, 40))
    drawing = discard.discard_chart(rated(scores, rng.random(40), draws), threshold=0.3)
    lines = drawing.panels[0].lines
    alone = [
        discard.discard_chart(rated(scores, draw, draws), threshold=0.3)
        .panels[0]
        .lines["SER-FIQ"]
        .y
        for draw in draws
    ]
    np.testing.assert_allclose(lines["random"].y, np.mean(alone, axis=0))
    low, high = lines["random"].band
    np.testing.assert_array_equal(low, np.min(alone, axis=0))
    np.testing.assert_array_equal(high, np.max(alone, axis=0))
    assert {name: line.reference for name, line in lines.items()} == {
        "SER-FIQ": False,
        "random": True,
        "oracle": True,
    }
    assert all(line.stairs for line in lines.values())


def test_groups_without_genuine_pairs_have_no_rows(rng):
    groups = {"light": ["dim"] * 4 + ["bright"] * 4, "fold": ["0", "1"] * 4}
    scores = scored(rng.random(8), [1, 1, 0, 0, 0, 0, 0, 0], **groups)
    found = rated(scores, rng.random(8), rng.random((1, 8)))
    rows = discard.discard_rows(found, threshold=0.5)
    assert [row["group"] for row in rows] == ["all"] * 3 + ["light=dim"] * 3
    assert {row["genuine"] for row in rows} == {2}
    assert [row["pairs"] for row in rows] == [8] * 3 + [4] * 3


def test_notes_say_where_the_threshold_comes_from_and_what_is_flat(rng):
    scores = scored([0.9, 0.4, 0.2], [1, 1, 0])
    assert discard.threshold_note(scores, 0.3, 1e-3, None) == (
        "Threshold 0.300, where the FMR of all pairs is at most 0.001; with 1 impostor "
        "pairs this is none of them. It lies in the middle between two cosines of the "
        "list."
    )
    note = discard.threshold_note(scores, 0.3, 1e-3, 0.25)
    assert note == "Threshold 0.300, where the FNMR of all pairs is 0.25."
    found = rated(scores, rng.random(3), rng.random((1, 3)))
    flat = discard.discard_notes(found, "genuine", 1)[-1]
    assert flat.startswith("Every image has the quality 0.000, which tells none apart")
    other = found._replace(image=np.array([0.5, 0.6]))
    assert len(discard.discard_notes(other, "genuine", 1)) == 2
