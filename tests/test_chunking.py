from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from fxai_jax.chunking import batched, chunked_map, chunked_sum
from fxai_jax.runs.placing import data_mesh, pad_batch, replicate, shard_batch


def wave(x):
    return {"sum": jnp.sin(x).sum(), "outer": jnp.outer(x, jnp.cos(x))}


@pytest.fixture
def rows(rng):
    return jnp.asarray(rng.normal(size=(13, 4)), jnp.float32)


@pytest.mark.parametrize("chunk_size", [1, 4, 13, 20, None])
def test_chunked_map_equals_vmap(rows, chunk_size):
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-6),
        chunked_map(wave, rows, chunk_size=chunk_size),
        jax.vmap(wave)(rows),
    )


@pytest.mark.parametrize("chunk_size", [1, 4, 13, 20, None])
def test_chunked_sum_equals_the_sum_of_a_loop(rows, chunk_size):
    loop = [wave(row) for row in rows]
    expected = jax.tree.map(lambda *leaves: sum(leaves), *loop)
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-5),
        chunked_sum(wave, rows, chunk_size=chunk_size),
        expected,
    )


def test_chunked_sum_memory_is_bounded_by_the_chunk():
    def peak(length):
        xs = jax.ShapeDtypeStruct((length, 8), jnp.float32)
        fun = partial(
            chunked_sum, lambda x: jnp.outer(jnp.repeat(x, 64), x), chunk_size=8
        )
        return jax.jit(fun).lower(xs).compile().memory_analysis().temp_size_in_bytes

    assert peak(512) < 1.2 * peak(64)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 8, 50, None])
@pytest.mark.parametrize("count", [7, 8])
def test_batched_equals_vmap_in_the_same_order(rng, count, batch_size):
    xs = jnp.asarray(rng.normal(size=(count, 4)), jnp.float32)
    scale = jnp.float32(3.0)
    fun = lambda w, x: wave(w * x)  # noqa: E731
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-6),
        jax.jit(batched(fun, batch_size=batch_size, in_axes=(None, 0)))(scale, xs),
        jax.vmap(fun, (None, 0))(scale, xs),
    )


def test_errors_say_what_was_found():
    with pytest.raises(ValueError, match="at least 1"):
        chunked_sum(wave, jnp.ones((4, 2)), chunk_size=0)
    with pytest.raises(ValueError, match=r"one length, got \[2, 3\]"):
        chunked_map(lambda x: x[0], (jnp.ones(2), jnp.ones(3)), chunk_size=1)
    with pytest.raises(ValueError, match="2 entries for 1 arguments"):
        batched(wave, in_axes=(None, 0))(jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="at least one 0"):
        batched(wave, in_axes=(1,))(jnp.ones((2, 2)))


@pytest.mark.parametrize("count", [3, 4, 5, 19, 20, 21])
def test_padded_and_sharded_equals_single(rng, count):
    mesh = data_mesh()
    assert mesh.size == 4
    xs = rng.normal(size=(count, 4)).astype(np.float32)
    padded, real = pad_batch(xs, mesh.size)
    placed = shard_batch(padded, mesh)
    assert placed.sharding.num_devices == 4
    result = jax.jit(jax.vmap(wave))(placed)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[:real], b, rtol=1e-6),
        result,
        jax.vmap(wave)(jnp.asarray(xs)),
    )


def test_a_batched_function_of_sharded_examples_moves_no_data(rng):
    mesh = data_mesh()
    xs = shard_batch(rng.normal(size=(32, 4)).astype(np.float32), mesh)
    weight = replicate(np.float32(2.0), mesh)
    fun = jax.jit(batched(lambda w, x: w * x, batch_size=8, in_axes=(None, 0)))
    text = fun.lower(weight, xs).compile().as_text()
    assert "all-gather" not in text
    np.testing.assert_allclose(fun(weight, xs), 2 * np.asarray(xs), rtol=1e-6)


def test_chunked_sum_runs_inside_shard_map(rng):
    mesh = data_mesh()
    xs = rng.normal(size=(8, 12)).astype(np.float32)

    def total(x):
        return chunked_sum(jnp.sin, x, chunk_size=4)

    mapped = jax.shard_map(
        jax.vmap(total), mesh=mesh, in_specs=P("data"), out_specs=P("data")
    )
    result = jax.jit(mapped)(shard_batch(xs, mesh))
    np.testing.assert_allclose(result, np.sin(xs).sum(1), rtol=1e-5, atol=1e-5)


def test_sharding_refuses_what_does_not_divide():
    with pytest.raises(ValueError, match=r"3 examples .* 4 devices"):
        shard_batch(np.zeros((3, 2)), data_mesh())
    with pytest.raises(ValueError, match="empty batch"):
        pad_batch(np.zeros((0, 2)), 4)


@pytest.mark.parametrize("sweep", [chunked_map, chunked_sum])
def test_a_chunk_size_shapes_the_program(sweep, unchecked):
    def call(xs, size):
        return sweep(lambda x: 2 * x, xs, chunk_size=size)

    xs = jnp.arange(6.0)
    with pytest.raises(ValueError, match="chunk_size was traced"):
        jax.jit(call)(xs, 2)
    with pytest.raises(ValueError, match="chunk_size was traced"):
        jax.vmap(call, (None, 0))(xs, jnp.arange(1, 3))
    for wrong in (2.0, "2", True):
        with pytest.raises(ValueError, match="must be a whole number or None, got"):
            call(xs, wrong)
    np.testing.assert_array_equal(call(xs, np.int64(4)), call(xs, 4))


def test_a_batch_size_shapes_the_program(unchecked):
    def call(xs, size):
        return batched(lambda x: 2 * x, batch_size=size)(xs)

    with pytest.raises(ValueError, match="batch_size was traced"):
        jax.jit(call)(jnp.arange(6.0), 2)


@pytest.mark.parametrize("sweep", [chunked_sum, chunked_map])
def test_a_gradient_keeps_one_chunk_at_a_time(sweep):
    def deep(x):
        for _ in range(20):
            x = jnp.sin(x)
        return x

    def temporaries(length, **options):
        def loss(x):
            steps = jnp.arange(float(length))
            found = sweep(lambda k: deep(k * x), steps, chunk_size=2, **options)
            return jnp.sum(found)

        program = jax.jit(jax.grad(loss)).lower(jnp.ones(5000)).compile()
        return program.memory_analysis().temp_size_in_bytes

    kept, again = (temporaries(64, rematerialise=again) for again in (False, True))
    assert temporaries(64) == again < kept / 10


@pytest.mark.parametrize("sweep", [chunked_sum, chunked_map])
@pytest.mark.parametrize("chunk_size", [3, 4, None])
def test_the_gradient_is_that_of_the_whole(rows, sweep, chunk_size):
    def loss(rows, chunk_size):
        found = sweep(wave, rows, chunk_size=chunk_size)
        return sum(jnp.sum(jnp.cos(leaf)) for leaf in jax.tree.leaves(found))

    found = jax.grad(loss)(rows, chunk_size)
    np.testing.assert_allclose(found, jax.grad(loss)(rows, None), rtol=1e-4, atol=1e-5)
