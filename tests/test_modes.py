"""Forward mode, reverse mode and differences agree in float64, on every family."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.methods import amva, fggb, frequency, plq
from tests.networks import FAMILIES, small

STEP = 1e-6


def few(features):
    """Four channels of a map: all of them are a forward pass each."""
    return features[..., :: features.shape[-1] // 4]


def methods(size):
    masks = frequency.radial_bands((size, size), width=size // 4).masks
    constants = {"alpha": 30.0, "center": 0.5, "passes": 4, "gamma": 6.0}
    return {
        "fggb": partial(fggb.explain, threshold=0.4, chunk_size=4),
        "plq": lambda m, a, b: plq.explain(m, jax.random.key(0), a, **constants),
        "amva": lambda m, a, b: amva.channel_scores(m, a, few(m.features(a))),
        "frequency": lambda m, a, b: frequency.explain(m, a, b, masks, chunk_size=2),
    }


def scaled(x):
    """The largest magnitude; 1 for a map that is empty."""
    largest = jnp.abs(x).max()
    return jnp.where(largest > 0, largest, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fggb", "plq", "amva", "frequency"])
@pytest.mark.parametrize("family", FAMILIES)
def test_tangents_are_those_of_differences(family, name):
    # One seed for all runs: where a step crosses the kink of an activation, a gradient
    # map jumps and has no derivative.
    rng = np.random.default_rng(5)
    with jax.enable_x64(True):
        model, size = small(family, rng, jnp.float64)
        a, b, direction = jnp.asarray(rng.uniform(size=(3, size, size, 3)))
        direction = (direction - 0.5) / jnp.linalg.norm(direction - 0.5)
        method = methods(size)[name]

        @jax.jit
        def scalar(image):
            leaves = jax.tree.leaves(method(model, image, b))
            return sum(jnp.sum(jnp.sin(x / scaled(x))) for x in leaves)

        along = jax.jit(lambda x, v: jax.jvp(scalar, (x,), (v,))[1])(a, direction)
        slope = jax.jit(jax.grad(scalar))(a)
        ends = [scalar(a + sign * STEP * direction) for sign in (1, -1)]
        found = float(ends[0] - ends[1]) / (2 * STEP)
        scale, pulled = (
            float(jnp.linalg.norm(slope)),
            float(jnp.vdot(slope, direction)),
        )
        along = float(along)
    assert scale > 0
    assert abs(along - pulled) < 1e-9 * scale
    assert abs(along - found) < 1e-7 * scale
