import jax.numpy as jnp
import numpy as np

from fxai_jax.methods.baselines import gradient


def test_closed_form_of_a_linear_embedder(rng):
    probe, gallery = jnp.asarray(rng.uniform(size=(2, 5, 4, 3)), jnp.float32)
    weights = rng.normal(size=(6, 60))
    found = gradient.explain(
        lambda x: jnp.asarray(weights, jnp.float32) @ x.reshape(-1),
        probe,
        gallery,
        threshold=-1.0,
    )
    e, g = (weights @ np.asarray(x, np.float64).ravel() for x in (probe, gallery))
    f, g = e / np.linalg.norm(e), g / np.linalg.norm(g)
    slope = weights.T @ (g - (f @ g) * f) / np.linalg.norm(e)
    expected = np.abs(slope).reshape(5, 4, 3).mean(axis=-1)
    np.testing.assert_allclose(found.similarity, expected, atol=1e-5 * expected.max())


def test_steps_along_the_map_change_the_cosine(smooth, faces):
    # One pixel moved by little changes the cosine by at most its colours' slopes.
    call = gradient.explain(smooth, faces[0], faces[2], threshold=-1.0)
    y, x = np.unravel_index(int(call.similarity.argmax()), call.similarity.shape)
    moved = gradient.explain(
        smooth, faces[0].at[y, x].add(0.2), faces[2], threshold=-1.0
    )
    bound = 0.2 * 3 * float(call.similarity[y, x])
    assert abs(float(moved.cosine - call.cosine)) < 1.5 * bound
