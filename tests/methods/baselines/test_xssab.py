import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.methods.baselines import xssab
from fxai_jax.numerics import cosine, unit_vector


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 0.3, 0.9])
def test_the_two_parts_sum_to_the_cosine(rng, threshold):
    probe, gallery = jnp.asarray(rng.normal(size=(2, 512)), jnp.float32)
    positive, negative = xssab.arguments(probe, gallery, threshold=threshold)
    f = unit_vector(probe)
    total = jnp.dot(f, positive) + jnp.dot(f, negative)
    np.testing.assert_allclose(total, cosine(probe, gallery), atol=1e-6)
    assert not bool(jnp.any((positive != 0) & (negative != 0)))
    np.testing.assert_array_equal(positive + negative, unit_vector(gallery))


def test_channels_are_parted_at_their_share_of_the_threshold():
    f, g = jnp.array([0.6, 0.8]), jnp.array([0.8, 0.6])  # each argument is 0.48
    for threshold, supports in ((0.95, True), (0.97, False)):
        positive, negative = xssab.arguments(f, g, threshold=threshold)
        assert bool(positive.any()) == supports
        assert bool(negative.any()) != supports


def test_an_argument_equal_to_its_share_is_positive():
    f, g = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    positive, negative = xssab.arguments(f, g, threshold=0.0)
    assert positive.tolist() == [0, 1]
    assert negative.tolist() == [0, 0]


@pytest.mark.parametrize("threshold", [-0.2, 0.1, 0.5])
def test_equals_the_slow_oracle(smooth, faces, threshold):
    found = xssab.explain(smooth, faces[0], faces[2], threshold=threshold)
    jacobian = np.asarray(jax.jacrev(smooth)(faces[0]), np.float64)
    e, g = (np.asarray(smooth(x), np.float64) for x in (faces[0], faces[2]))
    f, g, d = e / np.linalg.norm(e), g / np.linalg.norm(g), len(e)
    supporting, opposing = np.zeros((2, *faces[0].shape))
    for i in range(d):
        slope = jacobian[i] - f[i] * sum(f[j] * jacobian[j] for j in range(d))
        argument = g[i] * slope / np.linalg.norm(e)
        if f[i] * g[i] >= threshold / d:
            supporting += argument
        else:
            opposing += argument
    similarity, dissimilarity = (
        np.abs(x).mean(axis=-1) for x in (supporting, opposing)
    )
    scale = max(similarity.max(), dissimilarity.max())
    for map_, expected in (
        (found.similarity, similarity),
        (found.dissimilarity, dissimilarity),
        (found.signed, similarity - dissimilarity),
    ):
        np.testing.assert_allclose(map_, expected, atol=1e-5 * scale)


def test_both_maps_are_filled_for_every_decision(smooth, faces):
    # Of the arguments of the cosine some are above their mean and some below.
    value = cosine(smooth(faces[0]), smooth(faces[2]))
    for threshold in (value - 0.001, value + 0.001):
        found = xssab.explain(smooth, faces[0], faces[2], threshold=threshold)
        assert bool(found.similarity.any())
        assert bool(found.dissimilarity.any())
