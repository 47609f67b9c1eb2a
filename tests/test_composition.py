"""What JAX does to functions it does to methods: the programs of research code."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import amva, fggb, frequency, plq
from tests.networks import Tiny

SIZE = 16
COLLECTIVES = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
MASKS = frequency.radial_bands((SIZE, SIZE), width=3).masks
CONSTANTS = {"alpha": 30.0, "center": 0.5, "gamma": 6.0}


def explain_quality(model, a, b, key=0, **options):
    key = jax.random.key(key)
    return plq.explain(model, key, a, passes=4, **CONSTANTS, **options)


METHODS = {
    "fggb": partial(fggb.explain, threshold=0.4, chunk_size=3),
    "plq": explain_quality,
    "amva": lambda model, a, b: amva.activation(model, a, chunk_size=3),
    "frequency": lambda model, a, b: frequency.explain(
        model, a, b, MASKS, chunk_size=2
    ),
}


@pytest.fixture
def model(rng):
    return Tiny(rng)


@pytest.fixture
def pairs(rng):
    return jnp.asarray(rng.uniform(size=(2, 8, SIZE, SIZE, 3)), jnp.float32)


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


def assert_alike(found, expected, tolerance=1e-6):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert np.abs(a - b).max() <= tolerance * max(1, np.abs(b).max())


def over_batch(method):
    return jax.jit(jax.vmap(method, (None, 0, 0)))


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_devices_share_a_batch_without_talking(method, model, pairs, kind):
    mesh = Mesh(np.array(jax.devices()), ("data",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        placed = [
            jax.device_put(side, NamedSharding(mesh, P("data"))) for side in pairs
        ]
        compiled = over_batch(method).lower(model, *placed).compile()
        found = compiled(model, *placed)
    assert not re.findall(COLLECTIVES, compiled.as_text())
    assert jax.tree.leaves(found)[0].sharding.num_devices == 4
    assert_alike(found, over_batch(method)(model, *pairs))


def test_shards_of_a_batch_are_mapped(method, model, pairs):
    mesh = Mesh(np.array(jax.devices()), ("data",))
    mapped = jax.shard_map(
        jax.vmap(method, (None, 0, 0)),
        mesh=mesh,
        in_specs=(P(), P("data"), P("data")),
        out_specs=P("data"),
    )
    compiled = jax.jit(mapped).lower(model, *pairs).compile()
    assert not re.findall(COLLECTIVES, compiled.as_text())
    assert_alike(compiled(model, *pairs), over_batch(method)(model, *pairs))


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_shipped_network_runs_on_four_devices_without_collectives(name):
    masks = frequency.radial_bands((112, 112)).masks
    calls = {
        **METHODS,
        "frequency": lambda model, a, b: frequency.explain(model, a, b, masks),
        "amva": lambda model, a, b: amva.activation(model, a, chunk_size=32),
        "fggb": partial(fggb.explain, threshold=0.45, chunk_size=16),
    }
    model = load_backbone("mobilefacenet")
    faces = jnp.stack([sample_face(name) for name in ("a_1", "a_2", "b_1", "c_1")])
    mesh = Mesh(np.array(jax.devices()), ("data",))
    placed = jax.device_put(faces, NamedSharding(mesh, P("data")))
    call = over_batch(calls[name])
    compiled = call.lower(model, placed, placed).compile()
    assert not re.findall(COLLECTIVES, compiled.as_text())
    found, expected = compiled(model, placed, placed), call(model, faces, faces)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        # A batch of one rounds otherwise than a batch of four, next to kinks visibly.
        assert np.linalg.norm(a - b) <= 3e-3 * np.linalg.norm(b) + 1e-6


@pytest.mark.slow
def test_every_mode_of_differentiation(method, model, pairs):
    """Forward and reverse mode agree, in the second order too."""
    a, b = pairs[:, 0]
    direction = pairs[0, 1]

    def scalar(image):
        leaves = jax.tree.leaves(method(model, image, b))
        return sum(jnp.vdot(leaf, jnp.cos(leaf)) for leaf in leaves)

    @jax.jit
    def all_modes(a, direction):
        slope = jax.grad(scalar)
        _, along = jax.jvp(scalar, (a,), (direction,))
        once, forward = jax.jvp(slope, (a,), (direction,))
        reverse = jax.grad(lambda image: jnp.vdot(slope(image), direction))(a)
        return along, jnp.vdot(once, direction), forward, reverse

    along, expected, forward, reverse = all_modes(a, direction)
    np.testing.assert_allclose(along, expected, rtol=1e-3)
    assert_alike(forward, reverse, 1e-3)
    assert 0 < np.abs(np.asarray(forward)).max() < np.inf


@pytest.mark.slow
def test_parameters_are_differentiated_through_an_explanation(method, model, pairs):
    a, b = pairs[:, 0]

    @jax.jit
    def loss(model):
        return sum(jnp.sum(jnp.square(x)) for x in jax.tree.leaves(method(model, a, b)))

    slopes = jax.jit(jax.grad(loss))(model)
    step = 1e-3

    def moved(sign):
        return jax.tree.map(lambda x, d: x + sign * step * d, model, slopes)

    scale = optax.tree.norm(slopes)
    slopes = jax.tree.map(lambda x: x / scale, slopes)
    found = (loss(moved(1)) - loss(moved(-1))) / (2 * step)
    assert float(found) == pytest.approx(float(scale), rel=0.05)


@pytest.mark.slow
def test_traced_numbers_compile_once_and_map(model, pairs):
    """Thresholds, rates of dropout, constants and keys, under jit and under vmap."""
    a, b = pairs[:, 0]
    traces = []

    @jax.jit
    def both(threshold, rate, gamma, key):
        traces.append(1)
        maps = fggb.explain(model, a, b, threshold=threshold)
        constants = {**CONSTANTS, "gamma": gamma, "dropout_rate": rate}
        return maps, plq.explain(model, key, a, passes=4, **constants)

    keys = jax.random.split(jax.random.key(3), 2)
    sweep = [np.array([0.2, 0.5], np.float32), np.array([0.3, 0.6], np.float32)]
    sweep += [np.array([5.0, 6.0], np.float32), keys]
    alone = [both(*(x[i] for x in sweep)) for i in range(2)]
    assert len(traces) == 1
    assert_alike(
        jax.vmap(both)(*sweep), jax.tree.map(lambda *x: jnp.stack(x), *alone), 1e-5
    )
    rates = {"dropout_rate": 0.6, **CONSTANTS}
    bound = plq.explain(model, keys[1], a, passes=4, **rates)
    assert_alike(alone[1][1], bound, 1e-5)


@pytest.mark.parametrize("chunk_size", [4, 8])
def test_the_gradient_of_a_sweep_grows_with_its_chunk_alone(model, pairs, chunk_size):
    a, b = pairs[:, 0]
    masks = jnp.asarray(np.random.default_rng(0).uniform(size=(64, SIZE, SIZE)) < 0.1)

    def temporaries(count):
        def loss(image):
            found = frequency.explain(
                model, image, b, masks[:count], chunk_size=chunk_size
            )
            return jnp.sum(jnp.square(found.directed))

        program = jax.jit(jax.grad(loss)).lower(a).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert temporaries(64) < 1.3 * temporaries(16)


@pytest.mark.slow
def test_the_gradient_of_an_explanation_fits_into_memory():
    model = load_backbone("mobilefacenet")
    a, b = (jnp.asarray(sample_face(name)) for name in ("a_1", "a_2"))
    masks = frequency.radial_bands((112, 112)).masks

    def of_maps(image, chunk_size):
        found = fggb.explain(model, image, b, threshold=0.45, chunk_size=chunk_size)
        return jnp.sum(found.signed[40:60, 40:60])

    def of_weights(model):
        found = fggb.explain(model, a, b, threshold=0.45, chunk_size=16)
        return jnp.sum(found.signed[40:60, 40:60])

    def of_bands(image):
        return jnp.sum(jnp.square(frequency.explain(model, image, b, masks).directed))

    def temporaries(loss, at=a):
        program = jax.jit(jax.grad(loss)).lower(at).compile()
        return program.memory_analysis().temp_size_in_bytes

    small, large = (temporaries(partial(of_maps, chunk_size=n)) for n in (4, 16))
    assert small < large < 1e8
    assert temporaries(of_weights, model) < 2e9
    assert temporaries(of_bands) < 300e6
