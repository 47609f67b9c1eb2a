from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from fxai_jax.metrics import frequency_groups
from tests.reference import frequency_oracle


def assert_close(found, expected, tolerance=2e-6):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_group_means_equal_pairs_written_out(rng, key):
    persons, groups, n, resamples = 12, 3, 60, 40
    influence = rng.normal(size=(n, 4)).astype(np.float32)
    identities = rng.integers(0, persons, (n, 2))
    identities[::2, 1] = identities[::2, 0]
    group = rng.integers(0, groups, n)
    call = partial(
        frequency_groups.group_influence,
        identity_count=persons,
        group_count=groups,
        resamples=resamples,
        confidence=0.9,
        chunk_size=7,
    )
    data = [jnp.asarray(x) for x in (influence, identities, group)]
    found = jax.jit(call)(key, *data)
    write_out = partial(
        frequency_oracle.resampled_means, influence, identities, group, groups
    )
    expected = [
        write_out(np.asarray(jax.random.randint(k, (persons,), 0, persons)))
        for k in jax.random.split(key, resamples)
    ]
    for i, name in enumerate(("mean", "difference")):
        np.testing.assert_allclose(
            getattr(found, name), write_out(range(persons))[i], atol=1e-6
        )
        draws = np.stack([e[i] for e in expected])
        np.testing.assert_allclose(
            getattr(found, f"{name}_interval"),
            np.nanpercentile(draws, [5, 95], axis=0),
            atol=1e-5,
        )
    np.testing.assert_allclose(found.spread, found.mean.std(axis=0, ddof=1), rtol=1e-5)
    assert_close(jax.jit(partial(call, chunk_size=None))(key, *data), found)


def test_drawing_persons_widens_the_interval(rng, key):
    # 8 persons with 50 equal pairs each: 400 pairs, but only 8 independent numbers
    person = np.repeat(np.arange(8), 50)
    influence = np.arange(8, dtype=np.float32)[person][:, None]
    call = partial(frequency_groups.group_influence, identity_count=8, group_count=1)
    pairs_of_one = jnp.asarray(np.stack([person, person], axis=1))
    found = jax.jit(call)(key, jnp.asarray(influence), pairs_of_one, 0 * person)
    width = float(found.mean_interval[1, 0, 0] - found.mean_interval[0, 0, 0])
    expected = 2 * 1.96 * np.arange(8).std() / np.sqrt(8)
    np.testing.assert_allclose(width, expected, rtol=0.15)


def test_a_group_without_pairs_is_not_a_number(key):
    call = partial(frequency_groups.group_influence, identity_count=2, group_count=2)
    identities, group = np.array([[0, 0], [1, 1]]), np.zeros(2, int)
    found = jax.jit(call)(key, jnp.ones((2, 3)), identities, group)
    np.testing.assert_array_equal(found.mean[0], 1)
    assert bool(jnp.isnan(found.mean[1]).all())
