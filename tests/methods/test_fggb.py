from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.checkpoints import load_backbone
from fxai_jax.chunking import batched
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import fggb
from fxai_jax.numerics import cosine
from fxai_jax.runs.placing import data_mesh, replicate, shard_batch
from tests.faces import golden, relative, roundings, smooth_embedder
from tests.reference import fggb_oracle

FORMS = ("absolute", "signed", "split")
PAIRS = [("a_1", "a_2"), ("a_2", "a_1"), ("a_1", "b_1"), ("b_1", "a_1")]
SIZE, D = 26, 12


@pytest.fixture
def embed(key):
    return smooth_embedder(key, SIZE, D)


@pytest.fixture
def pair(rng):
    return jnp.asarray(rng.uniform(size=(2, SIZE, SIZE, 3)), jnp.float32)


@pytest.fixture(scope="module")
def model():
    return load_backbone("mobilefacenet")


@pytest.fixture(scope="module")
def explain():
    return jax.jit(fggb.explain, static_argnames=("gradient", "chunk_size"))


def assert_close(found, expected, tolerance=1e-5):
    scale = max(np.abs(np.asarray(map_)).max() for map_ in expected[:3])
    np.testing.assert_allclose(found.cosine, expected.cosine, atol=tolerance)
    for name, a, b in zip(found._fields[:3], found[:3], expected[:3], strict=True):
        assert np.abs(np.asarray(a) - np.asarray(b)).max() < tolerance * scale, name


def test_weights_sum_to_cosine_minus_threshold(rng):
    probe, gallery = jnp.asarray(rng.normal(size=(2, 192)), jnp.float32)
    weights = fggb.channel_weights(probe, gallery, threshold=0.3)
    np.testing.assert_allclose(weights.sum(), cosine(probe, gallery) - 0.3, atol=1e-6)


def test_closed_form_of_an_embedder_that_reads_pixels(rng):
    # e = mean over colours, so d f_k / d I = (delta_kp - f_k f_p) / (3 ||e||)
    probe, gallery = jnp.asarray(rng.uniform(size=(2, 2, 2, 3)), jnp.float32)
    found = fggb.explain(
        lambda x: x.mean(axis=-1).reshape(-1), probe, gallery, threshold=0.9
    )
    e, g = (np.asarray(x, np.float64).mean(axis=-1).ravel() for x in (probe, gallery))
    f, g = e / np.linalg.norm(e), g / np.linalg.norm(g)
    projector = np.abs(np.eye(4) - np.outer(f, f))
    maps = projector / np.linalg.norm(projector, axis=1, keepdims=True)
    expected = ((f * g - 0.9 / 4) @ maps).reshape(2, 2)
    np.testing.assert_allclose(found.signed, expected, atol=1e-6)
    np.testing.assert_allclose(found.similarity - found.dissimilarity, found.signed)
    np.testing.assert_allclose(found.cosine, f @ g, rtol=1e-6)


@pytest.mark.parametrize("gradient", FORMS)
def test_equals_the_slow_oracle(embed, pair, gradient):
    found = fggb.explain(embed, *pair, threshold=0.2, gradient=gradient)
    expected = fggb_oracle.explain(
        jax.jacrev(embed)(pair[0]), embed(pair[0]), embed(pair[1]), 0.2, gradient
    )
    for name, map_ in zip(
        ("similarity", "dissimilarity", "signed"), expected, strict=True
    ):
        error = np.abs(np.asarray(getattr(found, name)) - map_).max()
        assert error < 2e-5 * max(np.abs(m).max() for m in expected), name


@pytest.mark.parametrize("gradient", ["absolute", "signed"])
@pytest.mark.parametrize(("probe", "gallery"), PAIRS)
def test_golden_maps_of_the_shipped_network(model, explain, probe, gallery, gradient):
    reference = golden("fggb")
    options = {"threshold": np.float32(0.4), "chunk_size": 16}
    call = partial(explain, model, gradient=gradient, **options)
    expected = reference[f"{probe}__{gallery}_{gradient}"]
    errors = (
        relative(call(face, sample_face(gallery)).signed, expected)
        for face in roundings(sample_face(probe))
    )
    assert any(error < 1e-4 for error in errors)


def test_golden_cosines(model):
    reference = golden("fggb")
    compare = jax.jit(lambda m, a, b: cosine(m(a), m(b)))
    for probe, gallery in PAIRS:
        found = compare(model, sample_face(probe), sample_face(gallery))
        assert abs(found - float(reference[f"{probe}__{gallery}_cosine"])) < 1e-6


@pytest.mark.slow
def test_split_on_a_real_pair_equals_the_oracle(model, explain):
    probe, gallery = sample_face("a_1"), sample_face("b_1")
    f, pull = jax.vjp(model, jnp.asarray(probe))
    jacobian = np.concatenate(
        [jax.jit(jax.vmap(pull))(rows)[0] for rows in jnp.eye(192).reshape(12, 16, 192)]
    )
    expected = fggb_oracle.explain(jacobian, f, model(gallery), 0.45, "split")
    call = partial(explain, model, gradient="split", threshold=0.45, chunk_size=16)
    errors = (
        max(map(relative, call(face, gallery)[:3], expected))
        for face in roundings(probe)
    )
    assert any(error < 1e-4 for error in errors)


@pytest.mark.slow
@pytest.mark.parametrize("gradient", FORMS)
def test_chunks_agree_on_the_shipped_network(model, explain, gradient):
    probe, gallery = sample_face("a_2"), sample_face("c_1")
    call = partial(explain, model, probe, gallery, threshold=0.45, gradient=gradient)
    whole = call(chunk_size=None)
    for chunk_size in (1, 16, 192) if gradient == "absolute" else (16,):
        assert_close(call(chunk_size=chunk_size), whole)


@pytest.mark.slow
@pytest.mark.parametrize("gradient", FORMS)
def test_jit_vmap_and_chunks_change_nothing(embed, pair, gradient):
    call = partial(fggb.explain, embed, threshold=0.2, gradient=gradient)
    eager = call(*pair)
    assert_close(jax.jit(call)(*pair), eager)
    for chunk_size in (1, 5, 12, 40):
        assert_close(call(*pair, chunk_size=chunk_size), eager)
    mapped = jax.vmap(call)(pair, pair[::-1])
    assert_close(jax.tree.map(lambda x: x[0], mapped), eager)
    assert_close(jax.tree.map(lambda x: x[1], mapped), call(*pair[::-1]))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2, 3, None])
def test_batches_change_nothing(embed, rng, batch_size):
    faces = jnp.asarray(rng.uniform(size=(2, 7, SIZE, SIZE, 3)), jnp.float32)
    call = partial(fggb.explain, embed, threshold=0.2, chunk_size=4)
    found = jax.jit(batched(call, batch_size=batch_size))(*faces)
    assert_close(found, jax.vmap(call)(*faces))


def test_sharded_equals_single(key, rng):
    faces = rng.uniform(size=(2, 8, SIZE, SIZE, 3)).astype(np.float32)
    weights = jax.random.normal(key, (SIZE * SIZE * 3, D)) / SIZE

    def one(weights, probe, gallery):
        return fggb.explain(
            lambda x: jnp.tanh(x.reshape(-1) @ weights),
            probe,
            gallery,
            threshold=0.2,
            chunk_size=4,
        )

    fun = jax.jit(jax.vmap(one, (None, 0, 0)))
    mesh = data_mesh()
    placed = fun(replicate(weights, mesh), *shard_batch(list(faces), mesh))
    assert placed.signed.sharding.num_devices == 4
    assert_close(placed, fun(weights, *faces))


def test_a_threshold_sweep_compiles_once(embed, pair):
    traces = []

    @jax.jit
    def call(threshold):
        traces.append(threshold)
        return fggb.explain(embed, *pair, threshold=threshold).signed

    maps = [call(np.float32(t)) for t in np.linspace(-1, 1, 50)]
    assert len(traces) == 1
    assert call._cache_size() == 1
    assert not np.allclose(maps[0], maps[-1])


@pytest.mark.usefixtures("unchecked")
def test_a_threshold_is_a_cosine(embed, pair):
    for wrong in (2, -2.0, 1.01, np.nan, np.inf, jnp.float32(-1.5)):
        with pytest.raises(ValueError, match=r"cosine in \[-1, 1\], got"):
            fggb.explain(embed, *pair, threshold=wrong)
        with pytest.raises(ValueError, match=r"cosine in \[-1, 1\], got"):
            jax.jit(partial(fggb.explain, embed, threshold=wrong))(*pair)
    for ends in (-1, 1, np.float32(1.0000001)):  # cosines are up to rounding
        assert np.isfinite(fggb.explain(embed, *pair, threshold=ends).signed).all()


def test_memory_does_not_grow_with_the_embedding():
    def peak(d):
        def embed(image, weights):
            return jnp.tanh(image.reshape(-1)[:64] @ weights)

        def call(weights, a, b):
            return fggb.explain(
                lambda x: embed(x, weights), a, b, threshold=0.1, chunk_size=16
            )

        shapes = (
            jax.ShapeDtypeStruct(s, jnp.float32)
            for s in ((64, d), (112, 112, 3), (112, 112, 3))
        )
        compiled = jax.jit(call).lower(*shapes).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    one_map = 112 * 112 * 3 * 4
    assert peak(512) - peak(64) < one_map
    assert peak(512) < 3 * 16 * one_map


def test_degenerate_inputs_give_finite_maps(pair):
    flat = jnp.zeros((SIZE, SIZE, 3))
    for embed in (lambda x: jnp.zeros(D) + 0 * x.sum(), lambda x: x.reshape(-1)[:D]):
        for gradient in FORMS:
            found = fggb.explain(embed, flat, pair[1], threshold=0.1, gradient=gradient)
            assert all(bool(jnp.isfinite(field).all()) for field in found)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_form_is_refused(embed, pair):
    with pytest.raises(ValueError, match=r"one of .*absolute.* got 'plain'"):
        fggb.explain(embed, *pair, threshold=0.1, gradient="plain")
