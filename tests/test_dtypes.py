"""Every method in every type of numbers: the rule of `fxai_jax.array_types`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.array_types import result_dtype
from fxai_jax.methods import amva, baselines, fggb, frequency, plq
from fxai_jax.numerics import cosine, safe_norm, unit_vector
from tests.networks import FAMILIES, Tiny, cast, small

TYPES = (jnp.float64, jnp.float32, jnp.bfloat16, jnp.float16)
CONSTANTS = {"alpha": 30.0, "center": 0.5, "passes": 4}


def methods(size):
    masks = frequency.radial_bands((size, size), width=size // 8).masks

    def quality(model, a, b):
        options = {"gamma": 11.38, "regression": "minimum_norm", **CONSTANTS}
        return plq.explain(model, jax.random.key(0), a, **options)

    return {
        "fggb": partial(fggb.explain, threshold=np.float64(0.4), chunk_size=4),
        "plq": quality,
        "amva": lambda model, a, b: amva.activation(model, a, chunk_size=4),
        "frequency": lambda model, a, b: frequency.explain(model, a, b, masks),
    }


def others(key):
    given = {"threshold": np.float64(0.4)}
    return {
        "gradient": partial(baselines.gradient.explain, **given),
        "xssab": partial(baselines.xssab.explain, **given),
        "fame": partial(baselines.fame.explain, iterations=3, **given),
        "grad_cam": partial(baselines.cams.grad_cam, **given),
        "score_cam": partial(baselines.cams.score_cam, **given),
        "corrrise": lambda model, a, b: baselines.corrrise.explain(
            model, key, a, b, masks=20, side=5, **given
        ),
        "prior": lambda model, a, b: baselines.priors.explain(
            baselines.priors.edges, model, key, a, b, **given
        ),
    }


def floats(tree):
    leaves = jax.tree.leaves(tree)
    return [x for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]


def assert_follows(method, model, pair, parameters, pixels, least):
    """The result has the right type, is finite, and says what float32 says."""
    with jax.enable_x64(True):
        expected = jax.jit(method)(model, *pair)
        placed = [x.astype(pixels) for x in pair]
        found = jax.jit(method)(cast(model, parameters), *placed)
        right = result_dtype(jnp.zeros((), pixels), jnp.zeros((), parameters))
    assert {x.dtype for x in floats(found)} == {right}
    largest = {x.shape: 0.0 for x in floats(expected)}
    for x in floats(expected):
        largest[x.shape] = max(largest[x.shape], float(np.abs(x).max()))
    for mine, reference in zip(floats(found), floats(expected), strict=True):
        # The map that a decision leaves empty holds rounding at most.
        empty = np.abs(reference).max() < 0.01 * largest[reference.shape]
        mine, reference = (np.asarray(x, float).ravel() for x in (mine, reference))
        assert np.isfinite(mine).all()
        if reference.size > 1 and np.ptp(reference) > 0 and not empty:
            assert np.corrcoef(mine, reference)[0, 1] > least


@pytest.fixture
def pair(rng):
    return jnp.asarray(rng.uniform(size=(2, 32, 32, 3)), jnp.float32)


@pytest.mark.parametrize("pixels", [jnp.float32, None], ids=["float32", "same"])
@pytest.mark.parametrize("parameters", TYPES)
@pytest.mark.parametrize("name", ["fggb", "plq", "amva", "frequency"])
def test_results_have_the_type_of_image_and_network(
    name, parameters, pixels, rng, pair
):
    method, model = methods(32)[name], Tiny(rng, size=32)
    assert_follows(method, model, pair, parameters, pixels or parameters, 0.8)


@pytest.mark.parametrize("parameters", TYPES)
@pytest.mark.parametrize("name", others(None))
def test_results_of_the_baselines_do_too(name, parameters, rng, key, pair):
    method, model = others(key)[name], Tiny(rng, size=32)
    assert_follows(method, model, pair, parameters, parameters, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("parameters", TYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_in_the_type_of_its_parameters(family, parameters, rng):
    model, size = small(family, rng)
    pair = jnp.asarray(rng.uniform(size=(2, size, size, 3)), jnp.float32)
    with jax.enable_x64(True):
        assert cast(model, parameters)(pair[0]).dtype == parameters
    calls = methods(size)
    if model.features(pair[0]).shape[-1] > 1000:
        del calls["amva"]  # a forward pass a channel: minutes
    for method in calls.values():
        # Gradients of random weights are noise in half precision; README has the
        # correlations of trained ones.
        half = jnp.finfo(parameters).bits < 32
        assert_follows(
            method, model, pair, parameters, jnp.float32, -2 if half else 0.5
        )


def test_large_and_small_halves_have_their_norms_and_cosines():
    large = jnp.full(64, 30_000.0, jnp.float16)
    np.testing.assert_allclose(unit_vector(large), 1 / 8, rtol=1e-3)
    assert float(cosine(large, -large)) == pytest.approx(-1, abs=1e-3)
    small_ones = jnp.full(64, 2e-7, jnp.float16)
    np.testing.assert_allclose(unit_vector(small_ones), 1 / 8, rtol=1e-3)
    assert float(safe_norm(jnp.full(64, 100.0, jnp.float16))) == 800


def test_the_map_of_tiny_gradients_is_not_lost_in_float16():
    gradient = jnp.full((2, 2, 3), 2e-6, jnp.float16)
    found = plq.quality_map(gradient, gamma=11.38)
    expected = plq.quality_map(gradient.astype(jnp.float32), gamma=11.38)
    assert found.dtype == jnp.float16
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    largest = plq.quality_map(jnp.full((1, 1, 3), 6e4, jnp.float16), gamma=11.38)
    assert float(largest[0, 0]) == 1
