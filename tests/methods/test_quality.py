from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.backbones.layers import dropout
from fxai_jax.checkpoints import load_backbone
from fxai_jax.chunking import batched
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import quality
from fxai_jax.numerics import unit_vector
from fxai_jax.runs.placing import data_mesh, shard_batch
from tests.faces import WHOLE
from tests.reference import quality_oracle

SIZE, D = 8, 12


class SmoothModel:
    """A face model without kinks, with dropout before its last map."""

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.inner = jax.random.normal(first, (SIZE * SIZE * 3, 32)) / SIZE
        self.outer = jax.random.normal(second, (32, D))

    def features(self, image):
        return jnp.tanh(image.reshape(-1) @ self.inner).reshape(4, 4, 2)

    def head(self, features, *, dropout_rate=0.0, key=None):
        return dropout(features.reshape(-1), dropout_rate, key) @ self.outer

    def __call__(self, image):
        return self.head(self.features(image))


@pytest.fixture
def smooth(key):
    return SmoothModel(key)


@pytest.fixture
def images(rng):
    return jnp.asarray(rng.uniform(size=(8, SIZE, SIZE, 3)), jnp.float32)


@pytest.fixture(scope="module")
def many():
    """The shipped network's qualities of one image under many keys."""
    model = load_backbone("mobilefacenet")
    over_keys = jax.jit(jax.vmap(quality.ser_fiq, (None, 0, None)))
    return partial(over_keys, model)


def with_square(image):
    image = image.copy()
    image[36:76, 36:76] = 0
    return image


def assert_close(found, expected, tolerance=2e-6):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_equals_the_slow_oracle(rng):
    rows = rng.normal(size=(17, 9)) + 2
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    found = quality.embedding_robustness(jnp.asarray(rows))
    np.testing.assert_allclose(found.quality, quality_oracle.quality(rows), atol=1e-6)
    error = quality_oracle.standard_error(rows)
    np.testing.assert_allclose(found.standard_error, error, rtol=1e-4)


def test_closed_forms():
    orthogonal = quality.embedding_robustness(jnp.eye(5))
    assert_close(orthogonal, (2 / (1 + np.exp(np.sqrt(2))), 0))
    poles = jnp.array([[1.0], [-1.0], [1.0], [-1.0]])
    assert_close(quality.embedding_robustness(poles)[:1], (2 / (1 + np.exp(4 / 3)),))


def test_the_passes_are_the_heads_with_dropout(smooth, images, key):
    found = quality.ser_fiq(smooth, key, images[0], passes=12, dropout_rate=0.3)
    features = smooth.features(images[0])
    rows = [
        unit_vector(smooth.head(features, dropout_rate=0.3, key=k))
        for k in jax.random.split(key, 12)
    ]
    expected = quality_oracle.quality(np.stack(rows))
    np.testing.assert_allclose(found.quality, expected, atol=1e-6)


def test_the_trunk_runs_once(smooth, images, key):
    class Counting(SmoothModel):
        calls = 0

        def features(self, image):
            Counting.calls += 1
            return super().features(image)

    quality.ser_fiq(Counting(key), key, images[0], passes=10, chunk_size=2)
    assert Counting.calls == 1


def test_jit_and_chunks_change_nothing(smooth, images, key):
    call = partial(quality.ser_fiq, smooth, passes=12)
    eager = call(key, images[0])
    for chunk_size in (None, 5):
        compiled = jax.jit(partial(call, chunk_size=chunk_size))
        assert_close(compiled(key, images[0]), eager)


@pytest.mark.slow
def test_same_key_same_result_whatever_the_batch(smooth, images, key):
    def call(index, image):
        folded = jax.random.fold_in(key, index)
        return quality.ser_fiq(smooth, folded, image, passes=12)

    indices = np.arange(8)
    alone = [jax.jit(call)(i, x) for i, x in zip(indices, images, strict=True)]
    expected = jax.tree.map(lambda *x: jnp.stack(x), *alone)
    for batch_size in (1, 3):
        found = jax.jit(batched(call, batch_size=batch_size))(indices, images)
        assert_close(found, expected)
    shards = shard_batch((indices, np.asarray(images)), data_mesh())
    placed = jax.jit(jax.vmap(call))(*shards)
    assert placed.quality.sharding.num_devices == 4
    assert_close(placed, expected)
    assert call(99, images[0]).quality != expected.quality[0]


class WithoutDropout(SmoothModel):
    """Its head takes the options of dropout and does nothing with them."""

    def head(self, features, *, dropout_rate=0.0, key=None):
        return features.reshape(-1) @ self.outer


class WithoutOptions(SmoothModel):
    def head(self, features):
        return features.reshape(-1) @ self.outer


def test_a_head_without_dropout_is_refused(images, key):
    call = partial(quality.ser_fiq, WithoutDropout(key), passes=5)
    keys = jax.random.split(key, len(images))
    for run in (call, jax.jit(call)):
        with pytest.raises(ValueError, match="it has no dropout"):
            run(key, images[0])
    with pytest.raises(ValueError, match="it has no dropout"):
        jax.jit(jax.vmap(call))(keys, images)
    with pytest.raises(ValueError, match="the head fails with dropout"):
        quality.ser_fiq(WithoutOptions(key), key, images[0])


def test_rates_that_drop_nothing_or_all_are_refused(smooth, images, key):
    for rate in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"must be in \(0, 1\), got"):
            quality.ser_fiq(smooth, key, images[0], passes=5, dropout_rate=rate)


def test_passes_that_are_all_alike_measure_nothing(smooth, images, key):
    """Nothing is left to drop: the features of a black image are 0."""
    for call in (quality.ser_fiq, jax.jit(partial(quality.ser_fiq, smooth))):
        model = (smooth,) if call is quality.ser_fiq else ()
        assert np.isnan(call(*model, key, 0 * images[0])).all()
        assert np.isfinite(call(*model, key, images[0])).all()


def test_degenerate_embeddings_have_finite_values_and_gradients(rng):
    row = unit_vector(jnp.asarray(rng.normal(size=6), jnp.float32))
    for rows in (jnp.zeros((4, 6)), jnp.stack([row] * 4), jnp.eye(6)[:3]):
        assert np.isfinite(quality.embedding_robustness(rows)).all()
        slope = jax.jit(jax.grad(lambda x: quality.embedding_robustness(x).quality))
        assert np.isfinite(slope(rows)).all()


def test_scaled_quality():
    assert quality.scale_quality(jnp.array(0.88)) == 0.5
    upper = quality.scale_quality(jnp.array(0.7), alpha=20.0, center=0.6)
    np.testing.assert_allclose(upper, 1 / (1 + np.exp(-2)), rtol=1e-5)
    ends = [float(quality.scale_quality(jnp.array(q), alpha=1e6)) for q in (0.1, 1.0)]
    assert ends == [0, 1]


def test_the_standard_error_is_the_spread_over_keys(many, key):
    for name in (*WHOLE, "a_partial"):
        found = many(jax.random.split(key, 100), sample_face(name))
        spread = found.quality.std(ddof=1)
        assert 1 / 1.5 < found.standard_error.mean() / spread < 1.5, name


@pytest.mark.slow
def test_half_a_face_is_worse_than_every_whole_one(many, key):
    keys = jax.random.split(key, 20)
    half = many(keys, sample_face("a_partial")).quality
    for name in WHOLE:
        assert half.max() < many(keys, sample_face(name)).quality.min(), name


def test_a_black_square_lowers_the_quality_of_every_face(many, key):
    keys = jax.random.split(key, 20)
    for name in WHOLE:
        face = sample_face(name)
        hidden = many(keys, with_square(face)).quality
        assert hidden.max() < many(keys, face).quality.min(), name


def test_too_few_passes_are_refused():
    with pytest.raises(ValueError, match="at least 3 passes, got 2"):
        quality.embedding_robustness(jnp.eye(2))
