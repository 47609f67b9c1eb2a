from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.backbones.layers import dropout
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.chunking import batched
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import plq, quality
from fxai_jax.runs.placing import data_mesh, shard_batch
from tests.faces import WHOLE, golden, relative, roundings
from tests.reference import plq_oracle

SIZE, D = 6, 10
NODES = ("uniform", "minimum_norm")
GAMMA = {"uniform": 9.07, "minimum_norm": 11.38}
SQUARE = np.s_[36:76, 36:76]


class SmoothModel:
    """A face model without kinks, with a positive embedding: sum(e) is at least 1."""

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.inner = jax.random.normal(first, (SIZE * SIZE * 3, 32)) / SIZE
        self.outer = jax.random.normal(second, (32, D)) / 4

    def features(self, image):
        return jnp.tanh(image.reshape(-1) @ self.inner).reshape(4, 4, 2)

    def head(self, features, *, dropout_rate=0.0, key=None):
        return jnp.exp(dropout(features.reshape(-1), dropout_rate, key) @ self.outer)

    def __call__(self, image):
        return self.head(self.features(image))


@pytest.fixture
def smooth(key):
    return SmoothModel(key)


@pytest.fixture
def images(rng):
    return jnp.asarray(rng.uniform(size=(8, SIZE, SIZE, 3)), jnp.float32)


@pytest.fixture(scope="module")
def model():
    return load_backbone("mobilefacenet")


def assert_close(found, expected, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        scale = max(1e-3, np.abs(np.asarray(b)).max())
        np.testing.assert_allclose(a, b, atol=tolerance * scale)


@pytest.mark.parametrize("regression", NODES)
def test_gradient_equals_central_differences(smooth, images, regression):
    inner, outer = (np.asarray(x, np.float64) for x in (smooth.inner, smooth.outer))

    def embed(image):
        return np.exp(np.tanh(image.reshape(-1) @ inner) @ outer)

    found = plq.quality_gradient(
        smooth, images[0], jnp.array(0.7), regression=regression
    )
    expected = plq_oracle.gradient(embed, images[0], 0.7, regression)
    assert relative(found, expected) < 1e-4


def test_closed_form_of_an_embedder_that_reads_pixels():
    image = jnp.array([[[3.0, 4.0]]])
    found = partial(plq.quality_gradient, lambda x: x[0, 0], image, jnp.array(0.5))
    # F = (3, 4), e = F / 5, sum(e) = 7/5, d sum(e) / dF = (4, -3) / 125
    uniform = np.array([4, -3]) / 125 * 0.5 / (7 / 5) / 255
    np.testing.assert_allclose(found()[0, 0], uniform, rtol=1e-5)
    # d log||F|| / dF = F / 25
    norm = np.array([3, 4]) / 25 * 0.5 / 255
    np.testing.assert_allclose(found(regression="minimum_norm")[0, 0], norm, rtol=1e-5)


def test_minimum_norm_is_the_gradient_of_the_log_norm(smooth, images):
    found = plq.quality_gradient(
        smooth, images[0], jnp.array(0.4), regression="minimum_norm"
    )
    log_norm = jax.grad(lambda x: 0.4 * jnp.log(jnp.linalg.norm(smooth(x))))
    assert relative(found, log_norm(images[0]) / 255) < 1e-5


def test_map_equals_the_slow_oracle(rng):
    gradient = (10 ** rng.uniform(-7, -1, size=(9, 11, 3))).astype(np.float32)
    gradient *= rng.choice([-1, 1], gradient.shape)
    found = plq.quality_map(jnp.asarray(gradient), gamma=7.1)
    np.testing.assert_allclose(found, plq_oracle.quality_map(gradient, 7.1), atol=1e-6)


def test_check_values_of_the_map(rng):
    for magnitude, digits in ((1.778e-4, 1e-4), (10**-3.75, 1e-6)):
        half = plq.quality_map(jnp.full((2, 2, 3), magnitude))
        np.testing.assert_allclose(half, 0.5, atol=digits)
    gradient = jnp.asarray(rng.normal(size=(20, 20, 3)) * 2e-4, jnp.float32)
    for scale, gamma in ((128, 3.2856), (127.5, 3.2890), (255, 2.6869)):
        found = plq.quality_map(scale * gradient, gamma=gamma)
        np.testing.assert_allclose(found, plq.quality_map(gradient), atol=5e-5)


def test_pixel_order_depends_on_neither_quality_nor_gamma(smooth, images):
    maps = [
        np.ravel(
            plq.quality_map(
                plq.quality_gradient(smooth, images[0], jnp.array(q)), gamma=gamma
            )
        )
        for q, gamma in ((0.25, 7.5), (0.5, 9.0), (2.0**-20, 3.0))
    ]
    order = np.argsort(maps[0])
    for map_ in maps:
        ascending = map_[order]
        assert np.all(np.diff(ascending) >= -1e-5 * ascending[1:])
        assert np.all(ascending > 0)


@pytest.mark.parametrize("name", ["a_1", "a_partial"])
def test_golden_maps_of_the_shipped_network(model, name):
    reference = golden("plq")
    quality_gradient = jax.jit(plq.quality_gradient)
    gradients = [
        quality_gradient(model, face, np.float32(reference["quality"]))
        for face in roundings(sample_face(name))
    ]
    errors = [
        max(
            relative(gradient, reference[f"{name}_gradient"]),
            relative(plq.quality_map(gradient), reference[f"{name}_map"]),
        )
        for gradient in gradients
    ]
    assert min(errors) < 1e-4
    embedding = plq.unit_vector(model(sample_face(name)))
    expected = float(reference[f"{name}_embedding_sum"])
    np.testing.assert_allclose(embedding.sum(), expected, rtol=1e-5)


def test_explain_is_its_parts(smooth, images, key):
    constants = {"alpha": 12.0, "center": 0.6}
    found = plq.explain(smooth, key, images[0], passes=9, gamma=4.0, **constants)
    raw = quality.ser_fiq(smooth, key, images[0], passes=9)
    scaled = quality.scale_quality(raw.quality, **constants)
    gradient = plq.quality_gradient(smooth, images[0], scaled)
    total = plq.unit_vector(smooth(images[0])).sum()
    expected = (plq.quality_map(gradient, gamma=4.0), scaled, gradient, total, raw)
    assert_close(found, expected)
    assert found.map.shape == (SIZE, SIZE)
    assert found.map.min() >= 0
    assert found.map.max() <= 1


@pytest.mark.slow
def test_jit_chunks_batches_and_devices_change_nothing(smooth, images, key):
    def call(index, image, chunk_size=None):
        folded = jax.random.fold_in(key, index)
        constants = {"alpha": 10.0, "center": 0.5, "gamma": 5.0}
        return plq.explain(
            smooth, folded, image, passes=8, chunk_size=chunk_size, **constants
        )

    indices = np.arange(8)
    alone = [jax.jit(call)(i, x) for i, x in zip(indices, images, strict=True)]
    assert_close(alone[0], call(0, images[0]))
    assert_close(jax.jit(partial(call, chunk_size=3))(0, images[0]), alone[0])
    expected = jax.tree.map(lambda *x: jnp.stack(x), *alone)
    assert_close(jax.jit(batched(call, batch_size=3))(indices, images), expected)
    shards = shard_batch((indices, np.asarray(images)), data_mesh())
    placed = jax.jit(jax.vmap(call))(*shards)
    assert placed.map.sharding.num_devices == 4
    assert_close(placed, expected)


def test_calibration_equals_the_oracle_and_does_what_it_promises(rng):
    # Skewed: of a symmetric sample the median is now and then the centre.
    qualities = (0.67 + rng.exponential(0.01, size=61)).astype(np.float32)
    gradients = (10 ** rng.normal(-4.5, 0.3, size=61)).astype(np.float32)
    found = plq.calibrate(jnp.asarray(qualities), jnp.asarray(gradients))
    expected = plq_oracle.calibrate(qualities, gradients)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    for quantile, target in ((0.1, 0.1), (0.9, 0.9)):
        scaled = quality.scale_quality(
            jnp.quantile(jnp.asarray(qualities), quantile),
            alpha=found.alpha,
            center=found.center,
        )
        np.testing.assert_allclose(scaled, target, atol=1e-4)
    median = jnp.full((1, 1, 3), jnp.median(jnp.asarray(gradients)))
    np.testing.assert_allclose(
        plq.quality_map(median, gamma=found.gamma), 0.5, atol=1e-4
    )


def test_the_card_of_the_shipped_network_is_its_calibration():
    card = load_card("mobilefacenet").quality
    quantiles = jnp.array([card["quantile_10"]] * 4 + [card["quantile_90"]] * 4)
    gamma = card["gamma"]["uniform"]
    found = plq.calibrate(quantiles, jnp.full(8, 10 ** (-gamma / 2)))
    assert abs(float(found.center) - card["center"]) < 1e-4
    assert abs(float(found.alpha) - card["alpha"]) < 1.0
    assert abs(float(found.gamma) - gamma) < 1e-4


@pytest.mark.parametrize("regression", NODES)
@pytest.mark.parametrize(
    "embed",
    [
        lambda x: jnp.zeros(4) + 0 * x.sum(),
        lambda x: jnp.ones(4) + 0 * x.sum(),
        lambda x: jnp.array([1.0, -1.0]) * x.sum(),
        lambda x: 1e-12 * x.ravel()[:5],
    ],
    ids=["zero", "constant", "sum-zero", "tiny"],
)
def test_degenerate_embeddings_give_finite_maps(embed, regression):
    for image in (jnp.zeros((3, 3, 3)), jnp.full((3, 3, 3), 0.3)):
        gradient = plq.quality_gradient(
            embed, image, jnp.array(0.5), regression=regression
        )
        assert bool(jnp.isfinite(gradient).all())
        assert bool(jnp.isfinite(plq.quality_map(gradient, gamma=9.07)).all())


def test_extreme_gradients_keep_the_map_in_range():
    gradient = jnp.array([0.0, 1e-30, 1e30])[None, :, None]
    np.testing.assert_allclose(
        plq.quality_map(gradient, gamma=30.0), [[0, 0, 1]], atol=1e-9
    )


def test_a_calibration_of_equal_images_is_finite():
    found = plq.calibrate(jnp.full(5, 0.7), jnp.zeros(5))
    assert all(bool(jnp.isfinite(x)) for x in found)
    scaled = quality.scale_quality(
        jnp.array(0.7), alpha=found.alpha, center=found.center
    )
    np.testing.assert_allclose(scaled, 0.5, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("regression", NODES)
def test_the_map_falls_inside_a_black_square(model, key, regression):
    card = load_card("mobilefacenet").quality
    constants = {name: card[name] for name in ("alpha", "center")}
    constants |= {"gamma": GAMMA[regression]}
    explain = jax.jit(partial(plq.explain, regression=regression, **constants))
    for name in WHOLE:
        face = sample_face(name)
        hidden = face.copy()
        hidden[SQUARE] = 0
        before, after = (explain(model, key, image) for image in (face, hidden))
        assert after.map[SQUARE].mean() < before.map[SQUARE].mean(), name
        # Q alone would lower the whole map; the square also loses its lead.
        assert lead(after.gradient) < 0.8 * lead(before.gradient), name


def lead(gradient):
    """How much larger the gradient is inside the square than outside."""
    magnitude = np.abs(np.asarray(gradient, np.float64)).mean(axis=2)
    outside = np.ones(magnitude.shape, bool)
    outside[SQUARE] = False
    return magnitude[SQUARE].mean() / magnitude[outside].mean()


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_regression_is_refused(smooth, images):
    with pytest.raises(ValueError, match=r"one of .*minimum_norm.* got 'ridge'"):
        plq.quality_gradient(smooth, images[0], jnp.array(1.0), regression="ridge")


def test_a_quality_that_is_not_a_number_has_no_map(images):
    """Passes that are all alike: the same result with and without jit."""

    class Alike:
        def __call__(self, image):
            return self.head(self.features(image))

        def features(self, image):
            return jnp.asarray(image)[::4, ::4]

        def head(self, features, *, dropout_rate=0.0, key=None):
            kept = dropout(features.reshape(-1), dropout_rate, key)
            return jnp.ones(4) * jnp.sum(kept)

    def call(image):
        return plq.explain(Alike(), jax.random.key(0), image, passes=4)

    for found in (call(images[0]), jax.jit(call)(images[0])):
        assert np.isnan(found.quality)
        assert np.isnan(found.map).all()
