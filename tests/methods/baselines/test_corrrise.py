from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

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
