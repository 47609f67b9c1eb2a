from functools import partial

import jax
import numpy as np
import pytest

from fxai_jax.array_types import PairSaliency
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.explain.both_sides import notices
from fxai_jax.explain.fggb import compile_fggb
from fxai_jax.explain.frequency import compile_frequency
from fxai_jax.methods import fggb, frequency


@pytest.fixture(scope="module")
def explain():
    return compile_fggb(load_backbone("mobilefacenet"), (112, 112))[0]


@pytest.mark.slow
def test_both_faces_are_explained_by_one_program(explain):
    model, a, b = load_backbone("mobilefacenet"), sample_face("a_2"), sample_face("c_1")
    found = explain(a, b, 0.45)
    alone = jax.jit(partial(fggb.explain, chunk_size=16))
    expected = alone(model, b, a, threshold=np.float32(0.45))
    correlation = np.corrcoef(
        found.gallery.signed.ravel(), np.asarray(expected.signed).ravel()
    )[0, 1]
    assert correlation > 0.9999
    assert found.probe.cosine == pytest.approx(float(found.gallery.cosine), abs=1e-6)
    assert isinstance(found.probe.signed, np.ndarray)
    assert found.seconds > 0


def test_notices_speak_of_what_would_mislead(explain):
    face = sample_face("a_1")
    pair = explain(face, sample_face("a_2"), 0.45)
    assert notices(pair) == []
    assert "same file" in notices(explain(face, face, 0.45))[0]
    zero = PairSaliency(*[np.zeros((4, 4), np.float32)] * 3, np.float32(0))
    assert "zero everywhere" in notices(pair._replace(probe=zero))[0]
    broken = zero._replace(signed=np.full((4, 4), np.nan, np.float32))
    with pytest.raises(ValueError, match="explanation of the gallery is not finite"):
        notices(pair._replace(gallery=broken))


@pytest.mark.slow
def test_bands_of_both_faces_are_those_of_the_method():
    model, a, b = load_backbone("mobilefacenet"), sample_face("a_2"), sample_face("c_1")
    bands = frequency.radial_bands((112, 112), width=28)
    explain, _ = compile_frequency(model, bands, perturb="both")
    found = explain(a, b)
    alone = jax.jit(partial(frequency.explain, perturb="both", chunk_size=5))
    for one, pair in ((found.probe, (a, b)), (found.gallery, (b, a))):
        expected = alone(model, *pair, bands.masks)
        np.testing.assert_allclose(one.directed, expected.directed, atol=1e-5)
