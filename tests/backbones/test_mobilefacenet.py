import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fxai_jax.array_types import FaceModel
from fxai_jax.backbones.layers import InputConvention, dropout
from fxai_jax.backbones.mobilefacenet import MobileFaceNet
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.numerics import cosine
from tests.faces import golden, relative


@pytest.fixture(scope="module")
def model():
    return load_backbone("mobilefacenet")


@pytest.fixture(scope="module")
def embeddings():
    return golden("embeddings")


def test_embeddings_equal_the_original_network(model, embeddings):
    images = embeddings["images"].astype(np.float32) / 255
    found = jax.jit(jax.vmap(lambda m, x: m(x), (None, 0)))(model, images)
    assert relative(found, embeddings["embeddings"]) < 1e-5
    for mine, reference in zip(found, embeddings["embeddings"], strict=True):
        assert cosine(mine, jnp.asarray(reference)) > 1 - 1e-6


def test_features_and_head_are_the_whole(model):
    face = sample_face("b_1")
    features = jax.jit(lambda m, x: m.features(x))(model, face)
    assert features.shape == (7, 7, 512)
    embedding = jax.jit(lambda m, x: m(x))(model, face)
    np.testing.assert_allclose(model.head(features), embedding, atol=1e-4)
    assert isinstance(model, FaceModel)


def test_features_equal_the_reference(model):
    reference = golden("amva")
    for name in ("a_1", "a_partial"):
        found = jax.jit(lambda m, x: m.features(x))(model, sample_face(name))
        assert relative(found, reference[f"{name}_features"]) < 1e-5


def test_dropout_needs_a_key_and_keeps_the_mean(model, key):
    features = jnp.asarray(golden("amva")["a_1_features"])
    with pytest.raises(ValueError, match="needs a key"):
        model.head(features, dropout_rate=0.5)
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        model.head(features, dropout_rate=1.0, key=key)
    keys = jax.random.split(key, 400)
    heads = jax.vmap(lambda k: model.head(features, dropout_rate=0.5, key=k))(keys)
    assert cosine(heads.mean(0), model.head(features)) > 0.98
    assert float(jnp.std(heads, axis=0).min()) > 0


def test_dropout_zeroes_the_share_it_is_told(key):
    x = dropout(jnp.ones(20_000), 0.3, key)
    values, counts = np.unique(np.asarray(x), return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.7], rtol=1e-6)
    assert abs(counts[0] / 20_000 - 0.3) < 0.02


def test_a_rate_of_dropout_may_be_traced_and_mapped(key):
    rates = jnp.array([0.0, 0.2, 0.7])
    found = jax.jit(jax.vmap(lambda rate: dropout(jnp.ones(999), rate, key)))(rates)
    for rate, row in zip(rates[1:], found[1:], strict=True):
        np.testing.assert_array_equal(row, dropout(jnp.ones(999), float(rate), key))
    np.testing.assert_array_equal(found[0], 1)


@pytest.mark.parametrize(
    ("rate", "key", "message"),
    [
        (0.5, 3, "expected a typed key, got int 3"),
        (0.5, np.zeros(2, np.uint32), "a legacy key; wrap it"),
        (0.5, None, "needs a key"),
        (1.0, 3, r"must be in \[0, 1\), got 1.0"),
        (np.array([0.1, 0.2]), 3, "must be in"),
    ],
)
def test_wrong_keys_and_rates_are_one_sentence(rate, key, message, unchecked):
    with pytest.raises(ValueError, match=message):
        dropout(jnp.ones(9), rate, key)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 1_200_512),
        ({"width": 2}, 2_059_520),
        ({"width": 4, "blocks": (2, 8, 12, 4)}, 6_314_880),
    ],
    ids=["TreB1eN, FaceX-Zoo, insightface v1", "insightface v2", "insightface large"],
)
def test_options_give_the_published_parameter_counts(options, parameters):
    abstract = nnx.eval_shape(lambda: MobileFaceNet(**options))
    leaves = jax.tree.leaves(nnx.state(abstract, nnx.Param))
    assert sum(leaf.size for leaf in leaves) == parameters


def test_insightface_v2_has_a_grouped_second_convolution():
    model = nnx.eval_shape(lambda: MobileFaceNet(width=2))
    assert model.conv2_dw.conv.kernel.shape == (3, 3, 2, 128)


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match=r"tensorflow.*got 'keras'"):
        MobileFaceNet(strided_padding="keras")
    with pytest.raises(ValueError, match="'rgb' or 'bgr', got 'gbr'"):
        MobileFaceNet(order="gbr")


def test_the_input_convention_maps_grey_levels(rng):
    image = jnp.asarray(rng.uniform(size=(2, 2, 3)), jnp.float32)
    convention = InputConvention(mean=127.5, scale=128.0, order="bgr")
    found = convention(image, jnp.float32)
    expected = (255 * np.asarray(image)[..., ::-1] - 127.5) / 128
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    half = convention(image.astype(jnp.float16), jnp.bfloat16)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), expected, atol=0.01)


def test_a_network_is_a_pytree_that_is_passed_not_closed_over(model):
    text = jax.jit(lambda m, x: m(x)).lower(model, sample_face("a_1")).as_text()
    assert len(text) < 500_000
