import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from fxai_jax.methods.baselines import priors
from fxai_jax.numerics import cosine

FACE = jnp.ones((112, 96, 3)) / 2
RANDOM = [priors.smooth_random, priors.pixel_random]


def embed(image):
    return image.mean(axis=(0, 1))


def maps(prior, key, count=40):
    keys = jax.random.split(key, count)
    drawn = jax.jit(jax.vmap(lambda key: prior(key, FACE)))(keys)
    return np.asarray(drawn, np.float64)


def correlation(maps, lag):
    centred = maps - maps.mean(axis=(1, 2), keepdims=True)
    variance = np.square(centred).mean()
    across = (centred[:, :, lag:] * centred[:, :, :-lag]).mean() / variance
    down = (centred[:, lag:] * centred[:, :-lag]).mean() / variance
    return np.array([across, down])


@pytest.mark.parametrize("prior", RANDOM)
def test_the_key_is_the_map(prior, key):
    first, second = jax.random.split(key)
    np.testing.assert_array_equal(prior(first, FACE), prior(first, 0.3 * FACE))
    assert not np.allclose(prior(first, FACE), prior(second, FACE))


@pytest.mark.parametrize("prior", [priors.smooth_random, priors.edges])
def test_a_prior_explains_a_pair_by_its_map_and_the_decision(prior, key, rng):
    face, other = jnp.asarray(rng.uniform(size=(2, 32, 30, 3)), jnp.float32)
    map_, value = prior(key, face), cosine(embed(face), embed(other))
    for threshold, sign in ((-1.0, 1), (1.0, -1)):
        found = priors.explain(prior, embed, key, face, other, threshold=threshold)
        np.testing.assert_array_equal(found.signed, sign * map_)
        filled, empty = (found.similarity, found.dissimilarity)[::sign]
        np.testing.assert_array_equal(filled, map_)
        np.testing.assert_array_equal(empty, 0)
        np.testing.assert_allclose(found.cosine, value, rtol=1e-6)


def test_smooth_noise_is_as_smooth_as_the_blur_makes_it(key):
    drawn = maps(priors.smooth_random, key)
    np.testing.assert_array_equal(drawn.min(axis=(1, 2)), 0)
    # Blurred white noise correlates as exp(-lag² / (4 sigma²)).
    np.testing.assert_allclose(correlation(drawn, 1), 0.99, atol=0.01)
    np.testing.assert_allclose(correlation(drawn, 5), 0.78, atol=0.07)
    np.testing.assert_allclose(correlation(drawn, 30), 0, atol=0.15)


def test_smooth_noise_has_no_favourite_place(key):
    drawn = maps(priors.smooth_random, key, 300)
    spread = (drawn - drawn.mean(axis=(1, 2), keepdims=True)).std(axis=0)
    inside = spread[20:-20, 20:-20].mean()
    border = np.concatenate([spread[0], spread[-1], spread[:, 0], spread[:, -1]])
    corners = spread[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert 0.85 < border.mean() / inside < 1.15
    assert 0.8 < corners.mean() / inside < 1.2


def test_pixel_noise_is_uniform_and_independent(key):
    drawn = maps(priors.pixel_random, key, 10)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    np.testing.assert_allclose(drawn.mean(), 0.5, atol=0.01)
    np.testing.assert_allclose(drawn.std(), 12**-0.5, atol=0.01)
    np.testing.assert_allclose(correlation(drawn, 1), 0, atol=0.03)


def test_edges_equal_a_sobel_filter(rng, key):
    probe = jnp.asarray(rng.uniform(size=(20, 17, 3)), jnp.float32)
    found = priors.edges(key, probe)
    grey = np.asarray(probe, np.float64).mean(axis=-1)
    across, down = (ndimage.sobel(grey, axis, mode="nearest") / 8 for axis in (1, 0))
    np.testing.assert_allclose(found, np.hypot(across, down), atol=1e-6)


def test_edges_of_a_step_reach_their_largest_value(key):
    step = jnp.zeros((9, 9, 3)).at[:, 4:].set(1)
    found = priors.edges(key, step)
    np.testing.assert_allclose(found[4, 2:6], [0, 0.5, 0.5, 0], atol=1e-6)
    corner = jnp.zeros((9, 9, 3)).at[4:, 4:].set(1)
    assert float(priors.edges(key, corner).max()) <= 0.5**0.5


@pytest.mark.parametrize("size", [(112, 112), (31, 20)])
@pytest.mark.parametrize("sigma", [0.25, 0.1])
def test_the_gaussian_is_centred_and_as_wide_as_told(key, size, sigma):
    found = priors.centred_gaussian(key, jnp.ones((*size, 3)), sigma=sigma)
    map_ = np.asarray(found, np.float64)
    np.testing.assert_allclose(map_, map_[::-1, ::-1], rtol=1e-5)
    y, x = ((np.arange(side) + 0.5) / side - 0.5 for side in size)
    squared = y[:, None] ** 2 + x[None] ** 2
    np.testing.assert_allclose(map_, np.exp(-squared / (2 * sigma**2)), rtol=1e-4)
    assert 0 < map_.min() < map_.max() <= 1
