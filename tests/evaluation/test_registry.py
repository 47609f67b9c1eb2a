import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.array_types import PairSaliency
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.evaluation.registry import (
    EXPLAINERS,
    PIXEL_MAPS,
    PRIORS,
    REFERENCES,
    choose,
    ranking_map,
)
from fxai_jax.filters import gaussian_blur
from fxai_jax.numerics import split_sign


def test_the_references_are_always_there():
    assert list(choose(EXPLAINERS, [])) == list(EXPLAINERS)
    assert list(choose(EXPLAINERS, ["fame"])) == ["fame", *REFERENCES]
    assert list(choose(PIXEL_MAPS, ["plq"])) == ["plq", *REFERENCES]
    assert list(choose(EXPLAINERS, ["edges"], always=("fggb",))) == ["fggb", "edges"]
    with pytest.raises(ValueError, match="no explainer 'FGGB'; there are fggb, "):
        choose(EXPLAINERS, ["FGGB"])
    with pytest.raises(ValueError, match="no map 'fggb'; there are plq, plq-minimum"):
        choose(PIXEL_MAPS, ["fggb"])


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_is_one_map_for_pairs_and_for_pixels(key, name):
    """Whatever the network: the model is none."""
    face = sample_face("a_1")
    map_ = PRIORS[name].draw(key, face)
    entry = EXPLAINERS[name]
    assert (entry.random, entry.sign_is_importance) == (PRIORS[name].random, False)
    for threshold, empty in ((-1.0, "dissimilarity"), (1.0, "similarity")):
        model = jnp.ravel
        result = entry.explain(model, key, face, face[::-1], threshold=threshold)
        np.testing.assert_array_equal(np.abs(result.signed), map_)
        assert not np.any(getattr(result, empty))
    if name in REFERENCES:
        found = PIXEL_MAPS[name]
        assert found.random == entry.random
        np.testing.assert_array_equal(found.quality(None, key, face), map_)


def test_maps_are_ranked_as_their_makers_say(rng):
    signed = jnp.asarray(rng.normal(size=(32, 32)), jnp.float32)
    result = PairSaliency(*split_sign(signed), signed, jnp.array(0.5))
    fggb, cam, gradient = (EXPLAINERS[n] for n in ("fggb", "grad-cam", "gradient"))
    blurred = gaussian_blur(signed)
    np.testing.assert_allclose(ranking_map(fggb, result, "similarity"), blurred)
    np.testing.assert_allclose(ranking_map(fggb, result, "dissimilarity"), -blurred)
    np.testing.assert_allclose(ranking_map(cam, result, "dissimilarity"), -signed)
    positive = jnp.maximum(signed, 0)
    found = ranking_map(fggb, result, "positive")
    np.testing.assert_allclose(found, gaussian_blur(positive))
    np.testing.assert_allclose(ranking_map(cam, result, "positive"), positive)
    for ranking in ("similarity", "dissimilarity", "positive"):
        found = ranking_map(gradient, result, ranking)
        np.testing.assert_allclose(found, gaussian_blur(jnp.abs(signed)))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPLAINERS)
def test_every_explainer_explains_a_real_pair(name):
    model = load_backbone("mobilefacenet")
    explain = jax.jit(EXPLAINERS[name].explain)
    faces = sample_face("a_1"), sample_face("b_1")
    result = explain(model, jax.random.key(0), *faces, threshold=0.45)
    for ranking in ("similarity", "dissimilarity"):
        map_ = np.asarray(ranking_map(EXPLAINERS[name], result, ranking))
        assert map_.shape == (112, 112)
        assert np.isfinite(map_).all()
        assert np.ptp(map_) > 0
