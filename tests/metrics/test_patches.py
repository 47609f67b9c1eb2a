from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.chunking import batched
from fxai_jax.metrics.patches import localisation, paste, patch_mask, restoration_curve
from fxai_jax.numerics import cosine
from fxai_jax.runs.placing import data_mesh, shard_batch
from tests.faces import smooth_embedder

SIZE, D = 20, 6


@pytest.fixture
def embed(key):
    return smooth_embedder(key, SIZE, D)


@pytest.fixture
def faces(rng):
    """Original, patched and gallery images of eight pairs."""
    return rng.uniform(size=(3, 8, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture
def maps(rng):
    """Signed maps with many ties."""
    return jnp.asarray(rng.integers(-3, 4, (8, SIZE, SIZE)), jnp.float32)


@pytest.mark.parametrize(
    ("size", "count", "side"), [((112, 112), 27, 16), ((37, 50), 11, 8), ((5, 9), 1, 5)]
)
def test_patches_are_whole_cells_of_the_grid(key, size, count, side):
    mask = np.asarray(patch_mask(key, size, count=count, side=side))
    assert mask.shape == size
    filled = 0
    for row, column in np.ndindex(size[0] // side, size[1] // side):
        cell = mask[row * side :, column * side :][:side, :side]
        assert cell.all() or not cell.any()
        filled += cell.all()
    assert filled == count
    assert mask.sum() == count * side * side


def test_every_cell_is_as_likely(key):
    keys = jax.random.split(key, 2000)
    masks = jax.vmap(lambda k: patch_mask(k, (6, 9), count=2, side=3))(keys)
    cells = np.asarray(masks)[:, ::3, ::3].mean(axis=0)
    error = np.abs(cells - 1 / 3) / np.sqrt(2 / 9 / 2000)
    assert error.max() < 6
    np.testing.assert_array_equal(
        patch_mask(keys[5], (6, 9), count=2, side=3), masks[5]
    )


def test_the_default_covers_more_than_half_of_a_face(key):
    assert int(patch_mask(key, (112, 112)).sum()) == 27 * 256
    everything = patch_mask(key, (112, 112), count=49)
    assert bool(everything.all())


def test_paste_takes_the_region_from_the_other_image(rng, faces):
    mask = rng.random((SIZE, SIZE)) < 0.3
    found = np.asarray(paste(faces[0, 0], faces[1, 0], jnp.asarray(mask)))
    np.testing.assert_array_equal(found[mask], faces[1, 0][mask])
    np.testing.assert_array_equal(found[~mask], faces[0, 0][~mask])


@pytest.mark.parametrize("values", [2, 7, 10_000])
def test_localisation_is_the_one_of_scikit_learn(rng, values):
    metrics = pytest.importorskip("sklearn.metrics")
    compiled = jax.jit(localisation)
    for share in (0.02, 0.5, 0.9):
        saliency = rng.integers(-values, values, (21, 30)).astype(np.float32)
        mask = rng.random((21, 30)) < share
        mask[0, :2] = [True, False]
        found = compiled(jnp.asarray(saliency), jnp.asarray(mask))
        labels, scores = mask.ravel(), saliency.ravel()
        expected = metrics.roc_auc_score(labels, scores)
        np.testing.assert_allclose(found.roc_area, expected, atol=1e-6)
        expected = metrics.average_precision_score(labels, scores)
        np.testing.assert_allclose(found.precision_recall_area, expected, atol=1e-6)
        np.testing.assert_allclose(found.share, mask.mean(), atol=1e-7)


def test_localisation_counts_every_pair_of_pixels(rng):
    saliency = rng.integers(0, 4, (5, 6)).astype(np.float32)
    mask = rng.permutation(30).reshape(5, 6) < 11
    wins = [
        (high > low) + (high == low) / 2
        for high in saliency[mask]
        for low in saliency[~mask]
    ]
    precisions = [mask[saliency >= value].mean() for value in saliency[mask]]
    found = localisation(jnp.asarray(saliency), jnp.asarray(mask))
    np.testing.assert_allclose(found.roc_area, np.mean(wins), atol=1e-6)
    np.testing.assert_allclose(
        found.precision_recall_area, np.mean(precisions), atol=1e-6
    )


def test_localisation_of_perfect_reversed_and_constant_maps(key):
    mask = patch_mask(key, (112, 112))
    truth = mask.astype(jnp.float32)
    perfect = localisation(truth, mask)
    np.testing.assert_allclose(perfect[:2], 1, atol=1e-6)
    assert float(localisation(-truth, mask).roc_area) == 0
    for flat in (0 * truth, -0.0 * truth, jnp.where(mask, -0.0, 0.0)):
        found = localisation(flat, mask)
        assert float(found.roc_area) == 0.5
        np.testing.assert_allclose(found.precision_recall_area, 27 / 49, atol=1e-6)
        np.testing.assert_allclose(found.share, 27 / 49, atol=1e-6)


def test_chance_is_known_for_noise(key):
    first, second = jax.random.split(key)
    mask = patch_mask(first, (112, 112))
    found = localisation(jax.random.normal(second, (112, 112)), mask)
    # Deviation of the area for unrelated values: sqrt((n + 1) / (12 p q n²)).
    assert abs(float(found.roc_area) - 0.5) < 6 * np.sqrt(1 / (12 * 0.2474 * 12544))
    np.testing.assert_allclose(found.precision_recall_area, found.share, atol=0.04)


@pytest.mark.parametrize("inside", [True, False])
def test_regions_without_a_border_give_chance(rng, inside):
    saliency = jnp.asarray(rng.normal(size=(4, 5)), jnp.float32)
    found = localisation(saliency, jnp.full((4, 5), inside))
    assert [float(x) for x in found] == [0.5, float(inside), float(inside)]


def test_localisation_depends_on_the_order_alone_and_maps_over_batches(rng, maps):
    masks = jnp.asarray(rng.random(maps.shape) < 0.4)
    found = jax.vmap(localisation)(maps, masks)
    monotone = jax.vmap(localisation)(jnp.exp(maps) - 5, masks)
    compiled = jax.jit(localisation)
    looped = [compiled(a, b) for a, b in zip(maps, masks, strict=True)]
    for a, b, c in zip(found, monotone, zip(*looped, strict=True), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
        np.testing.assert_allclose(a, c, atol=1e-6)


@pytest.mark.parametrize("accepted", [True, False])
def test_restoration_equals_the_slow_oracle(rng, key, embed, faces, accepted):
    original, patched, gallery = faces[:, 0]
    saliency = rng.permutation(SIZE * SIZE).reshape(SIZE, SIZE).astype(np.float32)
    found = restoration_curve(
        embed,
        key,
        *faces[:, 0],
        jnp.asarray(saliency) - 150,
        jnp.array(accepted),
        steps=6,
    )
    sign = -1 if accepted else 1
    pixels = sorted(np.ndindex(SIZE, SIZE), key=lambda at: sign * saliency[at])
    reference = np.asarray(embed(gallery), np.float64)
    assert found.shape == (6,)
    for k in range(1, 7):
        shown = patched.copy()
        for at in pixels[: k * 400 // 7]:
            shown[at] = original[at]
        e = np.asarray(embed(shown), np.float64)
        expected = e @ reference / np.linalg.norm(e) / np.linalg.norm(reference)
        np.testing.assert_allclose(found[k - 1], expected, atol=1e-5)


def test_the_steps_are_five_to_ninety_five_per_cent(key, maps):
    # The embedding is the share of restored pixels, at a right angle to its rest.
    def embed(image):
        share = jnp.mean(image)
        return jnp.stack([share, jnp.sqrt(1 - jnp.square(share))])

    white, black = jnp.ones((SIZE, SIZE, 1)), jnp.zeros((SIZE, SIZE, 1))
    for accepted in (True, False):
        curve = restoration_curve(
            embed, key, white, black, white, maps[0], jnp.array(accepted)
        )
        np.testing.assert_allclose(curve, np.arange(5, 100, 5) / 100, atol=1e-6)


def test_a_perfect_map_restores_the_pair_first(key, embed, faces):
    original, other, gallery = faces[:, 0]
    mask = patch_mask(key, (SIZE, SIZE), count=6, side=5)
    patched = paste(original, other, mask)
    call = partial(restoration_curve, embed, key, original, patched, gallery)
    signed = jnp.where(mask, -1.0, 0.0)
    # 150 of 400 pixels are foreign, 20 are restored at a step: the eighth finishes.
    whole = call(signed, jnp.array(False))[7:]
    np.testing.assert_allclose(whole, whole[-1] + 0 * whole, atol=1e-5)
    late = call(signed, jnp.array(True))[:12]
    foreign = cosine(embed(patched), embed(gallery))
    np.testing.assert_allclose(late, foreign + 0 * late, atol=1e-5)
    assert abs(float(foreign - whole[-1])) > 1e-4


def test_ties_depend_on_the_key_alone(key, embed, faces):
    flat = jnp.zeros((SIZE, SIZE))

    def call(key, accepted):
        return restoration_curve(embed, key, *faces[:, 0], flat, jnp.array(accepted))

    found = call(key, True)
    np.testing.assert_array_equal(call(key, False), found)
    other = call(jax.random.fold_in(key, 1), True)
    assert not np.allclose(other, found, atol=1e-6)


@pytest.mark.slow
def test_jit_chunks_batches_and_devices_change_nothing(rng, key, embed, faces, maps):
    keys = jax.random.split(key, 8)
    accepted = jnp.asarray(rng.permutation(8) < 4)
    rest = (*faces, maps, accepted)

    def call(key, *rest, chunk_size=None):
        return restoration_curve(embed, key, *rest, steps=7, chunk_size=chunk_size)

    compiled = jax.jit(call)
    alone = [compiled(keys[i], *(x[i] for x in rest)) for i in range(8)]
    assert compiled._cache_size() == 1
    expected = np.stack(alone)
    one = keys[0], *(x[0] for x in rest)
    np.testing.assert_allclose(call(*one), alone[0], atol=1e-5)
    for chunk_size in (1, 3):
        found = jax.jit(partial(call, chunk_size=chunk_size))(*one)
        np.testing.assert_allclose(found, alone[0], atol=1e-5)
    found = jax.jit(batched(call, batch_size=3))(keys, *rest)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    shards = shard_batch([np.asarray(x) for x in rest], data_mesh())
    placed = jax.jit(jax.vmap(call))(keys, *shards)
    assert placed.sharding.num_devices == 4
    np.testing.assert_allclose(placed, expected, atol=1e-5)


def test_impossible_requests_are_refused(key, embed, faces, maps):
    with pytest.raises(ValueError, match=r"40x30 pixels has 6 .* few for 7 patches"):
        patch_mask(key, (40, 30), count=7, side=13)
    for numbers in ({"count": 0}, {"side": 0}):
        with pytest.raises(ValueError, match="must be at least 1, got"):
            patch_mask(key, (112, 112), **numbers)
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        restoration_curve(embed, key, *faces[:, 0], maps[0], jnp.array(True), steps=0)
