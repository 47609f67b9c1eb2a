import dataclasses

import jax
import numpy as np
import pytest

from fxai_jax.backbones.layers import dropout
from fxai_jax.methods.quality import ser_fiq
from fxai_jax.runners.evaluation import quality
from fxai_jax.runners.evaluation.scores import Scores, score_pairs
from fxai_jax.runners.faces import image_key
from tests.runners.evaluation import tiny
from tests.runners.evaluation.tiny import SIZE, pair_set


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Network(tiny.Network):
    """The small network with dropout in its head."""

    def head(self, features, *, dropout_rate=0.0, key=None):
        return super().head(dropout(features.reshape(-1), dropout_rate, key))


@pytest.fixture
def model(rng):
    weights = rng.normal(size=(SIZE * SIZE * 3 // 2, 8)).astype(np.float32)
    return Network(jax.numpy.asarray(weights) / SIZE)


@pytest.fixture
def images(rng):
    return list(rng.uniform(size=(5, SIZE, SIZE, 3)).astype(np.float32))


def scored(cosine, genuine, **groups):
    places = np.zeros(len(genuine), int)
    pairs = pair_set([None], places, places, genuine, **groups)
    return Scores(pairs, np.asarray(cosine, np.float32), [], 0)


def rated(scores, first, draws):
    oracle = np.where(scores.pairs.genuine, scores.cosine, 2)
    columns = np.stack([first, oracle, *draws], axis=1).astype(np.float32)
    return quality.Qualities(scores, columns, np.zeros(1, np.float32), [])


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
        found = quality.clean_threshold(scores, fmr=fmr)
        assert np.mean(scores.cosine[~genuine] >= found) <= fmr
        lower = scores.cosine[scores.cosine < found].max()
        assert np.mean(scores.cosine[~genuine] >= lower) > fmr
        assert not np.isclose(scores.cosine, found).all()
        assert found < scores.cosine[scores.cosine >= found].min()
    found = quality.clean_threshold(scores, starting_error=0.2)
    assert np.mean(scores.cosine[genuine] < found) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("cosine", "options", "message"),
    [
        ([0.5, 0.9], {}, r"no genuine pair is accepted at an error rate of 0\.001"),
        ([0.9, 0.5], {"fmr": 2.0}, r"in \[0, 1\], got 2"),
        ([0.9, 0.5], {"starting_error": -0.1}, r"in \[0, 1\], got -0\.1"),
    ],
)
def test_rates_without_a_threshold(cosine, options, message):
    with pytest.raises(ValueError, match=message):
        quality.clean_threshold(scored(cosine, [1, 0]), **options)
    with pytest.raises(ValueError, match="found 2 genuine and 0 impostor"):
        quality.clean_threshold(scored(cosine, [1, 1]), **options)


def test_each_image_has_one_quality_and_pairs_the_worse(model, images):
    pairs = pair_set(images, [0, 1, 3], [1, 4, 0], [1, 0, 1])
    scores = score_pairs(model, pairs)
    found = quality.rate_pairs(model, scores, passes=5, draws=3, seed=2)
    key = jax.random.key(2)
    single = [
        float(ser_fiq(model, image_key(key, image), image, passes=5).quality)
        for image in images
    ]
    assert found.image == pytest.approx([single[i] for i in (0, 1, 3, 4)], abs=1e-5)
    expected = [min(single[a], single[b]) for a, b in ((0, 1), (1, 4), (3, 0))]
    assert found.columns[:, 0] == pytest.approx(expected, abs=1e-5)
    assert found.columns.shape == (3, 5)
    oracle = [scores.cosine[0], 2.0, scores.cosine[2]]
    assert found.columns[:, 1] == pytest.approx(oracle)
    again = quality.rate_pairs(model, scores, passes=5, draws=3, seed=2, batch_size=4)
    np.testing.assert_allclose(again.columns, found.columns, atol=1e-5)


def test_images_without_quality_cost_their_pairs(model, images):
    pairs = pair_set(images, [0, 1, 3], [1, 2, 0], [1, 0, 1])
    scores = score_pairs(model, pairs)
    images[2] = None
    found = quality.rate_pairs(model, scores, passes=3, draws=1)
    assert found.errors == ["image 2 is damaged"]
    assert found.scores.pairs.genuine.tolist() == [True, True]
    assert found.columns.shape == (2, 3)
    images[0] = None
    with pytest.raises(ValueError, match="no image has a quality"):
        quality.rate_pairs(model, scores, passes=3, draws=1)
    with pytest.raises(ValueError, match="at least 1 draw, got 0"):
        quality.rate_pairs(model, scores, draws=0)


def test_areas_are_those_of_a_fine_grid(rng):
    genuine = np.arange(40) < 25
    scores = scored(rng.normal(0.4 * genuine, 0.2).clip(-1, 1), genuine)
    first, draws = rng.random(40), rng.random((2, 40))
    options = {"threshold": 0.3, "seed": 1}
    own, random, oracle = quality.discard_rows(rated(scores, first, draws), **options)
    assert [row["quality"] for row in (own, random, oracle)] == [
        "SER-FIQ",
        "random",
        "oracle",
    ]
    cosine = scores.cosine[genuine]
    assert own["FNMR"] == pytest.approx(100 * np.mean(cosine < 0.3), abs=1e-3)
    for name, end in quality.ENDS.items():
        expected = mean_error(cosine, first[genuine], 0.3, end)
        assert own[name].value == pytest.approx(expected, abs=0.1)
        by_draw = [mean_error(cosine, draw[genuine], 0.3, end) for draw in draws]
        assert random[name].value == pytest.approx(np.mean(by_draw), abs=0.1)
        best = mean_error(cosine, cosine, 0.3, end)
        assert oracle[name].value == pytest.approx(best, abs=0.1)
        gain = random[name].value - own[name].value
        assert own[f"gain {name}"].value == pytest.approx(gain, abs=1e-3)
        assert own[name].low <= own[name].high
        assert oracle[name].value <= min(own[name].value, random[name].value) + 1e-3


def test_of_all_pairs_the_oracle_still_discards_genuine_ones_first(rng):
    genuine = np.arange(20) < 10
    scores = scored(np.where(genuine, np.arange(20) / 10, -0.5), genuine)
    found = rated(scores, rng.random(20), rng.random((1, 20)))
    options = {"threshold": 0.35, "counted": "all"}
    curves = quality.discard_curves(found, **options)
    assert curves["random"].shape == curves["oracle"].shape == (1, quality.GRID.size)
    # Of 20 pairs the 4 that fail are gone after one fifth.
    assert curves["oracle"][0, 0] == pytest.approx(40)
    assert (curves["oracle"][0, quality.GRID > 0.2001] == 0).all()
    assert (curves["oracle"][0, quality.GRID < 0.1999] > 0).all()
    genuine_alone = quality.discard_curves(found, threshold=0.35)["oracle"][0]
    assert (genuine_alone[quality.GRID < 0.3999] > 0).all()


def test_groups_without_genuine_pairs_have_no_rows(rng):
    groups = {"light": ["dim"] * 4 + ["bright"] * 4, "fold": ["0", "1"] * 4}
    scores = scored(rng.random(8), [1, 1, 0, 0, 0, 0, 0, 0], **groups)
    found = rated(scores, rng.random(8), rng.random((1, 8)))
    rows = quality.discard_rows(found, threshold=0.5)
    assert [row["group"] for row in rows] == ["all"] * 3 + ["light=dim"] * 3
    assert {row["genuine"] for row in rows} == {2}
