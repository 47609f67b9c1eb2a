from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from fxai_jax.checkpoints import load_backbone
from fxai_jax.chunking import batched
from fxai_jax.data.samples import sample_face
from fxai_jax.metrics import faithfulness
from fxai_jax.metrics.faithfulness import (
    area,
    cosine_curve,
    error_curves,
    filling,
)
from fxai_jax.metrics.verification import equal_error, operating_point
from fxai_jax.runs.placing import data_mesh, shard_batch
from tests.faces import smooth_embedder
from tests.reference.perturbed import perturbed_embeddings

SIZE, D = 34, 5
MODES = ("deletion", "insertion")
FILLS = ("black", "mean", "blur")


@pytest.fixture
def embed(key):
    return smooth_embedder(key, SIZE, D)


@pytest.fixture
def images(rng):
    return rng.uniform(size=(8, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture
def maps(rng):
    """Signed maps, half of whose pixels are tied at zero."""
    values = rng.normal(size=(8, SIZE, SIZE)).astype(np.float32)
    return np.where(values > 0, values, 0).astype(np.float32)


def assert_close(found, expected):
    # A sum of 3468 terms rounds by some 1e-6; one pixel more or less changes 1e-2.
    np.testing.assert_allclose(found, expected, atol=5e-5)


def slow_filling(image, fill):
    image = image.astype(np.float64)
    if fill == "black":
        return 0 * image
    if fill == "mean":
        return 0 * image + image.reshape(-1, 3).mean(axis=0)
    taps = np.exp(-(np.arange(-30, 31) ** 2) / 200)
    for axis in (0, 1):
        image = ndimage.correlate1d(image, taps / taps.sum(), axis, mode="mirror")
    return image


def slow_images(image, saliency, mode, fill, steps):
    """Every perturbed image of a map without ties, pixel by pixel."""
    filled = slow_filling(image, fill)
    pixels = sorted(np.ndindex(*saliency.shape), key=lambda at: -saliency[at])
    for k in range(steps + 1):
        high = pixels[: k * len(pixels) // steps]
        shown = (image if mode == "deletion" else filled).astype(np.float64)
        for at in high:
            shown[at] = filled[at] if mode == "deletion" else image[at]
        yield shown


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("mode", MODES)
def test_equals_the_slow_oracle(rng, key, images, mode, fill):
    saliency = rng.permutation(SIZE * SIZE).reshape(SIZE, SIZE).astype(np.float32)
    found = perturbed_embeddings(
        jnp.ravel,
        key,
        images[0],
        jnp.asarray(saliency) - 600,
        mode=mode,
        fill=fill,
        steps=7,
    )
    expected = list(slow_images(images[0], saliency, mode, fill, 7))
    assert found.shape == (8, SIZE * SIZE * 3)
    np.testing.assert_allclose(found, np.reshape(expected, (8, -1)), atol=2e-6)


@pytest.mark.parametrize("fill", FILLS)
def test_curves_begin_and_end_with_image_and_filling(key, embed, images, maps, fill):
    whole, blank = embed(images[0]), embed(filling(images[0], fill=fill))
    call = partial(perturbed_embeddings, embed, key, images[0], jnp.asarray(maps[0]))
    for mode, ends in zip(MODES, [(whole, blank), (blank, whole)], strict=True):
        found = call(mode=mode, fill=fill, steps=3)
        assert_close(found[jnp.array([0, 3])], jnp.stack(ends))
    np.testing.assert_array_equal(call(), call(mode="deletion", fill="black", steps=10))


def share_of_light(total):
    """An embedder whose cosine with (1, 0) is the light that is left."""

    def embed(image):
        share = jnp.sum(image) / total
        return jnp.stack([share, jnp.sqrt(jnp.maximum(1 - share**2, 0))])

    return embed


def test_areas_known_by_hand(key):
    image = jnp.array([[5.0, 1.0], [1.0, 3.0]])[..., None]
    saliency = image[..., 0]

    def curve(saliency, mode):
        call = partial(perturbed_embeddings, share_of_light(10), steps=4, mode=mode)
        return cosine_curve(call(key, image, saliency), jnp.array([1.0, 0.0]))

    found = curve(saliency, "deletion")
    np.testing.assert_allclose(found, [1, 0.5, 0.2, 0.1, 0], atol=1e-6)
    np.testing.assert_allclose(area(found), 0.325, atol=1e-6)
    np.testing.assert_allclose(area(curve(-saliency, "deletion")), 0.675, atol=1e-6)
    np.testing.assert_allclose(area(curve(saliency, "insertion")), 0.675, atol=1e-6)
    np.testing.assert_allclose(area(curve(-saliency, "insertion")), 0.325, atol=1e-6)


def test_the_true_map_is_the_best_and_its_negative_the_worst(rng, key):
    image = jnp.asarray(rng.uniform(size=(6, 6, 1)), jnp.float32)
    embed = share_of_light(float(image.sum()))

    def deletion(saliency):
        found = perturbed_embeddings(embed, key, image, saliency, steps=36)
        return float(area(cosine_curve(found, jnp.array([1.0, 0.0]))))

    true = image[..., 0]
    others = [deletion(jax.random.normal(k, (6, 6))) for k in jax.random.split(key, 20)]
    best, worst = deletion(true), deletion(-true)
    assert best < min(others) < max(others) < worst
    np.testing.assert_allclose(best + worst, 1, atol=1e-5)


def test_inserting_is_deleting_backwards(rng, key, embed, images):
    saliency = rng.permutation(SIZE * SIZE).reshape(SIZE, SIZE).astype(np.float32)
    call = partial(perturbed_embeddings, embed, key, images[0], fill="mean", steps=17)
    inserted = call(jnp.asarray(saliency), mode="insertion")
    deleted = call(-jnp.asarray(saliency), mode="deletion")
    assert_close(inserted, deleted[::-1])


def test_ties_depend_on_the_key_alone(key, embed, images):
    flat = jnp.zeros((SIZE, SIZE))

    def call(key, saliency):
        return perturbed_embeddings(jnp.ravel, key, images[0], saliency, steps=2)[1]

    found = call(key, flat)
    np.testing.assert_array_equal(call(key, -flat), found)
    assert not np.array_equal(call(jax.random.fold_in(key, 1), flat), found)
    left = np.asarray(found).reshape(SIZE, SIZE, 3).any(axis=2)
    assert left.sum() == SIZE * SIZE // 2
    # In raster order nothing would be left of the upper half; by lot 289 +- 8.5.
    assert abs(int(left[:17].sum()) - 289) < 60


def test_fillings(images):
    np.testing.assert_array_equal(filling(images[0], fill="black"), 0)
    for fill in FILLS:
        found = filling(images[0], fill=fill)
        np.testing.assert_allclose(found, slow_filling(images[0], fill), atol=2e-6)
    flat = jnp.full((40, 40, 3), 0.3)
    for fill in ("mean", "blur"):
        np.testing.assert_allclose(filling(flat, fill=fill), 0.3, rtol=1e-6)
    impulse = jnp.zeros((80, 80, 1)).at[40, 40].set(1)
    spread = filling(impulse, fill="blur")[..., 0]
    distance = jnp.square(jnp.arange(80.0) - 40)
    variance = jnp.sum(spread * distance[:, None]) / jnp.sum(spread)
    np.testing.assert_allclose(jnp.sqrt(variance), faithfulness.BLUR_SIGMA, rtol=0.03)


@pytest.mark.slow
def test_jit_chunks_batches_and_devices_change_nothing(key, embed, images, maps):
    keys = jax.random.split(key, 8)
    maps = jnp.asarray(maps)

    def call(key, image, saliency, chunk_size=None):
        return perturbed_embeddings(
            embed,
            key,
            image,
            saliency,
            mode="insertion",
            fill="blur",
            steps=7,
            chunk_size=chunk_size,
        )

    one = keys[2], images[2], maps[2]
    eager = call(*one)
    for chunk_size in (None, 1, 3):
        compiled = jax.jit(partial(call, chunk_size=chunk_size))
        assert_close(compiled(*one), eager)
    eight = jax.jit(jax.vmap(call))(keys, images, maps)
    assert_close(eight[2], eager)
    seven = jax.jit(jax.vmap(call))(keys[:7], images[:7], maps[:7])
    assert_close(seven, eight[:7])
    swept = jax.jit(batched(call, batch_size=3))(keys, images, maps)
    assert_close(swept, eight)
    shards = shard_batch((images, np.asarray(maps)), data_mesh())
    placed = jax.jit(jax.vmap(call))(keys, *shards)
    assert placed.sharding.num_devices == 4
    assert_close(placed, eight)


def test_cosine_curves_of_one_and_of_two_perturbed_images(rng):
    a, b = rng.normal(size=(2, 6, D)).astype(np.float32)
    products = a / np.linalg.norm(a, axis=1)[:, None]
    units = b / np.linalg.norm(b, axis=1)[:, None]
    found = cosine_curve(jnp.asarray(a), jnp.asarray(b))
    np.testing.assert_allclose(found, (products * units).sum(axis=1), atol=1e-6)
    found = cosine_curve(jnp.asarray(a), jnp.asarray(b[2]))
    np.testing.assert_allclose(found, products @ units[2], atol=1e-6)
    zeros = cosine_curve(jnp.zeros((6, D)), jnp.asarray(b))
    np.testing.assert_array_equal(zeros, 0)


def test_a_pair_of_one_image_stays_alike_when_both_are_perturbed(
    key, embed, images, maps
):
    call = partial(perturbed_embeddings, embed, key, images[0], jnp.asarray(maps[0]))
    both = call(fill="mean")
    np.testing.assert_allclose(cosine_curve(both, both), 1, atol=1e-5)
    assert float(cosine_curve(both, both[0]).min()) < 0.999


def test_areas_are_those_of_numpy(rng):
    for length in (2, 3, 11):
        curve = rng.normal(size=length).astype(np.float32)
        expected = np.trapezoid(curve, np.linspace(0, 1, length))
        np.testing.assert_allclose(area(jnp.asarray(curve)), expected, atol=1e-6)
        assert float(area(jnp.ones(length))) == 1


def test_areas_of_whole_numbers_do_not_overflow(unchecked):
    for dtype in (np.int8, np.uint8, np.int64, np.float64):
        assert float(area(np.array([100, 100, 50], dtype))) == 87.5
    assert float(area(np.array([True, True, False]))) == 0.75
    assert area([1.0, 0.5, 0.0]) == 0.5
    assert area(np.array([1.0, 0.1])).dtype == np.float64
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        area(3.0)


def test_errors_are_those_of_every_step(rng):
    cosines = rng.integers(-5, 6, (30, 4)).astype(np.float32) / 5
    genuine = rng.permutation(30) < 12
    threshold = equal_error(cosines[:, 0], genuine).threshold
    found = error_curves(cosines, genuine, threshold=threshold)
    for step in range(4):
        point = operating_point(cosines[:, step], genuine, threshold=threshold)
        np.testing.assert_allclose(found.fmr[step], point.fmr, atol=1e-7)
        np.testing.assert_allclose(found.fnmr[step], point.fnmr, atol=1e-7)
        pairs = zip(cosines[:, step], genuine, strict=True)
        right = sum((score >= float(threshold)) == label for score, label in pairs)
        np.testing.assert_allclose(found.accuracy[step], right / 30, atol=1e-7)


@pytest.mark.parametrize("label", [True, False])
def test_one_kind_of_pairs_gives_numbers(rng, label):
    cosines = rng.normal(size=(9, 4)).astype(np.float32)
    found = error_curves(cosines, np.full(9, label), threshold=0.2)
    accepted = (cosines >= 0.2).mean(axis=0)
    missing, present = (0, 1) if label else (1, 0)
    np.testing.assert_array_equal(found[missing], 0)
    expected = 1 - accepted if label else accepted
    np.testing.assert_allclose(found[present], expected, atol=1e-6)
    np.testing.assert_allclose(found.accuracy, 1 - expected, atol=1e-6)


def test_on_faces_the_centre_matters_more_than_the_border(key):
    model = load_backbone("mobilefacenet")
    probe, gallery = sample_face("a_1"), sample_face("a_2")
    squares = jnp.square(jnp.arange(112.0) - 55.5)
    centred = jnp.exp(-(squares[:, None] + squares[None, :]) / (2 * 25**2))
    run = jax.jit(perturbed_embeddings)
    reference = jax.jit(lambda model, image: model(image))(model, gallery)
    inner, outer = (
        cosine_curve(run(model, key, probe, saliency), reference)
        for saliency in (centred, -centred)
    )
    np.testing.assert_allclose([inner[0], outer[0]], 0.800, atol=1e-3)
    np.testing.assert_allclose(inner[-1], outer[-1], atol=1e-4)
    assert float(inner[3]) < 0.5 < 0.7 < float(outer[3])
    assert float(area(outer) - area(inner)) > 0.3


@pytest.mark.usefixtures("unchecked")
def test_impossible_requests_are_refused(key, embed, images, maps):
    call = partial(perturbed_embeddings, embed, key, images[0], jnp.asarray(maps[0]))
    with pytest.raises(ValueError, match="'mean' or 'blur', got 'grey'"):
        call(fill="grey")
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        call(steps=0)
    with pytest.raises(ValueError, match="larger than 30 pixels"):
        filling(images[0, :30], fill="blur")
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        area(jnp.ones(1))
