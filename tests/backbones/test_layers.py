from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from fxai_jax.backbones.convolutions import conv
from fxai_jax.backbones.layers import (
    BatchNorm,
    Conv,
    LayerNorm,
    Linear,
    SqueezeExcite,
    max_pool,
)


def plain(x, kernel, stride, padding):
    """XLA's own convolution, the definition."""
    return lax.conv_general_dilated(
        x[None],
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )[0]


def normal(rng, *shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


@partial(jax.jit, static_argnums=(0, 1))
def both(stride, padding, x, kernel, cotangents):
    """Output and both gradients, pulled back two at a time in a loop; then XLA's."""

    def pulled(function):
        y, pull = jax.vjp(lambda *a: function(*a, stride, padding), x, kernel)
        return y, *lax.map(pull, cotangents, batch_size=2)

    return pulled(conv), pulled(plain)


CASES = [
    ((9, 8), (3, 3), 1, ((1, 1), (1, 1))),
    ((9, 8), (3, 3), 2, ((1, 1), (1, 1))),
    ((8, 8), (3, 3), 2, ((0, 1), (0, 1))),
    ((8, 7), (1, 1), 2, ((0, 0), (0, 0))),
    ((8, 9), (1, 7), 1, ((0, 0), (3, 3))),
    ((11, 8), (5, 4), 3, ((2, 0), (0, 3))),
]


@pytest.mark.parametrize(("size", "taps", "stride", "padding"), CASES)
def test_conv_equals_the_plain_one_in_both_directions(rng, size, taps, stride, padding):
    x, kernel = normal(rng, *size, 3), normal(rng, *taps, 3, 5)
    cotangents = normal(rng, 4, *plain(x, kernel, stride, padding).shape)
    found, expected = both(stride, padding, x, kernel, cotangents)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def test_the_pullback_of_a_conv_can_be_pulled_back(rng):
    x, kernel = normal(rng, 6, 5, 2), normal(rng, 3, 3, 2, 3)

    def energy(x, kernel):
        y = conv(jnp.asarray(x), jnp.asarray(kernel), 2, ((1, 1), (1, 1)))
        return jnp.sum(jnp.tanh(y))

    gradient = jax.jit(jax.grad(energy, argnums=(0, 1)))
    check_grads(gradient, (x, kernel), order=1, modes=["rev"], atol=0.02, rtol=0.02)


def test_no_pullback_reverses_a_kernel_inside_the_loop(rng):
    kernel = normal(rng, 3, 3, 2, 3)
    _, pull = jax.vjp(
        lambda x: conv(x, kernel, 1, ((1, 1), (1, 1))), normal(rng, 5, 5, 2)
    )
    program = jax.make_jaxpr(lambda c: lax.map(pull, c))(normal(rng, 2, 5, 5, 3))
    (loop,) = [e for e in program.jaxpr.eqns if e.primitive.name == "scan"]
    inside = {equation.primitive.name for equation in loop.params["jaxpr"].jaxpr.eqns}
    assert inside == {"face_convolution"}
    lowered = jax.jit(lambda c: lax.map(pull, c)).lower(normal(rng, 2, 5, 5, 3))
    assert "stablehlo.reverse" not in lowered.as_text()


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_conv_layer_applies_each_group_to_its_channels(rng, groups):
    layer = Conv(4, 8, 3, padding=((1, 1), (1, 1)), groups=groups)
    layer.kernel[...] = normal(rng, *layer.kernel.shape)
    x = normal(rng, 6, 5, 4)
    parts = [
        plain(part, kernel, 1, layer.padding)
        for part, kernel in zip(
            jnp.split(x, groups, axis=-1),
            jnp.split(layer.kernel[...], groups, axis=-1),
            strict=True,
        )
    ]
    np.testing.assert_allclose(
        layer(x), jnp.concatenate(parts, axis=-1), rtol=1e-4, atol=1e-4
    )


def test_max_pool_equals_the_largest_of_each_window(rng):
    x = normal(rng, 8, 7, 2)
    expected = [
        [x[i : i + 3, j : j + 3].max((0, 1)) for j in range(0, 5, 2)]
        for i in range(0, 6, 2)
    ]
    np.testing.assert_array_equal(max_pool(x, 3, 2), expected)


def test_layer_norm_standardises_each_token(rng):
    layer = LayerNorm(6)
    scale, bias = rng.normal(size=(2, 6)).astype(np.float32)
    layer.scale[...], layer.bias[...] = jnp.asarray(scale), jnp.asarray(bias)
    x = normal(rng, 4, 6)
    values = np.asarray(x, np.float64)
    unit = (values - values.mean(1, keepdims=True)) / np.sqrt(
        values.var(1, keepdims=True) + 1e-5
    )
    np.testing.assert_allclose(layer(x), unit * scale + bias, rtol=1e-4, atol=1e-5)
    constant = jnp.full((1, 6), 3.0)
    assert np.all(np.isfinite(jax.grad(lambda x: jnp.sum(layer(x)))(constant)))


def test_batch_norm_without_scale_and_bias(rng):
    layer = BatchNorm(3, affine=False)
    layer.mean[...], layer.var[...] = jnp.arange(3.0), jnp.array([1.0, 4.0, 9.0])
    x = normal(rng, 5, 3)
    expected = (x - jnp.arange(3.0)[None]) / jnp.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_linear_works_on_vectors_tokens_and_maps(rng):
    layer = Linear(3, 2, bias=True)
    layer.kernel[...], layer.bias[...] = normal(rng, 3, 2), normal(rng, 2)
    x = normal(rng, 4, 5, 3)
    expected = np.einsum("ijk,ko->ijo", x, layer.kernel[...]) + np.asarray(
        layer.bias[...]
    )
    for found, want in (
        (layer(x), expected),
        (layer(x[0]), expected[0]),
        (layer(x[0, 0]), expected[0, 0]),
    ):
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_squeeze_excite_scales_whole_channels(rng):
    layer = SqueezeExcite(32)
    layer.fc1.kernel[...] = normal(rng, 32, 2)
    layer.fc2.kernel[...] = normal(rng, 2, 32)
    x = normal(rng, 4, 4, 32)
    pooled = np.asarray(x).mean((0, 1))
    hidden = np.maximum(pooled @ np.asarray(layer.fc1.kernel[...]), 0)
    gate = 1 / (1 + np.exp(-hidden @ np.asarray(layer.fc2.kernel[...])))
    np.testing.assert_allclose(layer(x), np.asarray(x) * gate, rtol=1e-4, atol=1e-5)
