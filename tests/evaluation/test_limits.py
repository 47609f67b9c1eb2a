"""A part of a list is judged at the threshold of the whole list."""

import dataclasses

import numpy as np
import pytest

from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.protocols import (
    Faithfulness,
    Frequency,
    Localisation,
    Quality,
    Sanity,
    Verification,
)
from fxai_jax.evaluation.scores import Scores, between_cosines, score_pairs
from fxai_jax.runs.options import RunOptions
from tests.evaluation.tiny import SIZE, network, pairs_of, upper_half

QUICK = {"explainers": ("edges",)}
COUNT = 60


@pytest.fixture
def model(rng):
    return upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


@pytest.fixture
def scores(rng):
    """Cosines of which few pairs have another threshold than all of them."""
    genuine = rng.permutation(np.arange(COUNT) < COUNT // 3)
    probe = np.arange(COUNT)
    images = list(rng.uniform(size=(2 * COUNT, SIZE, SIZE, 3)).astype(np.float32))
    pairs = pairs_of(images, probe, probe + COUNT, genuine)
    return Scores(pairs, rng.normal(0.3 * genuine, 0.3).clip(-1, 1), 0)


def equal_error_middle(scores):
    """By trying every cosine: where the error rates are closest, half a gap lower."""
    cosine, genuine = scores.cosine, scores.pairs.genuine
    ranked = np.sort(cosine)[::-1]
    gaps = [
        abs(np.mean(cosine[~genuine] >= t) - np.mean(cosine[genuine] < t))
        for t in ranked
    ]
    best = int(np.flatnonzero(np.array(gaps) < min(gaps) + 1e-9)[0])
    return (ranked[best] + ranked[best + 1]) / 2


@pytest.mark.parametrize(
    "protocol",
    [
        Faithfulness(**QUICK),
        Faithfulness(**QUICK, preset="rejected"),
        Faithfulness(**QUICK, preset="fame"),
        Localisation(**QUICK, side=4),
        Sanity(**QUICK),
    ],
)
def test_the_threshold_is_that_of_the_whole_list(protocol, model, scores):
    assert protocol.whole_list
    for limit in (4, 7, None):
        plan = protocol.plan(network(model), scores, 0, limit)
        assert plan.facts["threshold"] == pytest.approx(equal_error_middle(scores))
        *_, task = plan.tasks
        assert plan.facts["pairs"] == len(task.names)
        if limit:  # after the filter of the preset, not before it
            assert len(task.names) == limit


def test_qualities_are_judged_at_the_threshold_of_the_whole_list(model, scores):
    protocol = Quality(maps=("plq",), fmr=0.1)
    whole, part = (protocol.plan(network(model), scores, 0, n) for n in (None, 6))
    assert part.facts["threshold"] == whole.facts["threshold"]
    rating, task, *_ = part.tasks
    assert len(task.names) == part.facts["pairs"] == 6
    assert len(rating.names) == 12


def test_thresholds_lie_between_the_cosines_of_two_pairs(rng, model):
    """So that no pair stands at the threshold, where its last bit would decide."""
    for seed in range(20):
        numbers = np.random.default_rng([seed, *rng.integers(9, size=2)])
        genuine = numbers.permutation(np.arange(30) < 11)
        cosine = numbers.normal(0.5 * genuine, 0.2).clip(-1, 1)
        pairs = pairs_of([None], np.zeros(30, int), np.zeros(30, int), genuine)
        plan = Sanity(explainers=("edges",)).plan(
            network(model), Scores(pairs, cosine, 0), 0
        )
        threshold = plan.facts["threshold"]
        above, below = cosine[cosine >= threshold], cosine[cosine < threshold]
        assert threshold == pytest.approx((above.min() + below.max()) / 2)


def test_the_threshold_of_separate_scores_is_the_middle_of_the_gap():
    cosine = np.array([0.9, 0.1, 0.7, 0.3])
    assert between_cosines(0.7, cosine) == pytest.approx(0.5)
    assert between_cosines(0.1, cosine) == pytest.approx((0.1 - 1) / 2)
    assert between_cosines(np.inf, cosine) == pytest.approx((1 + 0.9) / 2)


def test_a_limited_run_decides_as_the_whole_one(model, scores):
    pairs, backbone = scores.pairs, network(model)
    protocol = Faithfulness(**QUICK, steps=2, draws=1, fills=("black",))
    scored = score_pairs(model, pairs, RunOptions())
    for limit in (3, 5):
        report = evaluate(protocol, pairs, backbone=backbone, limit=limit)
        facts = report.manifest["options"]
        assert facts["threshold"] == pytest.approx(equal_error_middle(scored))
        assert report.table.rows[0]["pairs"] == facts["pairs"] == limit


@pytest.mark.parametrize("protocol", [Verification(), Frequency(draws=1)])
def test_where_the_list_decides_nothing_the_rest_is_not_read(protocol, model, scores):
    seen, pairs = set(), scores.pairs

    def read(i):
        seen.add(i)
        return pairs.read(i)

    listed = dataclasses.replace(pairs, read=read)
    evaluate(protocol, listed, backbone=network(model), limit=4)
    assert len(seen) == 8


@pytest.mark.parametrize("limit", [0, -3])
def test_no_pairs_are_refused_before_anything_is_embedded(model, limit):
    damaged = pairs_of([None], [0], [0], [True])
    with pytest.raises(ValueError, match=f"at least 1 of the pairs, got {limit}"):
        evaluate(Verification(), damaged, backbone=network(model), limit=limit)
