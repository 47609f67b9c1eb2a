from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from fxai_jax.backbones.convolutions import conv, depthwise_conv


def plain(x, kernel, stride, padding, groups=1):
    """XLA's own convolution, the definition."""
    return lax.conv_general_dilated(
        x[None],
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )[0]


CASES = [
    ((9, 9), 3, 1, ((1, 1), (1, 1))),
    ((9, 8), 3, 2, ((1, 1), (1, 1))),
    ((8, 8), 3, 2, ((0, 1), (0, 1))),
    ((8, 11), 5, 3, ((2, 0), (0, 3))),
    ((7, 7), 7, 1, ((0, 0), (0, 0))),
]


@pytest.mark.parametrize(("size", "taps", "stride", "padding"), CASES)
def test_equals_the_convolution_in_both_directions(rng, size, taps, stride, padding):
    x = jnp.asarray(rng.normal(size=(*size, 4)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(taps, taps, 4, 6)), jnp.float32)
    found, pull = jax.vjp(lambda *a: conv(*a, stride, padding), x, kernel)
    expected, reference = jax.vjp(lambda *a: plain(*a, stride, padding), x, kernel)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    cotangent = jnp.asarray(rng.normal(size=found.shape), jnp.float32)
    for mine, theirs in zip(pull(cotangent), reference(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("size", "taps", "stride", "padding"), CASES)
def test_equals_the_grouped_convolution_in_both_directions(
    rng, size, taps, stride, padding
):
    x = jnp.asarray(rng.normal(size=(*size, 5)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(taps, taps, 1, 5)), jnp.float32)
    found, pull = jax.vjp(lambda *a: depthwise_conv(*a, stride, padding), x, kernel)
    grouped = partial(plain, groups=5)
    expected, reference = jax.vjp(lambda *a: grouped(*a, stride, padding), x, kernel)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    cotangent = jnp.asarray(rng.normal(size=found.shape), jnp.float32)
    for mine, theirs in zip(pull(cotangent), reference(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("function", "inputs"), [(conv, 2), (depthwise_conv, 1)])
def test_the_pullback_can_be_pulled_back(rng, function, inputs):
    x = jnp.asarray(rng.normal(size=(5, 5, 2)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, inputs, 2)), jnp.float32)

    def energy(x):
        y = function(jnp.asarray(x), kernel, 1, ((1, 1), (1, 1)))
        return jnp.sum(jnp.tanh(y))

    check_grads(jax.grad(energy), (x,), order=1, modes=["rev"], atol=0.02, rtol=0.02)
