from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from fxai_jax.backbones import convolutions
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
    ((6, 5), 3, 1, ((1, 1), (1, 1))),
    ((9, 8), 3, 2, ((1, 1), (1, 1))),
    ((8, 8), 3, 2, ((0, 1), (0, 1))),
    ((8, 11), 5, 3, ((2, 0), (0, 3))),
    ((4, 4), 4, 1, ((0, 0), (0, 0))),
]
KINDS = [(conv, 4, 6, 1), (depthwise_conv, 1, 5, 5)]
SAME = ((1, 1), (1, 1))


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.fixture(params=KINDS, ids=["ordinary", "depthwise"])
def both(request, case, rng):
    """The function, its definition, and a map and a kernel for them."""
    function, inputs, outputs, groups = request.param
    size, taps, stride, padding = case
    x = jnp.asarray(rng.normal(size=(*size, inputs * groups)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(taps, taps, inputs, outputs)), jnp.float32)
    options = {"stride": stride, "padding": padding}
    return (
        partial(function, **options),
        partial(plain, groups=groups, **options),
        (x, kernel),
    )


def assert_alike(found, expected):
    for mine, theirs in zip(
        jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-3)


def like(rng, tree):
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), tree)


def test_equals_the_convolution_in_reverse(both, rng):
    mine, theirs, operands = both
    found, pull = jax.vjp(jax.jit(mine), *operands)
    expected, reference = jax.vjp(jax.jit(theirs), *operands)
    assert_alike(found, expected)
    cotangent = like(rng, found)
    assert_alike(pull(cotangent), reference(cotangent))


def test_equals_the_convolution_forward(both, rng):
    mine, theirs, operands = both
    tangents = like(rng, operands)
    found, expected = (
        jax.jvp(jax.jit(function), operands, tangents) for function in (mine, theirs)
    )
    assert_alike(found, expected)


@pytest.mark.parametrize("outer", [jax.jacfwd, jax.jacrev])
def test_equals_the_convolution_twice_differentiated(both, rng, outer):
    mine, theirs, operands = both
    weights = like(rng, mine(*operands))
    one = like(rng, operands)

    def along(function, step):
        def energy(*operands):
            return jnp.sum(jnp.tanh(0.1 * weights * function(*operands)))

        moved = jax.tree.map(lambda x, v: x + step * v, operands, one)
        return jax.grad(energy, argnums=(0, 1))(*moved)

    found, expected = (
        jax.jit(outer(partial(along, function)))(0.0) for function in (mine, theirs)
    )
    assert_alike(found, expected)


def test_can_be_transposed_in_the_kernel(both, rng):
    mine, theirs, (x, kernel) = both
    cotangent = like(rng, mine(x, kernel))
    found, expected = (
        jax.linear_transpose(partial(function, x), kernel)(cotangent)
        for function in (mine, theirs)
    )
    assert_alike(found, expected)


@pytest.mark.parametrize("axes", [(1, None), (None, 0), (2, 3)])
def test_maps_over_images_and_over_networks(both, rng, axes):
    mine, theirs, operands = both
    stacked = [
        operand
        if axis is None
        else jnp.asarray(
            rng.normal(size=np.insert(operand.shape, axis, 3)), jnp.float32
        )
        for operand, axis in zip(operands, axes, strict=True)
    ]

    def pushed_and_pulled(function, x, kernel):
        value, pull = jax.vjp(function, x, kernel)
        return value, pull(value)

    found, expected = (
        jax.jit(jax.vmap(partial(pushed_and_pulled, function), axes))(*stacked)
        for function in (mine, theirs)
    )
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-2)


@pytest.mark.parametrize("back", [False, True])
def test_is_the_same_on_every_platform(both, rng, back):
    """The form for TPU and CUDA, run here, equals that of the CPU."""
    mine, _, (x, kernel) = both
    depthwise = mine.func is depthwise_conv
    params = {"size": x.shape[:2], "depthwise": depthwise, **mine.keywords}
    operand = like(rng, mine(x, kernel)) if back else x
    forms = (convolutions._fast, convolutions._plain)
    found, expected = (
        form(
            operand, kernel, convolutions._turn(kernel, depthwise), back=back, **params
        )
        for form in forms
    )
    assert_alike(found, expected)


@pytest.mark.parametrize(("function", "inputs"), [(conv, 2), (depthwise_conv, 1)])
def test_every_mode_agrees_with_differences(rng, function, inputs):
    kernel = jnp.asarray(rng.normal(size=(3, 3, inputs, 2)), jnp.float32)
    x = jnp.asarray(rng.normal(size=(5, 5, 2)), jnp.float32)

    def energy(x):
        return jnp.sum(jnp.tanh(function(jnp.asarray(x), kernel, 1, SAME)))

    check_grads(energy, (x,), order=2, modes=["fwd", "rev"], atol=0.03, rtol=0.03)


@pytest.mark.parametrize(("function", "inputs"), [(conv, 2), (depthwise_conv, 1)])
def test_nobody_traces_the_gradient_of_the_kernel_unasked(function, inputs):
    kernel, x = jnp.ones((3, 3, inputs, 2)), jnp.ones((5, 5, 2))
    _, pull = jax.vjp(lambda x: function(x, kernel, 1, SAME), x)
    program = jax.make_jaxpr(pull)(x)
    assert [str(step.primitive) for step in program.eqns] == ["face_convolution"]


def test_accelerators_get_their_own_convolutions():
    kernel, x = jnp.ones((3, 3, 1, 2)), jnp.ones((5, 5, 2))
    function = jax.jit(jax.grad(lambda x: jnp.sum(depthwise_conv(x, kernel, 1, SAME))))
    for platform, count in (("tpu", 1), ("cuda", 1), ("cpu", 0)):
        text = function.trace(x).lower(lowering_platforms=(platform,)).as_text()
        assert text.count("stablehlo.convolution") == count, platform
