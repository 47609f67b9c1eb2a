from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.chunking import batched
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import amva
from fxai_jax.metrics import attention
from fxai_jax.runs.placing import data_mesh, shard_batch
from tests.faces import WHOLE, golden, relative
from tests.reference import amva_oracle

SIZE, GRID, K, D = 12, 3, 6, 9
SPREADS = ("release", "mad")


class SmoothModel:
    """A face model without kinks, with a 3x3 grid of features."""

    def __init__(self, key):
        first, second, third = jax.random.split(key, 3)
        self.colours = jax.random.normal(first, (3, K))
        self.inner = jax.random.normal(second, (GRID * GRID * K, 16)) / 4
        self.outer = jax.random.normal(third, (16, D))

    def features(self, image):
        side = SIZE // GRID
        cells = image.reshape(GRID, side, GRID, side, 3).mean(axis=(1, 3))
        return jnp.tanh(cells @ self.colours)

    def head(self, features, *, dropout_rate=0.0, key=None):
        return jnp.tanh(features.reshape(-1) @ self.inner) @ self.outer

    def __call__(self, image):
        return self.head(self.features(image))


@pytest.fixture
def smooth(key):
    return SmoothModel(key)


@pytest.fixture
def images(rng):
    return jnp.asarray(rng.uniform(size=(8, SIZE, SIZE, 3)), jnp.float32)


@pytest.fixture
def maps(rng):
    return rng.uniform(size=(7, 5, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return load_backbone("mobilefacenet")


@pytest.fixture(scope="module")
def shipped_scores():
    return jax.jit(partial(amva.channel_scores, chunk_size=32))


def numpy_embed(smooth):
    def embed(image):
        side = SIZE // GRID
        cells = image.reshape(GRID, side, GRID, side, 3).mean(axis=(1, 3))
        features = np.tanh(cells @ np.asarray(smooth.colours, np.float64))
        inner = features.reshape(-1) @ np.asarray(smooth.inner, np.float64)
        return np.tanh(inner) @ np.asarray(smooth.outer, np.float64)

    return embed


def assert_close(found, expected, tolerance=2e-6):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("score", ["cosine", "norm"])
@pytest.mark.parametrize("baseline", [0.5, 0.0, (0.4, 0.5, 0.6)])
def test_scores_equal_the_slow_oracle(smooth, images, score, baseline):
    features = smooth.features(images[0]).at[:, :, 2].set(0.1)
    given = baseline if isinstance(baseline, float) else jnp.array(baseline)
    found = amva.channel_scores(
        smooth, images[0], features, score=score, baseline=given
    )
    expected = amva_oracle.channel_scores(
        numpy_embed(smooth), images[0], np.asarray(features), score, baseline
    )
    assert found[2] == 0
    assert relative(found, expected) < 1e-5


def test_activation_is_the_weighted_sum_of_the_features(smooth, images):
    features = smooth.features(images[0])
    scores = amva.channel_scores(smooth, images[0], features)
    expected = np.einsum("ijk,k->ij", features, scores)
    assert relative(amva.activation(smooth, images[0]), expected) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a_1", "a_partial"])
def test_golden_maps_of_the_shipped_network(model, shipped_scores, name):
    reference = golden("amva")
    face = sample_face(name)
    features = model.features(face)
    assert relative(features, reference[f"{name}_features"]) < 1e-4
    baseline = load_card("mobilefacenet").options["mean"] / 255
    scores = shipped_scores(model, face, features, baseline=baseline)
    assert relative(scores, reference[f"{name}_weights"]) < 1e-4
    found = amva.activation_map(jnp.einsum("ijk,k->ij", features, scores), (112, 112))
    assert relative(found, reference[f"{name}_map"]) < 1e-4


@pytest.mark.parametrize("size", [(12, 12), (16, 9), (112, 112)])
def test_map_equals_the_slow_oracle(rng, size):
    grid = rng.normal(size=(4, 5)).astype(np.float32)
    found = amva.activation_map(jnp.asarray(grid), size)
    np.testing.assert_allclose(found, amva_oracle.activation_map(grid, size), atol=1e-6)


def test_degenerate_activations_give_an_empty_map(rng):
    value = rng.uniform(0.1, 10)
    for grid in (
        jnp.zeros((7, 7)),
        jnp.full((7, 7), value),
        jnp.full((7, 7), -value),
        -jnp.eye(7) - 1,
    ):
        for size in ((112, 112), (100, 90)):
            np.testing.assert_array_equal(amva.activation_map(grid, size), 0)


def test_degenerate_images_and_embeddings_give_finite_activations(smooth, images):
    for image in (jnp.zeros_like(images[0]), jnp.full_like(images[0], 0.3)):
        for score in ("cosine", "norm"):
            found = amva.activation(smooth, image, score=score)
            assert np.isfinite(found).all()
            assert np.isfinite(amva.activation_map(found, (12, 12))).all()
    zero = amva.channel_scores(
        lambda x: 0 * x[0, 0], images[0], smooth.features(images[0])
    )
    np.testing.assert_array_equal(zero, 0)


@pytest.mark.slow
def test_jit_chunks_batches_and_devices_change_nothing(smooth, images):
    call = partial(amva.activation, smooth)
    compiled = jax.jit(call)
    expected = jnp.stack([compiled(x) for x in images])
    np.testing.assert_allclose(call(images[0]), expected[0], atol=2e-6)
    for chunk_size in (1, 4, 20):
        chunked = jax.jit(partial(call, chunk_size=chunk_size))(images[0])
        np.testing.assert_allclose(chunked, expected[0], atol=2e-6)
    found = jax.jit(batched(call, batch_size=3))(images)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    placed = jax.jit(jax.vmap(call))(shard_batch(np.asarray(images), data_mesh()))
    assert placed.sharding.num_devices == 4
    np.testing.assert_allclose(placed, expected, atol=2e-6)


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("count", [2, 6, 7])
def test_variation_equals_the_slow_oracle(maps, count, spread):
    found = amva.variation(jnp.asarray(maps[:count]), spread=spread)
    assert_close(found, amva_oracle.variation(maps[:count], spread))


def test_equal_maps_do_not_vary(maps):
    found = amva.variation(jnp.asarray(np.repeat(maps[:1], 5, axis=0)))
    assert_close(found, (maps[0], 0 * maps[0], maps[0], 0 * maps[0]), 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("spread", SPREADS)
def test_strips_equal_whole_maps(rng, spread):
    activations = jnp.asarray(rng.normal(size=(9, 7, 7)), jnp.float32)
    activations = activations.at[1].set(0.3).at[2].add(-9).at[3].add(9)
    size = (25, 30)  # where upsampling a constant leaves rounding noise
    maps = jax.vmap(partial(amva.activation_map, size=size))(activations)
    expected = amva.variation(maps, spread=spread)
    assert_close(
        expected, amva_oracle.variation(np.asarray(maps), spread), tolerance=2e-6
    )
    for rows in (None, 1, 5):
        strips = partial(
            amva.variation_from_activations, size=size, spread=spread, rows=rows
        )
        assert_close(jax.jit(strips)(activations), expected)


def test_strips_of_sharded_activations_equal_single(rng):
    activations = rng.normal(size=(12, 7, 7)).astype(np.float32)
    call = jax.jit(partial(amva.variation_from_activations, size=(14, 14), rows=2))
    placed = call(shard_batch(activations, data_mesh()))
    assert_close(placed, call(activations))


def test_strips_never_hold_all_maps():
    call = jax.jit(partial(amva.variation_from_activations, size=(112, 112), rows=1))
    shape = jax.ShapeDtypeStruct((1000, 7, 7), jnp.float32)
    used = call.lower(shape).compile().memory_analysis().temp_size_in_bytes
    one_row = 1000 * 112 * 4
    assert used < 10 * one_row


def test_long_sets_keep_their_precision(rng):
    values = rng.uniform(size=(50_000, 1, 2)).astype(np.float32)
    found = amva.variation(jnp.asarray(values))
    exact = values.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), atol=2e-7)
    np.testing.assert_allclose(found.std, exact.std(axis=0, ddof=1), atol=2e-6)
    np.testing.assert_array_equal(found.median, np.sort(values, axis=0)[24_999])


def test_difference_and_deviation(maps):
    high, low = (amva.variation(jnp.asarray(x)) for x in (maps[:4], maps[3:]))
    found = amva.difference(high, low)
    for field in ("std", "spread"):
        gap = np.abs(np.asarray(getattr(high, field)) - np.asarray(getattr(low, field)))
        np.testing.assert_allclose(getattr(found, field), gap / gap.max(), rtol=1e-6)
    one, reference = (jnp.asarray(x) for x in maps[:2])
    gap = np.abs(maps[0] - maps[1])
    np.testing.assert_allclose(
        amva.deviation(one, reference), gap / gap.max(), rtol=1e-6
    )
    np.testing.assert_allclose(
        amva.mean_deviation(one, reference), gap.mean(), rtol=1e-6
    )
    np.testing.assert_array_equal(amva.deviation(one, one), 0)
    np.testing.assert_array_equal(amva.difference(high, high).spread, 0)


@pytest.mark.slow
def test_half_a_face_deviates_most_from_the_whole_ones(model):
    activation = jax.jit(partial(amva.activation, chunk_size=32))
    maps = {
        name: amva.activation_map(activation(model, sample_face(name)), (112, 112))
        for name in (*WHOLE, "a_partial")
    }

    def deviation(name):
        others = jnp.stack([maps[n] for n in WHOLE if n != name])
        return amva.mean_deviation(maps[name], amva.variation(others).mean)

    half = deviation("a_partial")
    for name in WHOLE:
        assert deviation(name) < half, name


@pytest.mark.usefixtures("unchecked")
def test_impossible_requests_are_refused(smooth, images, maps):
    with pytest.raises(ValueError, match="'cosine' or 'norm', got 'dot'"):
        amva.activation(smooth, images[0], score="dot")
    with pytest.raises(ValueError, match=r"one of .*release.* got 'std'"):
        amva.variation(jnp.asarray(maps), spread="std")
    with pytest.raises(ValueError, match=r"at least 2 of them, .*shape \(1, 5, 6\)"):
        amva.variation(jnp.asarray(maps[:1]))
    with pytest.raises(ValueError, match=r"at least 2 of them, .*shape \(1, 7, 7\)"):
        amva.variation_from_activations(jnp.ones((1, 7, 7)), (14, 14))
    with pytest.raises(ValueError, match=r"in \(0, 0.5\], got 0.6"):
        attention.quality_groups(jnp.arange(3.0), higher_is_better=True, fraction=0.6)
