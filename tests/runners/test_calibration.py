import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fxai_jax.cards import load_card
from fxai_jax.data.pairs import PairList
from fxai_jax.runners.calibration import calibrated_quality, calibrated_threshold
from fxai_jax.runners.faces import quality_constants, quality_notices
from fxai_jax.runners.journal import Record

CARD = dataclasses.replace(load_card("mobilefacenet"), quality=None, threshold=None)


def records(qualities, embeddings=None):
    embeddings = np.eye(len(qualities)) if embeddings is None else embeddings
    return [
        Record(
            f"/faces/{i}.png",
            {
                "quality": np.float32(q),
                "uniform": np.float32(1e-4),
                "minimum_norm": np.float32(1e-5),
                "embedding": np.float32(e),
            },
            None,
        )
        for i, (q, e) in enumerate(zip(qualities, embeddings, strict=True))
    ]


def test_quality_constants_are_those_of_the_quantiles():
    found = calibrated_quality(CARD, records(np.linspace(0.6, 0.7, 11))).quality
    assert found["center"] == pytest.approx(0.65, abs=1e-5)
    assert found["alpha"] == pytest.approx(2 * np.log(9) / 0.08, rel=1e-3)
    assert found["gamma"]["uniform"] == pytest.approx(8, abs=1e-4)
    assert found["gamma"]["minimum_norm"] == pytest.approx(10, abs=1e-4)
    card = dataclasses.replace(CARD, quality=found)
    assert quality_constants(card, "minimum_norm")["gamma"] == pytest.approx(10)


def test_sets_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="quantiles of 3 images"):
        calibrated_quality(CARD, records([0.6, 0.65, 0.7]))
    with pytest.raises(ValueError, match="have dropout"):
        calibrated_quality(CARD, records([1.0] * 12))
    with pytest.raises(ValueError, match="no quality calibration"):
        quality_constants(CARD, "uniform")


def pair_list(pairs, genuine):
    probe, gallery = zip(*pairs, strict=True)
    return PairList(
        probe=[Path(f"/faces/{i}.png") for i in probe],
        gallery=[Path(f"/faces/{i}.png") for i in gallery],
        genuine=np.array(genuine),
        groups={},
    )


def test_the_threshold_is_that_of_equal_errors():
    angles = np.array([0.0, 0.3, 2.0, 2.4])
    embeddings = 5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pairs = pair_list([(0, 1), (2, 3), (0, 2), (1, 3)], [True, True, False, False])
    card = calibrated_threshold(CARD, records([0.6] * 4, embeddings), pairs)
    assert card.threshold == pytest.approx(np.cos(0.4), abs=1e-5)
    assert "2 genuine, 2 impostor" in card.threshold_measured_on


def test_pairs_that_cannot_be_scored_are_refused():
    faces = records([0.6] * 4)
    with pytest.raises(ValueError, match=r"1 images of the pairs.*9\.png"):
        calibrated_threshold(CARD, faces, pair_list([(0, 9), (1, 2)], [True, False]))
    with pytest.raises(ValueError, match="genuine and impostor"):
        calibrated_threshold(CARD, faces, pair_list([(0, 1), (1, 2)], [True, True]))


def test_saturated_qualities_are_reported():
    assert quality_notices(np.array([0.2, 0.9]), np.array([0.68, 0.7])) == []
    raw = np.array([0.6, 0.62])
    assert "below" in quality_notices(np.array([0.0, 0.005]), raw)[0]
    assert "above" in quality_notices(np.array([1.0, 0.995]), raw)[0]
    assert "no dropout" in quality_notices(np.array([1.0, 1.0]), np.ones(2))[0]
