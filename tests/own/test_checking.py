import dataclasses
import re

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import fxai_jax as fx
from fxai_jax.backbones.layers import dropout
from tests.reference.backbone_cases import TINY

SIZE, D = 32, 5
SHAPE = jax.ShapeDtypeStruct((SIZE, SIZE, 3), jnp.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Model:
    """A face model whose parts tests replace."""

    kernel: jax.Array

    def __call__(self, image):
        return self.head(self.features(image))

    def features(self, image):
        return jnp.tanh(image[::4, ::4] - 0.4)

    def head(self, features, *, dropout_rate=0.0, key=None):
        return dropout(features.reshape(-1), dropout_rate, key) @ self.kernel


@pytest.fixture
def model(rng):
    return Model(jnp.asarray(rng.normal(size=(192, D)), jnp.float32))


@pytest.fixture
def image(rng):
    return jnp.asarray(rng.uniform(size=(SIZE, SIZE, 3)), jnp.float32)


def test_a_sound_model_has_no_problem(model, image):
    report = fx.check_model(model, image)
    assert report.problems == ()
    assert report.methods == ("FGGB", "frequency", "AMVA", "PLQ", "SER-FIQ")
    assert report.features == jax.ShapeDtypeStruct((8, 8, 3), jnp.float32)
    assert report.embedding == jax.ShapeDtypeStruct((D,), jnp.float32)
    assert report.seam <= 1e-6
    assert str(report).splitlines() == [
        "Model",
        "  image                float32 (32, 32, 3)",
        "  parameters           960 numbers, float32",
        "  features             float32 (8, 8, 3)",
        "  embedding            float32 (5,)",
        f"  seam                 {report.seam:.0e} apart",
        "  dropout              yes",
        "  argument of jax.jit  yes",
        "  explained by         FGGB, frequency, AMVA, PLQ, SER-FIQ",
    ]


def test_of_a_shape_nothing_is_computed(model):
    report = fx.check_model(model, SHAPE)
    assert report.seam is None
    assert "seam                 not compared" in str(report)
    whole = fx.check_model(jax.eval_shape(lambda: model), SHAPE)
    assert whole == report
    assert report.methods[-1] == "SER-FIQ"


@pytest.mark.parametrize("name", TINY)
def test_every_family_is_sound(name, rng):
    case = TINY[name]
    model = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) ** 2, leaf.dtype),
        jax.eval_shape(case.make),
    )
    shape = jax.ShapeDtypeStruct((case.size, case.size, 3), jnp.float32)
    report = fx.check_model(model, shape)
    assert report.problems == ()
    assert report.methods == ("FGGB", "frequency", "AMVA", "PLQ", "SER-FIQ")


@pytest.mark.slow
def test_the_network_that_ships_is_sound():
    report = fx.check_model(fx.load_backbone("mobilefacenet"), fx.sample_face("a_1"))
    assert report.problems == ()
    assert report.seam <= 1e-5
    assert report.methods[-1] == "SER-FIQ"


def test_a_plain_function_serves_two_methods(image):
    report = fx.check_model(lambda x: x.mean((0, 1)), image)
    assert report.problems == ()
    assert report.methods == ("FGGB", "frequency")
    assert not report.argument
    assert "no: wrap it with fxai_jax.embedder" in str(report)


def test_types_of_parameters_are_told(model):
    model.kernel = model.kernel.astype(jnp.bfloat16)
    half = jax.ShapeDtypeStruct(SHAPE.shape, jnp.bfloat16)
    report = fx.check_model(model, half)
    assert report.parameters == "960 numbers, bfloat16"
    assert report.embedding.dtype == jnp.bfloat16


PARTS = {
    "batch axis": (
        {"__call__": lambda self, x: x.mean((0, 1))[None]},
        r"model\(image\) is float32 \(1, 3\), expected \(d,\) in floating point; take",
    ),
    "whole numbers": (
        {"__call__": lambda self, x: jnp.arange(3)},
        r"model\(image\) is int32 \(3,\), expected \(d,\)",
    ),
    "two results": (
        {"__call__": lambda self, x: (x.mean((0, 1)), x)},
        r"model\(image\) gives a tuple, expected \(d,\)",
    ),
    "another image": (
        {"__call__": lambda self, x: x.reshape(7, 7)[0]},
        r"model\(image\) fails \(TypeError: ",
    ),
    "flat features": (
        {"features": lambda self, x: x.reshape(-1)[:192]},
        r"features\(image\) is float32 \(192,\), expected \(i, j, k\)",
    ),
    "silent": (
        {"__call__": lambda self, x: 1 / 0 if x.shape else x},
        r"model\(image\) fails \(ZeroDivisionError: division by zero\), expected",
    ),
    "other sizes": (
        {"__call__": lambda self, x: x.mean((0, 1))},
        r"head\(features\(image\)\) is float32 \(5,\) and model\(image\) float32 ",
    ),
    "NaN": (
        {"head": lambda self, x: jnp.log(-jnp.ones(D)) + 0 * x[0, 0, 0]},
        "embeddings have NaN or infinite entries",
    ),
    "constant": (
        {"head": lambda self, x: jnp.ones(D) + 0 * x[0, 0, 0]},
        "two images have one embedding",
    ),
    "zero": ({"head": lambda self, x: 0 * x[0, 0]}, "two images have one embedding"),
    "seam": (
        {"__call__": lambda self, x: 1.01 * self.head(self.features(x))},
        r"model\(image\) and head\(features\(image\)\) are .*e-03 of the norm",
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_what_is_wrong_is_said_in_a_sentence(model, image, name):
    parts, words = PARTS[name]
    changed = type("Changed", (Model,), parts)
    jax.tree_util.register_dataclass(changed, ["kernel"], [])
    report = fx.check_model(changed(model.kernel), image)
    [problem] = report.problems
    assert re.match(words, problem), problem
    assert str(report).endswith(f"problem: {problem}")
    assert report.methods == ()


def test_rounding_of_the_type_is_no_problem(model, image):
    def bent(self, x):
        return (1 + 1e-4) * self.head(self.features(x))

    changed = type("Changed", (Model,), {"__call__": bent})
    jax.tree_util.register_dataclass(changed, ["kernel"], [])
    report = fx.check_model(changed(model.kernel), image)
    assert report.problems == ()
    assert 1e-5 < report.seam < 2e-4


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (lambda self, x: x[0, 0], "it fails with dropout_rate and key (TypeError: "),
        (lambda self, x, *, dropout_rate=0.0, key=None: x[0, 0], "it does not use its"),
    ],
)
def test_a_head_without_dropout_is_no_problem_but_for_quality(model, image, head, why):
    changed = type("Changed", (Model,), {"head": head})
    jax.tree_util.register_dataclass(changed, ["kernel"], [])
    report = fx.check_model(changed(model.kernel), image)
    assert report.problems == ()
    assert report.methods == ("FGGB", "frequency", "AMVA")
    assert report.dropout.startswith(why)
    assert f"dropout              no: {why}" in str(report)


def test_half_a_seam_is_none(model, image):
    parts = {"features": 3, "__call__": lambda self, x: x.mean((0, 1))}
    changed = type("Changed", (Model,), parts)
    jax.tree_util.register_dataclass(changed, ["kernel"], [])
    report = fx.check_model(changed(model.kernel), image)
    assert (report.problems, report.features) == ((), None)
    assert report.methods == ("FGGB", "frequency")


def test_an_error_without_words_is_named(image):
    def network(image):
        raise NotImplementedError

    [problem] = fx.check_model(network, image).problems
    assert "model(image) fails (NotImplementedError: )" in problem


def test_training_mode_is_a_problem(image):
    norm = nnx.BatchNorm(3, rngs=nnx.Rngs(0))
    [problem] = fx.check_model(norm, image).problems
    assert "training mode (use_running_average=False in BatchNorm); call" in problem


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_function_is_a_problem(image):
    assert "a int is no function of an image" in fx.check_model(3, image).problems[0]
    with pytest.raises(ValueError, match="channels come last"):
        fx.check_model(lambda x: x, image.transpose(2, 0, 1))
