from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.methods.baselines import fame
from fxai_jax.numerics import cosine

SHAPE, D = (26, 27, 3), 7


@pytest.fixture
def weights(rng):
    return rng.normal(size=(D, np.prod(SHAPE))).astype(np.float32)


@pytest.fixture
def linear(weights):
    return lambda image: jnp.asarray(weights) @ image.reshape(-1)


@pytest.fixture
def pair(rng):
    return jnp.asarray(rng.uniform(size=(2, *SHAPE)), jnp.float32)


def descend(weights, probe, gallery, accepted, iterations, target, step):
    """The update once more, in float64, with the gradient of a linear embedder."""
    weights, x, other = (np.asarray(a, np.float64) for a in (weights, probe, gallery))
    g = weights @ other.ravel()
    g = g / np.linalg.norm(g)
    for count in range(iterations + 1):
        e = weights @ x.ravel()
        norm = np.linalg.norm(e)
        value = e @ g / norm
        loss = value if accepted else 1 - value
        if loss < target or count == iterations:
            return x, loss, count
        slope = weights.T @ (g - value * e / norm) / norm
        slope = slope if accepted else -slope
        x = x - step * slope.reshape(x.shape) / np.abs(slope).max()


def beyond(clean, accepted):
    """A threshold at which the pair is accepted, or one at which it is not."""
    return clean - 0.1 if accepted else (clean + 1) / 2


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("iterations", [0, 3, 300])
def test_equals_the_slow_descent(linear, weights, pair, accepted, iterations):
    options = {"iterations": iterations, "target": 0.05, "step": 0.01}
    threshold = beyond(float(cosine(*map(linear, pair))), accepted)
    found = fame.perturb(linear, *pair, threshold=threshold, **options)
    image, loss, count = descend(weights, *pair, accepted, **options)
    np.testing.assert_allclose(found.image, image, atol=1e-4)
    np.testing.assert_allclose(found.loss, loss, atol=1e-4)
    assert int(found.iterations) == count
    assert count == iterations or loss < 0.05


@pytest.mark.parametrize("accepted", [True, False])
def test_the_map_is_the_blurred_change_of_grey(linear, pair, accepted):
    threshold = beyond(float(cosine(*map(linear, pair))), accepted)
    options = {"threshold": threshold, "iterations": 10}
    perturbed = fame.perturb(linear, *pair, **options)
    found = fame.explain(linear, *pair, **options)
    grey = [
        np.asarray(x, np.float64) @ [0.2989, 0.587, 0.114]
        for x in (perturbed.image, pair[0])
    ]
    taps = np.exp(-((np.arange(-24, 25) / 7.7) ** 2) / 2)
    expected = np.abs(grey[0] - grey[1])
    for axis in (0, 1):
        expected = ndimage.correlate1d(
            expected, taps / taps.sum(), axis=axis, mode="mirror"
        )
    sign = 1 if accepted else -1
    tolerance = 1e-4 * expected.max()
    np.testing.assert_allclose(found.signed, sign * expected, atol=tolerance)


def test_the_largest_change_of_a_step_is_the_step(linear, pair):
    found = fame.perturb(linear, *pair, threshold=-1.0, iterations=1, target=-2.0)
    np.testing.assert_allclose(jnp.abs(found.image - pair[0]).max(), 1 / 255, rtol=1e-4)


def test_a_batch_with_different_counts_equals_single_pairs(linear, pair):
    near = pair.at[1].set(0.95 * pair[0] + 0.05 * pair[1])
    call = partial(fame.perturb, linear, threshold=-0.9, step=0.02)
    batch = jax.vmap(call)(jnp.stack([pair[0]] * 2), jnp.stack([near[1], pair[1]]))
    assert int(batch.iterations[0]) != int(batch.iterations[1])
    for i, gallery in enumerate((near[1], pair[1])):
        single = call(pair[0], gallery)
        assert int(batch.iterations[i]) == int(single.iterations)
        np.testing.assert_allclose(batch.image[i], single.image, atol=1e-4)
        np.testing.assert_allclose(batch.loss[i], single.loss, atol=1e-4)
        assert float(batch.loss[i]) < 0.01


def test_a_target_that_is_met_already_changes_nothing(linear, pair):
    found = fame.perturb(linear, *pair, threshold=-1.0, target=1.5)
    np.testing.assert_array_equal(found.image, pair[0])
    assert int(found.iterations) == 0


def test_a_zero_gradient_changes_nothing(pair):
    def embed(image):
        return jnp.ones(3) + 0 * image.sum()

    found = fame.perturb(embed, *pair, threshold=0.5, iterations=5)
    np.testing.assert_array_equal(found.image, pair[0])
    assert int(found.iterations) == 5
    np.testing.assert_allclose(found.loss, 1, atol=1e-6)


@pytest.mark.slow
def test_the_target_is_reached_on_faces():
    model = load_backbone("mobilefacenet")
    perturb = jax.jit(fame.perturb)
    compare = jax.jit(lambda model, a, b: cosine(model(a), model(b)))
    for probe, gallery, accepted in (("a_1", "a_2", 1), ("a_1", "b_1", 0)):
        images = sample_face(probe), sample_face(gallery)
        found = perturb(model, *images, threshold=np.float32(0.45))
        assert float(found.loss) < 0.01, (probe, gallery)
        assert 5 < int(found.iterations) < 300
        value = float(compare(model, found.image, images[1]))
        reached = value if accepted else 1 - value
        np.testing.assert_allclose(found.loss, reached, atol=1e-4)


def test_an_image_too_small_to_be_blurred_is_refused():
    face = jnp.ones((24, 40, 3))
    with pytest.raises(ValueError, match="larger than 24 pixels"):
        fame.explain(lambda x: x[0, 0], face, face, threshold=0.4, iterations=1)
