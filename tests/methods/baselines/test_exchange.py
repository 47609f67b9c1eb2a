"""What holds for every baseline, so that one can stand in the place of another."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.methods import baselines
from fxai_jax.numerics import cosine

KEY = jax.random.key(7)


def keyed(explain):
    return lambda model, probe, gallery, **options: explain(
        model, KEY, probe, gallery, **options
    )


PRIORS = ("smooth_random", "pixel_random", "edges", "centred_gaussian")


def prior(name):
    fun = getattr(baselines.priors, name)
    return keyed(partial(baselines.priors.explain, fun))


ALL = {
    "xssab": baselines.xssab.explain,
    "corrrise": partial(keyed(baselines.corrrise.explain), masks=40, side=8),
    "grad_cam": baselines.cams.grad_cam,
    "score_cam": baselines.cams.score_cam,
    "fame": partial(baselines.fame.explain, iterations=20),
    "gradient": baselines.gradient.explain,
    **{name: prior(name) for name in PRIORS},
}
CHUNKED = ["corrrise", "score_cam"]
UNSIGNED = ["fame", *list(ALL)[5:]]
# Two cosines that are equal up to rounding may change ranks; Score-CAM weighs small
# differences of cosines.
TOLERANCE = {"corrrise": 0.03, "score_cam": 2e-6}


class ConstantModel:
    def __init__(self, value):
        self.value = value

    def features(self, image):
        return jnp.full((4, 4, 3), 0.1) + 0 * image.sum()

    def head(self, features, *, dropout_rate=0.0, key=None):
        return jnp.full(6, self.value) + 0 * features.sum()

    def __call__(self, image):
        return self.head(self.features(image))


def between(model, faces):
    """A threshold that accepts one of two pairs: probes 0, 1 and galleries 2, 3."""
    cosines = [cosine(model(faces[i]), model(faces[i + 2])) for i in (0, 1)]
    return (cosines[0] + cosines[1]) / 2


def assert_close(name, found, expected):
    scale = max(float(jnp.abs(expected.signed).max()), 1e-6)
    tolerance = TOLERANCE.get(name, 1e-4 * scale)
    np.testing.assert_allclose(found.cosine, expected.cosine, atol=1e-6)
    for a, b in zip(found[:3], expected[:3], strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_jit_and_vmap_change_nothing(name, smooth, faces):
    call = partial(ALL[name], smooth, threshold=between(smooth, faces))
    compiled = jax.jit(call)
    mapped = jax.jit(jax.vmap(call))(faces[:2], faces[2:])
    assert_close(name, compiled(faces[0], faces[2]), call(faces[0], faces[2]))
    for i in (0, 1):
        single = compiled(faces[i], faces[i + 2])
        assert_close(name, jax.tree.map(lambda x, i=i: x[i], mapped), single)


@pytest.mark.parametrize("chunk_size", [1, 3, 64])
@pytest.mark.parametrize("name", CHUNKED)
def test_chunks_change_nothing(name, smooth, faces, chunk_size):
    def call(chunk_size):
        options = {"threshold": 0.2, "chunk_size": chunk_size}
        return jax.jit(partial(ALL[name], smooth, **options))(faces[0], faces[2])

    assert_close(name, call(chunk_size), call(None))


@pytest.mark.parametrize("name", ALL)
def test_a_threshold_sweep_compiles_once(name, smooth, faces):
    traces = []

    @jax.jit
    def call(threshold):
        traces.append(threshold)
        return ALL[name](smooth, faces[0], faces[2], threshold=threshold)

    results = [call(np.float32(t)) for t in np.linspace(-1, 1, 20)]
    assert len(traces) == 1
    changes = bool((results[0].signed != results[-1].signed).any())
    assert changes == (name in ["xssab", *UNSIGNED])


@pytest.mark.parametrize("name", ALL)
def test_the_fields_agree(name, smooth, faces):
    for threshold in (-0.9, 0.9):
        found = ALL[name](smooth, faces[0], faces[2], threshold=threshold)
        np.testing.assert_allclose(
            found.similarity - found.dissimilarity, found.signed, rtol=1e-6
        )
        assert bool((found.similarity >= 0).all())
        assert bool((found.dissimilarity >= 0).all())
        clean = cosine(smooth(faces[0]), smooth(faces[2]))
        np.testing.assert_allclose(found.cosine, clean, atol=1e-6)
        assert bool(jnp.any(found.signed != 0))


@pytest.mark.parametrize("name", UNSIGNED)
def test_the_decision_is_the_sign_of_maps_without_one(name, smooth, faces):
    call = partial(ALL[name], smooth, faces[0], faces[2])
    clean = cosine(smooth(faces[0]), smooth(faces[2]))
    room = (1 - abs(clean)) / 2
    accepted, rejected = call(threshold=clean - room), call(threshold=clean + room)
    assert not accepted.dissimilarity.any()
    assert not rejected.similarity.any()
    if name != "fame":  # whose two losses make two maps
        np.testing.assert_array_equal(accepted.signed, -rejected.signed)
        np.testing.assert_array_equal(accepted.similarity, rejected.dissimilarity)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("name", ALL)
def test_a_constant_embedder_gives_finite_maps(name, value, faces):
    for probe in (faces[0], jnp.zeros_like(faces[0])):
        found = ALL[name](ConstantModel(value), probe, faces[1], threshold=0.3)
        assert all(bool(jnp.isfinite(field).all()) for field in found)
        np.testing.assert_allclose(found.cosine, value, atol=1e-6)


@pytest.mark.parametrize("name", ["xssab", "corrrise", "grad_cam", "fame", "gradient"])
def test_a_constant_embedder_is_explained_by_nothing(name, faces):
    found = ALL[name](ConstantModel(1.0), *faces[:2], threshold=0.3)
    np.testing.assert_allclose(found.signed, 0, atol=1e-6)


def test_every_explainer_takes_the_arguments_of_fggb():
    modules = [m for m in vars(baselines).values() if inspect.ismodule(m)]
    found = [
        function
        for module in modules
        for function in vars(module).values()
        if inspect.isfunction(function)
        and not function.__name__.startswith("_")
        and "threshold" in inspect.signature(function).parameters
        and function.__name__ not in ("arguments", "perturb")
        and function.__module__ == module.__name__
    ]
    assert len(found) == len(ALL) - len(PRIORS) + 1  # one explains with any prior
    for function in found:
        parameters = inspect.signature(function).parameters
        names = [n for n in parameters if n not in ("fun", "key", "embed", "model")]
        assert names[:3] == ["probe", "gallery", "threshold"]
        threshold = parameters["threshold"]
        assert threshold.kind is threshold.KEYWORD_ONLY
        assert threshold.default is threshold.empty
