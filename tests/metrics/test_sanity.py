import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from fxai_jax.metrics.sanity import cascade, leaf_names, rank_correlation


class Layer(nnx.Module):
    def __init__(self, width):
        self.kernel = nnx.Param(jnp.arange(width * width, dtype=jnp.float32) / width)
        self.count = nnx.Variable(jnp.arange(width))


class Network(nnx.Module):
    def __init__(self):
        self.conv1 = Layer(8)
        self.conv10 = Layer(9)
        self.head = Layer(10)
        self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return x * self.conv1.kernel[1] + self.head.kernel[1]


def arrays(model):
    leaves = jax.tree_util.tree_leaves_with_path(model)
    return {jax.tree_util.keystr(p, simple=True, separator="."): x for p, x in leaves}


def test_layers_are_permuted_one_after_the_other(key):
    model = Network()
    intact = arrays(model)
    one, two = cascade(model, key, prefixes=["head", "conv1"])
    for wreck, tops in ((one, ["head"]), (two, ["head", "conv1"])):
        assert isinstance(wreck, Network)
        for name, leaf in arrays(wreck).items():
            before = intact[name]
            assert leaf.dtype == before.dtype
            if name.split(".")[0] in tops and jnp.issubdtype(leaf.dtype, jnp.floating):
                assert leaf.shape == before.shape
                assert not np.array_equal(leaf, before)
                np.testing.assert_array_equal(
                    np.sort(leaf, None), np.sort(before, None)
                )
            else:
                assert leaf is before
    assert arrays(one)["head.kernel.value"] is arrays(two)["head.kernel.value"]
    assert all(leaf is intact[name] for name, leaf in arrays(model).items())


def test_wrecks_can_be_called_and_keys_matter(key):
    model = Network()
    wrecks = cascade(model, key, prefixes=["head", "conv1", "conv10"])
    assert len(wrecks) == 3
    assert all(jnp.isfinite(jax.jit(lambda m: m(2.0))(wreck)) for wreck in wrecks)
    again = cascade(model, key, prefixes=["head"])[0]
    other = cascade(model, jax.random.fold_in(key, 1), prefixes=["head"])[0]
    np.testing.assert_array_equal(again.head.kernel[...], wrecks[0].head.kernel[...])
    assert not np.array_equal(again.head.kernel[...], other.head.kernel[...])


def test_matrices_are_permuted_over_all_axes(key):
    kernel = np.arange(400, dtype=np.float32).reshape(2, 10, 20)
    (wreck,) = cascade([{"a": kernel}, 3.0], key, prefixes=["0.a"])
    changed = np.asarray(wreck[0]["a"])
    assert wreck[1] == 3.0
    assert (changed[0] >= 200).any()
    assert np.mean(changed == kernel) < 0.05


def test_a_cascade_can_be_compiled(key):
    model = {"a": jnp.arange(50.0), "b": jnp.arange(50.0)}
    eager = cascade(model, key, prefixes=["b", "a"])
    compiled = jax.jit(lambda m, k: cascade(m, k, prefixes=["b", "a"]))(model, key)
    jax.tree.map(np.testing.assert_array_equal, compiled, eager)
    assert not np.array_equal(eager[1]["a"], eager[1]["b"])


def test_names_are_the_prefixes(key):
    names = leaf_names(Network())
    assert {"conv1.kernel.value", "conv10.count.value"} <= set(names)
    cascade(Network(), key, prefixes=names)
    for wrong in ("con", "conv1.ker", "conv2", ""):
        with pytest.raises(ValueError, match=rf"'{wrong}', expected .*conv1, conv10, "):
            cascade(Network(), key, prefixes=["head", wrong])


@pytest.mark.parametrize("values", [2, 5, 1000])
def test_rank_correlation_is_the_one_of_scipy(rng, values):
    compiled = jax.jit(rank_correlation)
    for _ in range(5):
        a = rng.integers(0, values, (14, 15)).astype(np.float32)
        b = (a + rng.integers(-values, values, (14, 15))).astype(np.float32)
        expected = stats.spearmanr(a, b, axis=None).statistic
        np.testing.assert_allclose(compiled(a, b), expected, atol=1e-5)
        np.testing.assert_allclose(rank_correlation(b, -a), -expected, atol=1e-5)


def test_rank_correlation_of_large_maps(rng):
    a = rng.normal(size=(112, 112)).astype(np.float32)
    b = a + rng.normal(size=(112, 112)).astype(np.float32)
    expected = stats.spearmanr(a, b, axis=None).statistic
    np.testing.assert_allclose(rank_correlation(a, b), expected, atol=1e-5)
    np.testing.assert_allclose(rank_correlation(a, np.exp(a)), 1, atol=1e-6)
    assert float(rank_correlation(a, a)) <= 1


def test_constant_maps_have_no_correlation(rng):
    a = rng.normal(size=(3, 4)).astype(np.float32)
    for value in (0.0, 0.1, -7.0):
        constant = np.full((3, 4), value, np.float32)
        assert float(rank_correlation(a, constant)) == 0
        assert float(rank_correlation(constant, constant)) == 0


def test_rank_correlation_maps_over_batches(rng):
    a, b = rng.normal(size=(2, 4, 5, 6)).astype(np.float32)
    batched = jax.vmap(rank_correlation)(a, b)
    looped = [rank_correlation(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(batched, looped, atol=1e-6)
