import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.cards import load_card
from fxai_jax.explain.calibration import measure, with_quality, with_threshold
from fxai_jax.explain.plq import quality_constants
from fxai_jax.explain.quality import notices
from fxai_jax.methods import plq, quality
from tests.evaluation.tiny import SIZE, upper_half

CARD = dataclasses.replace(load_card("mobilefacenet"), quality=None, threshold=None)


def values(qualities):
    """The rows of a run over as many images."""
    count = len(qualities)
    return {
        "quality": np.float32(qualities),
        "uniform": np.full(count, 1e-4, np.float32),
        "minimum_norm": np.full(count, 1e-5, np.float32),
    }


def test_quality_constants_are_those_of_the_quantiles():
    found = with_quality(CARD, values(np.linspace(0.6, 0.7, 11))).quality
    assert found["center"] == pytest.approx(0.65, abs=1e-5)
    assert found["alpha"] == pytest.approx(2 * np.log(9) / 0.08, rel=1e-3)
    assert found["gamma"]["uniform"] == pytest.approx(8, abs=1e-4)
    assert found["gamma"]["minimum_norm"] == pytest.approx(10, abs=1e-4)
    card = dataclasses.replace(CARD, quality=found)
    assert quality_constants(card, "minimum_norm")["gamma"] == pytest.approx(10)


def test_sets_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="quantiles of 3 images"):
        with_quality(CARD, values([0.6, 0.65, 0.7]))
    with pytest.raises(ValueError, match="copies of one"):
        with_quality(CARD, values([1.0] * 12))
    with pytest.raises(ValueError, match="no quality calibration"):
        quality_constants(CARD, "uniform")


def test_the_threshold_is_that_of_equal_errors():
    cosine = np.array([0.9, 0.3, 0.7, 0.1])
    genuine = np.array([True, True, False, False])
    card = with_threshold(CARD, cosine, genuine, threshold=0.5)
    assert card.threshold == 0.5
    assert card.threshold_measured_on == (
        "4 labelled pairs: 2 genuine, 2 impostor; equal error rate 0.5000"
    )
    with pytest.raises(ValueError, match="found 4 genuine and 0 impostor pairs"):
        with_threshold(CARD, cosine, np.ones(4, bool), threshold=0.5)


def test_a_row_is_the_quality_and_the_gradients_of_both_regressions(key, rng):
    model = upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)
    # The half that the network looks at: of the whole the median gradient is 0.
    face = rng.uniform(size=(SIZE // 2, SIZE, 3)).astype(np.float32)
    row = jax.jit(partial(measure, passes=5))(model, key, face)
    expected = jax.jit(partial(quality.ser_fiq, passes=5))(model, key, face)
    np.testing.assert_allclose(row["quality"], expected.quality, rtol=1e-5)
    for regression in ("uniform", "minimum_norm"):
        alone = jax.jit(partial(plq.quality_gradient, regression=regression))
        gradient = alone(model, face, jnp.float32(0.6))
        expected = np.median(np.abs(gradient).mean(-1))
        np.testing.assert_allclose(row[regression], expected, rtol=1e-3)


def test_saturated_qualities_are_reported():
    assert notices(np.repeat([0.2, 0.9], 5)) == []
    assert "below" in notices(np.repeat([0.0, 0.005], 5))[0]
    assert "above" in notices(np.repeat([1.0, 0.995], 5))[0]
    assert notices(np.zeros(9)) == []
