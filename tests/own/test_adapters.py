import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import fxai_jax as fx
from fxai_jax.backbones.layers import dropout
from fxai_jax.own.adapters import as_argument

SIZE, D = 32, 6


class Dense(linen.Module):
    """A network of flax.linen."""

    size: int = D

    def setup(self):
        self.layer = linen.Dense(self.size)

    def features(self, image):
        return jnp.tanh(image[::4, ::4] - 0.4)

    def head(self, features, *, dropout_rate=0.0, key=None):
        return self.layer(dropout(features.reshape(-1), dropout_rate, key))

    def __call__(self, image):
        return self.head(self.features(image))


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Layer:
    """A callable pytree with a function among its leaves, as equinox has them."""

    kernel: jax.Array
    activation: Callable

    def __call__(self, image):
        return self.activation(image.reshape(-1) @ self.kernel)


@pytest.fixture
def variables(key):
    return Dense().init(key, jnp.zeros((SIZE, SIZE, 3)))


@pytest.fixture
def kernel(rng):
    return jnp.asarray(rng.normal(size=(SIZE * SIZE * 3, D)) / SIZE, jnp.float32)


@pytest.fixture
def pair(rng):
    return jnp.asarray(rng.uniform(size=(2, SIZE, SIZE, 3)), jnp.float32)


def read(kernel, image):
    return jnp.tanh(image.reshape(-1) @ kernel)


def counted():
    """A compiled call, and the list of its traces."""
    traces = []

    @jax.jit
    def call(embed, image):
        traces.append(1)
        return embed(image)

    return call, traces


def forms(kernel):
    """One network in all the forms that are no argument of jit, and the adapter's."""
    layer = Layer(kernel, jnp.tanh)
    return {
        "parameters": (partial(read, kernel), fx.embedder(read, kernel)),
        "partial": (partial(read, kernel), fx.embedder(partial(read, kernel))),
        "partial of partial": (
            partial(partial(read), kernel),
            fx.embedder(partial(partial(read), kernel)),
        ),
        "lambda": (lambda image: read(kernel, image),) * 2,
        "equinox": (layer, fx.embedder(layer)),
        "method": (layer.__call__, fx.embedder(layer.__call__)),
    }


FORMS = [name for name in forms(jnp.zeros((1, 1))) if name != "lambda"]


@pytest.mark.parametrize("name", FORMS)
def test_what_jit_refuses_becomes_an_argument(kernel, pair, name, unchecked):
    raw, embed = forms(kernel)[name]
    explain = jax.jit(fx.fggb.explain)
    with pytest.raises(TypeError, match="at path embed"):
        explain(raw, *pair, threshold=0.3)
    found = explain(embed, *pair, threshold=0.3)
    expected = fx.fggb.explain(partial(read, kernel), *pair, threshold=0.3)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("name", FORMS)
def test_arrays_are_leaves_and_can_be_trained(kernel, pair, name):
    embed = forms(kernel)[name][1]
    [leaf] = jax.tree.leaves(embed)
    assert leaf is kernel
    gradient = jax.grad(lambda embed: embed(pair[0]).sum())(embed)
    expected = jax.grad(lambda kernel: read(kernel, pair[0]).sum())(kernel)
    np.testing.assert_allclose(*jax.tree.leaves((gradient, expected)), atol=1e-6)


@pytest.mark.parametrize("name", FORMS)
def test_equal_callables_share_one_program(kernel, pair, name):
    call, traces = counted()
    for scale in (1, 2, 3):
        embed = forms(scale * kernel)[name][1]
        expected = read(scale * kernel, pair[0])
        np.testing.assert_allclose(call(embed, pair[0]), expected, atol=1e-6)
    assert len(traces) == 1


def test_another_activation_is_another_program(kernel, pair):
    call, traces = counted()
    for activation in (jnp.tanh, jnp.sin):
        embed = fx.embedder(Layer(kernel, activation))
        expected = activation(pair[0].reshape(-1) @ kernel)
        np.testing.assert_allclose(call(embed, pair[0]), expected, atol=1e-6)
    assert len(traces) == 2


def test_a_linen_module_is_an_argument_in_every_spelling(variables, pair):
    call, traces = counted()
    expected = Dense().apply(variables, pair[0])
    for embed in (
        fx.embedder(Dense().apply, variables),
        fx.embedder(Dense().apply, variables),
        fx.embedder(partial(Dense().apply, variables)),
        fx.embedder(Dense().bind(variables)),
    ):
        assert len(jax.tree.leaves(embed)) == 2
        np.testing.assert_allclose(call(embed, pair[0]), expected, atol=1e-6)
    assert len(traces) == 1
    with pytest.raises(TypeError):
        call(Dense().bind(variables), pair[0])


def linen_model(variables):
    apply = Dense().apply
    return fx.face_model(
        partial(apply, variables, method="features"),
        partial(apply, variables, method="head"),
    )


def test_a_face_model_of_two_functions_serves_every_method(variables, pair, key):
    model = linen_model(variables)
    expected = Dense().apply(variables, pair[0])
    np.testing.assert_allclose(model(pair[0]), expected, atol=1e-6)
    explain = partial(fx.plq.explain, passes=5, alpha=1.0, center=0.5, gamma=1.0)
    quality = jax.jit(explain)(model, key, pair[0])
    assert 0 < quality.ser_fiq.quality < 1
    attention = jax.jit(fx.amva.activation)(model, pair[0])
    assert attention.shape == (8, 8)
    assert jax.jit(fx.fggb.explain)(model, *pair, threshold=0.1).signed.any()


def test_a_head_without_dropout_is_said_to_have_none(kernel, pair, key):
    model = fx.face_model(lambda image: image[::4, ::4], lambda x: x.mean((0, 1)))
    assert model(pair[0]).shape == (3,)
    with pytest.raises(ValueError, match="head fails with dropout"):
        fx.quality.ser_fiq(model, key, pair[0], passes=3)


class Dropped(nnx.Module):
    """A network with dropout in training mode."""

    def __init__(self):
        self.drop = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

    def __call__(self, image):
        return self.drop(image.reshape(-1))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("fun", "words"),
    [
        (3, "expected a function of an image, got int"),
        (Dropped(), r"training mode .* call its eval\(\)"),
        (Dropped().__call__, r"training mode .* call its eval\(\)"),
        (partial(Dropped()), r"training mode .* call its eval\(\)"),
        (Layer(jnp.ones(3), {1, 2}), "jit cannot compare what Layer holds"),
    ],
)
def test_what_can_be_no_argument_is_refused(fun, words):
    with pytest.raises(ValueError, match=words):
        fx.embedder(fun)
    with pytest.raises(ValueError, match=words):
        fx.face_model(lambda image: image, fun)


class Plain:
    """No pytree: its array is a constant of the program."""

    def __init__(self, kernel):
        self.kernel = kernel

    def features(self, image):
        return image

    def head(self, features):
        return read(self.kernel, features)

    def __call__(self, image):
        return self.head(self.features(image))


def test_any_model_becomes_an_argument(kernel, variables, pair):
    call, _ = counted()
    same = linen_model(variables)
    assert as_argument(same) is same
    for model in (Plain(kernel), partial(read, kernel), Layer(kernel, jnp.tanh)):
        argument = as_argument(model)
        expected = read(kernel, pair[0])
        np.testing.assert_allclose(call(argument, pair[0]), expected, atol=1e-6)
        assert hasattr(argument, "head") == isinstance(model, Plain)
