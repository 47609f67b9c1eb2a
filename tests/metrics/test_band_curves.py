from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.checkpoints import load_backbone
from fxai_jax.chunking import batched
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import frequency
from fxai_jax.metrics.band_curves import band_cosines, influence_order
from fxai_jax.metrics.faithfulness import area
from fxai_jax.numerics import cosine
from fxai_jax.runs.placing import data_mesh, shard_batch
from tests.faces import golden, smooth_embedder
from tests.reference import frequency_oracle

SIZE, D = 16, 9
MODES = ("deletion", "insertion")


@pytest.fixture
def embed(key):
    return smooth_embedder(key, SIZE, D)


@pytest.fixture
def pairs(rng):
    return rng.uniform(size=(2, 8, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture
def masks():
    return frequency.radial_bands((SIZE, SIZE), width=2).masks


@pytest.fixture
def order(rng, masks):
    return jnp.asarray(rng.permutation(len(masks)))


@pytest.mark.parametrize("corners", ["own", "drop"])
@pytest.mark.parametrize("perturb", ["probe", "both"])
@pytest.mark.parametrize("mode", MODES)
def test_equals_the_slow_oracle(rng, embed, pairs, mode, perturb, corners):
    bands = frequency.radial_bands((SIZE, SIZE), width=3, corners=corners).masks
    order = rng.permutation(len(bands))
    found = band_cosines(
        embed, *pairs[:, 0], bands, jnp.asarray(order), mode=mode, perturb=perturb
    )
    assert found.shape == (len(bands) + 1,)

    def embedded(image, removed):
        left = frequency_oracle.remove_band(image, removed)
        return np.asarray(embed(jnp.asarray(left, jnp.float32)), np.float64)

    for k in range(len(bands) + 1):
        gone = order[:k] if mode == "deletion" else order[k:]
        removed = np.zeros((SIZE, SIZE), bool)
        for band in gone:
            removed |= np.asarray(bands[band])
        nothing = np.zeros_like(removed)
        other = embedded(pairs[1, 0], removed if perturb == "both" else nothing)
        expected = frequency_oracle.cosine(embedded(pairs[0, 0], removed), other)
        np.testing.assert_allclose(found[k], expected, atol=1e-5)


def test_the_first_step_is_the_influence_of_one_band(embed, pairs, masks, order):
    found = band_cosines(embed, *pairs[:, 0], masks, order)
    single = frequency.explain(embed, *pairs[:, 0], masks)
    np.testing.assert_allclose(found[0], single.cosine, atol=1e-5)
    np.testing.assert_allclose(found[1], single.masked_cosine[order[0]], atol=1e-5)


def test_the_ends_are_the_image_and_its_mean(rng, embed, pairs, masks):
    probe, gallery = pairs[:, 0]
    flat = jnp.broadcast_to(probe.mean(axis=(0, 1)), probe.shape)
    ends = [float(cosine(embed(x), embed(gallery))) for x in (probe, flat)]
    for mode, expected in zip(MODES, (ends, ends[::-1]), strict=True):
        for _ in range(3):
            order = jnp.asarray(rng.permutation(len(masks)))
            found = band_cosines(embed, probe, gallery, masks, order, mode=mode)
            both_ends = found[jnp.array([0, -1])]
            np.testing.assert_allclose(both_ends, expected, atol=1e-5)
    assert abs(ends[0] - ends[1]) > 1e-4


def test_dropped_corners_are_always_kept(embed, pairs):
    bands = frequency.radial_bands((SIZE, SIZE), width=4, corners="drop").masks
    order = jnp.arange(len(bands))
    found = band_cosines(embed, *pairs[:, 0], bands, order, mode="insertion")
    removed = frequency.remove_band(pairs[0, 0], jnp.any(bands, axis=0))
    expected = cosine(embed(removed), embed(pairs[1, 0]))
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize("perturb", ["probe", "both"])
def test_inserting_is_deleting_backwards(embed, pairs, masks, order, perturb):
    call = partial(band_cosines, embed, *pairs[:, 0], masks, perturb=perturb)
    inserted = call(order, mode="insertion")
    np.testing.assert_allclose(inserted, call(order[::-1])[::-1], atol=1e-5)


def test_closed_form_of_an_embedder_that_reads_waves():
    x = 2 * jnp.pi * jnp.arange(16.0) / 16
    waves = [
        jnp.broadcast_to(jnp.cos(f * x)[None, :, None], (16, 16, 1)) for f in (1, 3, 6)
    ]

    def embed(image):
        mean = jnp.mean(image)
        return jnp.stack([mean, *(jnp.sum(image * wave) / 128 for wave in waves)])

    image = 1 + 2 * waves[0] + 4 * waves[1] + 10 * waves[2]
    masks = frequency.radial_bands((16, 16), width=2).masks
    # DC and the waves in the bands 0, 1 and 3: the norm of (1, 2, 4, 10) is 11.
    order = jnp.array([3, 1, 0, 2, 4])
    deleted = band_cosines(embed, image, image, masks, order)
    expected = np.sqrt([121, 21, 5, 1, 1, 1]) / 11
    np.testing.assert_allclose(deleted, expected, atol=1e-5)
    inserted = band_cosines(embed, image, image, masks, order, mode="insertion")
    expected = np.sqrt([1, 101, 117, 121, 121, 121]) / 11
    np.testing.assert_allclose(inserted, expected, atol=1e-5)


def test_orders_are_stable_and_descending(rng):
    influence = rng.integers(-3, 4, 40).astype(np.float32)
    influence[5] = -0.0
    expected = sorted(range(40), key=lambda band: (-influence[band], band))
    np.testing.assert_array_equal(influence_order(jnp.asarray(influence)), expected)


@pytest.mark.slow
def test_jit_chunks_batches_and_devices_change_nothing(rng, embed, pairs, masks):
    orders = np.stack([rng.permutation(len(masks)) for _ in range(8)]).astype(np.int32)

    def call(probe, gallery, order, chunk_size=None):
        return band_cosines(embed, probe, gallery, masks, order, chunk_size=chunk_size)

    compiled = jax.jit(call)
    expected = np.stack(
        [compiled(*pairs[:, i], jnp.asarray(orders[i])) for i in range(8)]
    )
    assert compiled._cache_size() == 1
    one = *pairs[:, 0], jnp.asarray(orders[0])
    np.testing.assert_allclose(call(*one), expected[0], atol=1e-5)
    for chunk_size in (1, 4, 20):
        found = jax.jit(partial(call, chunk_size=chunk_size))(*one)
        np.testing.assert_allclose(found, expected[0], atol=1e-5)
    found = jax.jit(batched(call, batch_size=3))(*pairs, jnp.asarray(orders))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    placed = jax.jit(jax.vmap(call))(*shard_batch([*pairs, orders], data_mesh()))
    assert placed.sharding.num_devices == 4
    np.testing.assert_allclose(placed, expected, atol=1e-5)


def test_flat_and_dead_images_are_finite(embed, pairs, masks, order):
    flat = jnp.full((SIZE, SIZE, 3), 0.4)
    found = band_cosines(embed, flat, pairs[0, 0], masks, order)
    np.testing.assert_allclose(found, found[0] + 0 * found, atol=1e-6)
    dead = band_cosines(lambda x: 0 * x[0, 0], flat, flat, masks, order)
    np.testing.assert_array_equal(dead, 0)


def test_on_faces_the_influence_removes_the_match_first():
    model = load_backbone("mobilefacenet")
    pair = sample_face("a_1"), sample_face("a_2")
    masks = frequency.radial_bands((112, 112)).masks
    # The golden cosines are those of `frequency.explain`.
    masked = golden("frequency")["a_1__a_2_masked_cosine"]
    order = influence_order(-jnp.asarray(masked, jnp.float32))
    curve = jax.jit(band_cosines)
    helpful, useless = (
        curve(model, *pair, masks, bands) for bands in (order, order[::-1])
    )
    np.testing.assert_allclose(helpful[0], useless[0], atol=1e-5)
    assert float(helpful[3]) < 0.4 < 0.7 < float(useless[3])
    assert float(area(useless) - area(helpful)) > 0.3


@pytest.mark.usefixtures("unchecked")
def test_impossible_requests_are_refused(embed, pairs, masks, order):
    call = partial(band_cosines, embed, *pairs[:, 0], masks, order)
    with pytest.raises(ValueError, match="'deletion' or 'insertion', got 'remove'"):
        call(mode="remove")
    with pytest.raises(ValueError, match="'probe' or 'both', got 'gallery'"):
        call(perturb="gallery")
