import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.array_types import PairSaliency
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.faces import sample_face
from fxai_jax.numerics import gaussian_blur, split_sign
from fxai_jax.runners.evaluation.explainers import (
    EXPLAINERS,
    REFERENCES,
    choose_explainers,
    ranking_map,
)


def test_the_references_are_always_there():
    assert list(choose_explainers([])) == list(EXPLAINERS)
    assert list(choose_explainers(["fame"])) == ["fame", *REFERENCES]
    with pytest.raises(ValueError, match="no explainer 'FGGB'; there are fggb, "):
        choose_explainers(["FGGB"])


def test_maps_are_ranked_as_their_makers_say(rng):
    signed = jnp.asarray(rng.normal(size=(32, 32)), jnp.float32)
    result = PairSaliency(*split_sign(signed), signed, jnp.array(0.5))
    fggb, cam, gradient = (EXPLAINERS[n] for n in ("fggb", "grad-cam", "gradient"))
    blurred = gaussian_blur(signed)
    np.testing.assert_allclose(ranking_map(fggb, result, "similarity"), blurred)
    np.testing.assert_allclose(ranking_map(fggb, result, "dissimilarity"), -blurred)
    np.testing.assert_allclose(ranking_map(cam, result, "dissimilarity"), -signed)
    for ranking in ("similarity", "dissimilarity"):
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
