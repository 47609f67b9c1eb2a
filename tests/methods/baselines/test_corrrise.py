from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.methods.baselines import corrrise

SIZE = (28, 20)


@pytest.fixture
def exact_embedder(rng):
    """Cosines with the zero image that tie exactly or differ by more than rounding."""
    weights = jnp.asarray(rng.integers(0, 4, size=SIZE), jnp.float32)

    def embed(image):
        angle = jnp.sum(image[..., 0] * weights) / 1024
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    return embed


def explain(embed, **options):
    return jax.jit(partial(corrrise.explain, embed, **options))


def test_masks_cover_squares_inside_the_image(key):
    for mask in np.asarray(corrrise.masks(key, SIZE, count=20, patches=1, side=6)):
        rows, columns = np.nonzero(~mask)
        assert len(rows) == 36
        assert np.ptp(rows) == np.ptp(columns) == 5
    several = corrrise.masks(key, SIZE, count=50, patches=3, side=6)
    covered = np.asarray((~several).sum(axis=(1, 2)))
    assert covered.max() <= 3 * 36
    assert covered.min() >= 36
    assert len(np.unique(covered)) > 1


def test_patches_reach_both_borders(key):
    drawn = np.asarray(corrrise.masks(key, SIZE, count=200, patches=1, side=19))
    assert (~drawn[:, 0, :]).any(axis=1).any()
    assert (~drawn[:, -1, :]).any(axis=1).any()
    assert {tuple(row) for row in ~drawn[:, 14, [0, -1]]} == {(1, 0), (0, 1)}


def test_a_patch_as_large_as_the_image_covers_all(key):
    assert not corrrise.masks(key, (5, 5), count=3, side=5).any()


def test_a_patch_larger_than_the_image_is_refused(key):
    with pytest.raises(ValueError, match=r"21 pixels does not fit .* \(28, 20\)"):
        corrrise.masks(key, SIZE, side=21)


def test_equals_spearman_on_the_same_masks(exact_embedder, key):
    options = {"patches": 2, "side": 7}
    found = explain(exact_embedder, threshold=0.4, masks=60, **options)(
        key, jnp.ones((*SIZE, 3)), jnp.zeros((*SIZE, 3))
    )
    masks = np.asarray(corrrise.masks(key, SIZE, count=60, **options))
    scores = [
        float(exact_embedder(jnp.asarray(mask[..., None], jnp.float32))[0])
        for mask in masks
    ]
    assert len(np.unique(scores)) < 60  # ties are tested
    expected = np.zeros(SIZE)
    every_third = np.argwhere(np.indices(SIZE).sum(axis=0) % 3 == 0)
    for y, x in every_third:
        visible = masks[:, y, x]
        if 0 < visible.sum() < 60:
            expected[y, x] = stats.spearmanr(visible, scores).statistic
    tested = tuple(every_third.T)
    np.testing.assert_allclose(found.signed[tested], expected[tested], atol=1e-5)
    np.testing.assert_array_equal(found.similarity, np.maximum(found.signed, 0))
    assert float(found.signed.min()) < -0.2


def test_a_pixel_that_decides_alone_correlates_perfectly(key):
    face = jnp.ones((12, 12, 3))

    def embed(image):
        return jnp.stack([image[4, 7, 0], 1 - image[4, 7, 0]])

    call = explain(embed, threshold=0.1, masks=100, side=4)
    for gallery, expected in ((face, 1), (0 * face, -1)):
        found = call(key, face, gallery)
        np.testing.assert_allclose(found.signed[4, 7], expected, atol=1e-5)
        assert jnp.abs(found.signed).argmax() == 4 * 12 + 7


def test_the_key_chooses_the_masks(smooth, faces, key):
    call = explain(smooth, threshold=0.1, masks=30, side=9)

    def signed(key):
        return call(key, *faces[:2]).signed

    np.testing.assert_array_equal(signed(key), signed(key))
    assert not np.allclose(signed(key), signed(jax.random.fold_in(key, 1)))


def test_memory_does_not_grow_with_the_masks():
    def peak(masks):
        def call(key, a, b):
            return corrrise.explain(
                lambda x: x.mean(axis=(0, 1)),
                key,
                a,
                b,
                threshold=0.1,
                masks=masks,
                chunk_size=4,
            )

        face = jax.ShapeDtypeStruct((112, 112, 3), jnp.float32)
        compiled = jax.jit(call).lower(jax.random.key(0), face, face).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert peak(1000) - peak(100) < 20 * 112 * 112


@pytest.mark.parametrize("masks", [200, 300, 500, 777])
@pytest.mark.parametrize("chunk_size", [None, 50])
def test_equal_cosines_give_an_empty_map(masks, chunk_size, key):
    options = {"masks": masks, "side": 9, "chunk_size": chunk_size}
    call = explain(lambda x: x[0, 0] + 1, threshold=0.1, **options)
    black = jnp.zeros((24, 24, 3))
    found = call(key, black, black)
    assert not np.any(found.signed)
    assert not np.any(found.similarity)


def test_cosines_that_only_rounding_tells_apart_give_an_empty_map(key):
    """As where the last chunk is smaller and its sums are rounded in another order."""

    def embed(image):
        return jnp.stack(
            [1 + 1e-6 * image[5, 5, 0], 0.5 + jnp.float32(image.max() > 2)]
        )

    face = jnp.ones((12, 12, 3))
    call = explain(embed, threshold=0.1, masks=100, side=4)
    tilted = explain(lambda x: jnp.stack([x[5, 5, 0], 1.0]), threshold=0.1, side=4)
    assert not np.any(call(key, face, 3 * face).signed)
    assert float(tilted(key, face, face).signed[5, 5]) > 0.99


@pytest.mark.slow
def test_a_black_probe_of_the_shipped_network_has_an_empty_map(key):
    options = {"masks": 120, "chunk_size": 50}
    call = jax.jit(partial(corrrise.explain, threshold=0.1, **options))
    black = jnp.zeros((112, 112, 3))
    model = load_backbone("mobilefacenet")
    assert not np.any(call(model, key, black, sample_face("a_1")).signed)


@pytest.mark.slow
def test_pixels_that_no_mask_covers_are_zero_at_any_number_of_masks(key):
    for masks in (3, 7, 49):
        options = {"masks": masks, "patches": 1, "side": 2}
        call = explain(
            lambda x: x.mean((0, 1)) + jnp.arange(3.0), threshold=0.0, **options
        )
        found = call(
            key,
            jnp.ones((20, 20, 3)) * jnp.linspace(0, 1, 20)[:, None, None],
            jnp.ones((20, 20, 3)),
        )
        drawn = np.asarray(
            corrrise.masks(key, (20, 20), count=masks, patches=1, side=2)
        )
        never = drawn.all(axis=0)
        assert never.any()
        assert not np.any(np.asarray(found.signed)[never])


@pytest.mark.parametrize("wrong", ["masks", "patches", "side"])
def test_nothing_to_cover_is_refused(wrong, key):
    face = jnp.ones((8, 8, 3))
    with pytest.raises(ValueError, match="must be at least 1, got"):
        corrrise.explain(
            lambda x: x[0, 0], key, face, face, threshold=0.0, **{"side": 2, wrong: 0}
        )
