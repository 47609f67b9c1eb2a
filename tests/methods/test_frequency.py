from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from fxai_jax.checkpoints import load_backbone
from fxai_jax.chunking import batched
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import frequency
from fxai_jax.runs.placing import data_mesh, shard_batch
from tests.faces import golden, relative, smooth_embedder
from tests.reference import frequency_oracle

SIZE, D = 16, 9
SHAPES = ("radial", "square")
CORNERS = ("own", "merge", "drop")
PAIRS = [("a_1", "a_2"), ("a_2", "a_1"), ("a_3", "a_1"), ("b_1", "a_1"), ("c_1", "a_1")]


@pytest.fixture
def embed(key):
    return smooth_embedder(key, SIZE, D)


@pytest.fixture
def pairs(rng):
    return rng.uniform(size=(2, 8, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def bands():
    return frequency.radial_bands((112, 112))


@pytest.fixture(scope="module")
def explain_shipped(bands):
    explain = jax.jit(frequency.explain)
    model = load_backbone("mobilefacenet")
    return lambda probe, gallery: explain(model, probe, gallery, bands.masks)


def assert_close(found, expected, tolerance=2e-6):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("size", "width"), [((112, 112), 4), ((15, 15), 2), ((12, 17), 5), ((2, 2), 1)]
)
def test_bands_equal_the_slow_oracle(size, width, shape, corners):
    found = frequency.radial_bands(size, width=width, shape=shape, corners=corners)
    expected = frequency_oracle.masks(size, width, shape, corners)
    np.testing.assert_array_equal(found.masks, expected)
    np.testing.assert_array_equal(found.coefficients, expected.sum(axis=(1, 2)))


@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_bands_are_disjoint_and_cover_all_but_dc(shape, corners):
    found = frequency.radial_bands((112, 112), shape=shape, corners=corners)
    cover = np.sum(found.masks, axis=0)
    assert cover[56, 56] == 0
    assert cover.max() == 1
    missing = {"radial": 2703, "square": 223}[shape] if corners == "drop" else 0
    assert (cover == 0).sum() == 1 + missing
    assert len(found.masks) == {"own": 15, "merge": 14, "drop": 14}[corners]


@pytest.mark.parametrize("shape", SHAPES)
def test_edges_enclose_their_bands(shape):
    found = frequency.radial_bands((20, 20), width=3, shape=shape)
    u, v = np.mgrid[-10:10, -10:10]
    rho = np.hypot(u, v) if shape == "radial" else np.maximum(abs(u), abs(v))
    for mask, (low, high) in zip(*map(np.asarray, found[:2]), strict=True):
        assert low <= rho[mask].min()
        assert rho[mask].max() < high
    np.testing.assert_array_equal(found.edges[1:, 0], found.edges[:-1, 1])


def test_golden_bands_and_cosines_of_the_shipped_network(bands, explain_shipped):
    reference = golden("frequency")
    np.testing.assert_array_equal(bands.edges[:, 0], reference["edges"])
    np.testing.assert_array_equal(bands.coefficients, reference["coefficients"])
    for pair in ("a_1__a_2", "a_1__b_1"):
        found = explain_shipped(*map(sample_face, pair.split("__")))
        expected = reference[f"{pair}_masked_cosine"]
        assert relative(found.masked_cosine, expected) < 1e-4
        np.testing.assert_allclose(found.cosine, reference[f"{pair}_cosine"], atol=1e-6)


def test_removing_all_bands_leaves_dc_and_none_leaves_the_image(bands):
    face = sample_face("c_1")
    everything = jnp.any(bands.masks, axis=0)
    mean = face.mean(axis=(0, 1), dtype=np.float64)
    flat = frequency.remove_band(face, everything)
    np.testing.assert_allclose(flat, np.broadcast_to(mean, face.shape), atol=1e-6)
    same = frequency.remove_band(face, ~everything & False)
    np.testing.assert_allclose(same, face, atol=2e-6)


@pytest.mark.parametrize("size", [(16, 16), (11, 14)])
def test_remove_band_equals_the_slow_oracle(rng, size):
    image = rng.uniform(size=(*size, 3)).astype(np.float32)
    for mask in np.asarray(frequency.radial_bands(size, width=3).masks):
        found = frequency.remove_band(image, jnp.asarray(mask))
        expected = frequency_oracle.remove_band(image, mask)
        np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("perturb", ["probe", "both"])
def test_equals_the_slow_oracle(embed, pairs, perturb):
    probe, gallery = pairs[:, 0]
    masks = frequency.radial_bands((SIZE, SIZE), width=2).masks
    found = frequency.explain(embed, probe, gallery, masks, perturb=perturb)

    def cosine(a, b):
        a, b = (np.asarray(embed(jnp.asarray(x, jnp.float32))) for x in (a, b))
        return frequency_oracle.cosine(a.astype(float), b.astype(float))

    whole = cosine(probe, gallery)
    for band, mask in enumerate(np.asarray(masks)):
        other = gallery
        if perturb == "both":
            other = frequency_oracle.remove_band(gallery, mask)
        masked = cosine(frequency_oracle.remove_band(probe, mask), other)
        np.testing.assert_allclose(found.masked_cosine[band], masked, atol=5e-6)
        np.testing.assert_allclose(found.directed[band], whole - masked, atol=5e-6)
    np.testing.assert_allclose(found.cosine, whole, atol=5e-6)
    np.testing.assert_array_equal(found.absolute, np.abs(found.directed))


def test_closed_form_of_an_embedder_that_reads_two_waves():
    x = 2 * jnp.pi * jnp.arange(16.0) / 16
    slow, fast = (
        jnp.broadcast_to(jnp.cos(f * x)[None, :, None], (16, 16, 1)) for f in (1, 6)
    )

    def embed(image):
        return jnp.stack([jnp.sum(image * slow), jnp.sum(image * fast)]) / 128

    found = frequency.explain(
        embed,
        3 * slow + 4 * fast,
        slow,
        frequency.radial_bands((16, 16), width=2).masks,
    )
    # (3, 4) against (1, 0); without the slow wave (0, 4), without the fast one (3, 0)
    expected = [0, 0.6, 0.6, 1, 0.6]
    np.testing.assert_allclose(found.cosine, 0.6, atol=1e-6)
    np.testing.assert_allclose(found.masked_cosine, expected, atol=1e-5)
    np.testing.assert_allclose(found.directed, 0.6 - np.array(expected), atol=1e-5)


def test_jit_chunks_batches_and_devices_change_nothing(embed, pairs):
    masks = frequency.radial_bands((SIZE, SIZE), width=2).masks

    def call(probe, gallery, chunk_size=None):
        return frequency.explain(embed, probe, gallery, masks, chunk_size=chunk_size)

    alone = [jax.jit(call)(a, b) for a, b in zip(*pairs, strict=True)]
    expected = jax.tree.map(lambda *x: jnp.stack(x), *alone)
    assert_close(call(*pairs[:, 0]), alone[0])
    for chunk_size in (1, 2, 20):
        compiled = jax.jit(partial(call, chunk_size=chunk_size))
        assert_close(compiled(*pairs[:, 0]), alone[0])
    assert_close(jax.jit(batched(call, batch_size=3))(*pairs), expected)
    placed = jax.jit(jax.vmap(call))(*shard_batch(list(pairs), data_mesh()))
    assert placed.directed.sharding.num_devices == 4
    assert_close(placed, expected)


def test_degenerate_inputs_are_finite(embed, pairs):
    masks = frequency.radial_bands((SIZE, SIZE)).masks
    flat = jnp.full((SIZE, SIZE, 3), 0.4)
    found = frequency.explain(embed, flat, pairs[0, 0], masks)
    np.testing.assert_allclose(found.directed, 0, atol=1e-6)
    for image in (jnp.zeros((SIZE, SIZE, 3)), flat):
        found = frequency.explain(lambda x: 0 * x[0, 0], image, image, masks)
        assert_close(found, jax.tree.map(jnp.zeros_like, found))
    empty = frequency.heat_plot(found.absolute, masks)
    np.testing.assert_array_equal(empty, 0)


def test_heat_plot_paints_the_rings(rng, bands):
    directed = rng.normal(size=15).astype(np.float32)
    signed = frequency.heat_plot(jnp.asarray(directed), bands.masks)
    plain = frequency.heat_plot(jnp.asarray(np.abs(directed)), bands.masks)
    largest = np.abs(directed).max()
    signed, plain = np.asarray(signed), np.asarray(plain)
    for band, mask in enumerate(np.asarray(bands.masks)):
        np.testing.assert_allclose(signed[mask], directed[band] / largest, rtol=1e-6)
    np.testing.assert_array_equal(np.abs(signed), plain)
    assert plain.max() == pytest.approx(1, abs=1e-6)
    assert plain[56, 56] == 0
    half = frequency.heat_plot(
        jnp.asarray(directed), bands.masks, divisor=2 * float(largest)
    )
    np.testing.assert_allclose(half, signed / 2, rtol=1e-6)


def test_blurring_a_face_moves_its_influence_to_low_bands(explain_shipped):
    # The blur wraps around, as the transform does: a mirrored one leaves the seam
    # between opposite borders sharp, and with it power in every band.
    def influence(probe, gallery, sigma):
        face = sample_face(probe)
        blurred = ndimage.gaussian_filter(face, (sigma, sigma, 0), mode="wrap")
        absolute = np.asarray(explain_shipped(blurred, sample_face(gallery)).absolute)
        return absolute / absolute.sum()

    for pair in PAIRS:
        sharp, soft, softer = (influence(*pair, sigma) for sigma in (0, 1, 2))
        centres = [shares @ np.arange(15) for shares in (sharp, soft, softer)]
        assert centres[0] > centres[1] > centres[2], pair
        assert softer[6:].sum() < 0.1 * sharp[6:].sum(), pair


@pytest.mark.parametrize("size", [56, 28, 14])
def test_lower_resolution_equals_pillow(size):
    face = sample_face("a_3")
    planes = [
        Image.fromarray(face[:, :, c])
        .resize((size, size), Image.Resampling.BICUBIC)
        .resize((112, 112), Image.Resampling.BICUBIC)
        for c in range(3)
    ]
    expected = np.clip(np.stack(planes, axis=-1), 0, 1)
    found = frequency.lower_resolution(face, (size, size))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.usefixtures("unchecked")
def test_impossible_requests_are_refused(embed, pairs, key):
    make = partial(frequency.radial_bands, (8, 8))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        make(width=0)
    with pytest.raises(ValueError, match="'radial' or 'square', got 'round'"):
        make(shape="round")
    with pytest.raises(ValueError, match="'merge' or 'drop', got 'keep'"):
        make(corners="keep")
    with pytest.raises(ValueError, match="2 pixels a side"):
        frequency.radial_bands((1, 8))
    with pytest.raises(ValueError, match="'probe' or 'both', got 'gallery'"):
        frequency.explain(embed, *pairs[:, 0], make().masks, perturb="gallery")
