"""Maps, masks, images, keys and networks as people pass them, at every function."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fxai_jax import filters, inputs, numerics
from fxai_jax.backbones.layers import dropout
from fxai_jax.methods import amva, fggb, frequency, plq, quality
from fxai_jax.methods.baselines import cams, corrrise, fame, gradient, priors, xssab
from fxai_jax.metrics import attention, band_curves, faithfulness, patches, sanity

SIDE = 32
SIZE = (SIDE, SIDE)
KEY = jax.random.key(7)
BANDS = frequency.radial_bands(SIZE, width=8).masks
COARSE = np.indices(SIZE).sum(axis=0) % 7 < 3


class Network:
    """A small face model with dropout, for images of one size."""

    def __init__(self, rng):
        self.inner = jnp.asarray(rng.normal(size=(3, 4)), jnp.float32)
        self.outer = jnp.asarray(rng.normal(size=(64, 6)), jnp.float32)

    def features(self, image):
        return jnp.tanh(image.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3)) @ self.inner)

    def head(self, features, *, dropout_rate=0.0, key=None):
        return dropout(features.reshape(-1), dropout_rate, key) @ self.outer

    def __call__(self, image):
        return self.head(self.features(image))


@pytest.fixture
def network(rng):
    return Network(rng)


@pytest.fixture
def face(rng):
    return rng.uniform(size=(*SIZE, 3)).astype(np.float32)


def flat(image):
    return image.mean(axis=(0, 1))


MAPS = {
    "pixel_ranks": lambda m: numerics.pixel_ranks(KEY, m),
    "gaussian_blur": filters.gaussian_blur,
    "min_max": numerics.min_max,
    "split_sign": numerics.split_sign,
    "resize_bilinear": lambda m: filters.resize_bilinear(m, (16, 40)),
    "localisation": lambda m: patches.localisation(m, COARSE),
    "restoration_curve": lambda m: patches.restoration_curve(
        flat, KEY, *_faces(3), m, np.array(False), steps=3
    ),
    "mean_inside_outside": lambda m: attention.mean_inside_outside(m, COARSE),
    "wasserstein": lambda m: attention.wasserstein(m, np.eye(SIDE, dtype=np.float32)),
    "rank_correlation": lambda m: sanity.rank_correlation(
        m, np.eye(SIDE, dtype=np.float32)
    ),
    "activation_map": lambda m: amva.activation_map(m, SIZE),
    "deviation": lambda m: amva.deviation(m, np.full(SIZE, 0.5, np.float32)),
    "mean_deviation": lambda m: amva.mean_deviation(m, np.ones(SIZE, np.float32)),
    "variation": lambda m: amva.variation(np.stack([np.asarray(m), np.asarray(m).T])),
}
ANY_SHAPE = ("min_max", "split_sign", "resize_bilinear")
ANY_SIZE = (*ANY_SHAPE, "pixel_ranks", "gaussian_blur", "activation_map", "variation")


def _faces(count):
    return np.random.default_rng(3).uniform(size=(count, *SIZE, 3)).astype(np.float32)


def same(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", MAPS)
def test_maps_of_any_type_are_the_same_numbers(name, rng, unchecked):
    bits = rng.random(SIZE) < 0.4
    grey = rng.integers(0, 256, SIZE)
    for values, types in (
        (bits, (bool, np.uint8, np.float16)),
        (grey, (np.uint8, np.int16, np.uint16, np.int32, np.float16, np.float64)),
    ):
        expected = MAPS[name](jnp.asarray(values, jnp.float32))
        for dtype in types:
            if dtype == np.float16 and name in ("variation", "wasserstein"):
                continue  # computed in half precision, as they were given
            if dtype == np.float16:
                found = MAPS[name](values.astype(dtype).astype(np.float32))
            else:
                found = MAPS[name](values.astype(dtype))
            same(found, expected)


def test_a_tensor_of_pytorch_is_a_map(rng, unchecked):
    torch = pytest.importorskip("torch")
    values = rng.integers(0, 256, SIZE).astype(np.uint8)
    expected = numerics.pixel_ranks(KEY, jnp.asarray(values, jnp.float32))
    same(numerics.pixel_ranks(KEY, torch.from_numpy(values)), expected)
    learned = torch.ones(SIZE, requires_grad=True)
    with pytest.raises(ValueError, match="NumPy cannot read"):
        numerics.pixel_ranks(KEY, learned)


def hostile_maps(rng):
    """What is no map of an image of this size, with the word its message has."""
    odd = rng.normal(size=SIZE).astype(np.float32)
    odd[tuple(rng.integers(SIDE, size=2))] = rng.choice([np.nan, np.inf, -np.inf])
    wide = rng.integers(0, 99, SIZE).astype(np.int32)
    wide[0, 0] = 2**24 + 1
    return {
        "not finite": (odd, "NaN or infinite"),
        "colours": (np.ones((*SIZE, 3), np.float32), "shape"),
        "a row": (np.ones(SIDE, np.float32), "shape"),
        "strings": (np.full(SIZE, "a"), "array of numbers"),
        "objects": (np.full(SIZE, None), "array of numbers"),
        "complex": (np.ones(SIZE, np.complex64), "real numbers"),
        "too many levels": (wide, "does not hold exactly"),
        "a key": (jax.random.key(0), "random key"),
        "7x7": (np.eye(7, dtype=np.float32), "one size"),
    }


@pytest.mark.parametrize("name", MAPS)
def test_what_is_no_map_is_refused_in_a_sentence(name, rng, unchecked):
    for what, (wrong, words) in hostile_maps(rng).items():
        if name == "variation" and what not in ("not finite", "complex"):
            continue  # it stacks the map in this test
        if name in ANY_SHAPE and what in ("not finite", "colours", "a row"):
            continue
        if (name == "gaussian_blur" and what == "not finite") or (
            name in ANY_SIZE and what == "7x7"
        ):
            continue
        if name == "gaussian_blur" and words == "shape":
            words = "blur needs a map"
        with pytest.raises(ValueError, match=words):
            MAPS[name](wrong)


def test_unsigned_numbers_are_not_negated_in_their_own_type(rng, unchecked):
    """The defect behind it: -1 of an unsigned byte is 255."""
    values = rng.permutation(SIDE * SIDE).reshape(SIZE) % 256
    ranks = numerics.pixel_ranks(KEY, values.astype(np.uint8))
    order = values.ravel()[np.argsort(np.asarray(ranks).ravel())]
    assert (np.diff(order) <= 0).all()
    quality = rng.permutation(40).astype(np.uint8)
    groups = attention.quality_groups(quality, higher_is_better=False, fraction=0.1)
    assert quality[groups.high].tolist() == [0, 1, 2, 3]
    influence = band_curves.influence_order(np.array([3, 0, 7], np.uint8))
    assert influence.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "measure",
    [
        lambda v: attention.quality_groups(v, higher_is_better=True),
        lambda v: attention.auroc(v, np.ones(3, np.float32)),
        band_curves.influence_order,
        lambda v: plq.calibrate(v, np.ones(3, np.float32)),
    ],
)
def test_numbers_of_images_are_finite(measure, unchecked):
    with pytest.raises(ValueError, match="NaN or infinite"):
        measure(np.array([0.1, np.nan, 0.3], np.float32))


def test_masks_are_truth_values_of_the_size_of_the_image(face, unchecked):
    marked = COARSE.astype(np.float32)
    for mask in (COARSE.astype(np.uint8), marked, marked.astype(np.float64)):
        same(patches.localisation(marked, mask), patches.localisation(marked, COARSE))
        same(
            patches.paste(face, 1 - face, mask),
            np.where(mask[..., None], 1 - face, face),
        )
    for uses in (
        lambda m: patches.localisation(marked, m),
        lambda m: patches.paste(face, face, m),
        lambda m: attention.mean_inside_outside(marked, m),
        lambda m: frequency.remove_band(face, m),
        lambda m: frequency.explain(flat, face, face, m[None]),
    ):
        with pytest.raises(ValueError, match="beside 0 and 1"):
            uses(COARSE.astype(np.uint8) * 255)
        with pytest.raises(ValueError, match="expected one size"):
            uses(COARSE[:7, :7])


def test_orders_and_ranks_belong_to_what_they_order(face, unchecked):
    curve = partial(band_curves.band_cosines, flat, face, face, BANDS)
    for wrong in (
        np.arange(2),
        np.zeros(len(BANDS), int),
        np.linspace(0, 1, len(BANDS)),
    ):
        with pytest.raises(ValueError, match="take influence_order"):
            curve(wrong)
    turn = partial(faithfulness.transition, flat, start=face, end=1 - face, steps=2)
    ranks = np.arange(SIDE * SIDE).reshape(SIZE)
    same(turn(ranks.astype(np.uint16)), turn(jnp.asarray(ranks)))
    for wrong in (ranks[:7, :7], ranks.astype(np.float32), ranks + 1):
        with pytest.raises(ValueError, match="take pixel_ranks"):
            turn(wrong)


EXPLAINERS = {
    "fggb": lambda n, a, b: fggb.explain(n, a, b, threshold=0.1),
    "xssab": lambda n, a, b: xssab.explain(n, a, b, threshold=0.1),
    "gradient": lambda n, a, b: gradient.explain(n, a, b, threshold=0.1),
    "fame": lambda n, a, b: fame.explain(n, a, b, threshold=0.1, iterations=1),
    "corrrise": lambda n, a, b: corrrise.explain(
        n, KEY, a, b, threshold=0.1, masks=3, side=4
    ),
    "priors": lambda n, a, b: priors.explain(priors.edges, n, KEY, a, b, threshold=0.1),
    "grad_cam": lambda n, a, b: cams.grad_cam(n, a, b, threshold=0.1),
    "score_cam": lambda n, a, b: cams.score_cam(n, a, b, threshold=0.1),
    "frequency": lambda n, a, b: frequency.explain(n, a, b, BANDS),
    "band_cosines": lambda n, a, b: band_curves.band_cosines(
        n, a, b, BANDS, jnp.arange(len(BANDS))
    ),
}
OF_ONE = {
    "amva": lambda n, a: amva.activation(n, a),
    "ser_fiq": lambda n, a: quality.ser_fiq(n, KEY, a, passes=3),
    "plq": lambda n, a: plq.explain(n, KEY, a, passes=3),
}
CALLS = {
    **EXPLAINERS,
    **{name: lambda n, a, b, f=f: f(n, b) for name, f in OF_ONE.items()},
}
WITH_SEAM = ("amva", "ser_fiq", "plq", "grad_cam", "score_cam")
WRONG_IMAGES = {
    "uint8": (lambda f: (f * 255).astype(np.uint8), "divide it by 255"),
    "int32": (lambda f: f.astype(np.int32), "expected floating point"),
    "CHW": (lambda f: f.transpose(2, 0, 1), "channels come last"),
    "a batch": (lambda f: f[None], "map over a batch"),
    "grey": (lambda f: f[..., 0], "colours in the last axis"),
    "NaN": (lambda f: np.where(f > 0.5, np.nan, f), "NaN or infinite"),
    "a key": (lambda f: KEY, "random key"),
    "a string": (lambda f: "face.png", "array of numbers"),
    "another size": (lambda f: f[:20, :20], "one size|fails on an image of shape"),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_image_is_refused_in_a_sentence(name, network, face, unchecked):
    call = partial(CALLS[name], network)
    for what, (spoil, words) in WRONG_IMAGES.items():
        with pytest.raises(ValueError, match=words) as caught:
            call(face, spoil(face))
        assert "\n" not in str(caught.value), what
        traced = what in ("uint8", "int32", "CHW", "a batch", "grey", "another size")
        if traced:  # shapes and types are known there too
            with pytest.raises(ValueError, match=words):
                jax.jit(call)(face, spoil(face))
        if name in EXPLAINERS:
            with pytest.raises(ValueError, match=words):
                call(spoil(face), face)


@pytest.mark.parametrize("name", CALLS)
def test_half_precision_works_or_is_refused_in_a_sentence(name, network, face):
    for dtype in (jnp.bfloat16, jnp.float16):
        half = jnp.asarray(face).astype(dtype)
        with pytest.raises(ValueError, match=r"fails on an image of shape .*float16"):
            CALLS[name](network, half, half)


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_doubtful_images_warn_once_and_never_under_a_trace(
    name, network, face, monkeypatch
):
    if name == "band_cosines":
        return  # a measure: the methods have looked at the images
    call = partial(CALLS[name], network)
    for spoilt, words in (
        (face * 255, "far outside"),
        (face * 2 - 1, "far outside"),
        (np.full_like(face, 0.3), "one colour"),
    ):
        monkeypatch.setattr(inputs, "_WARNED", set())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call(face, spoilt)
            call(face, spoilt)
        assert [words in str(w.message) for w in caught] == [True], name
        jax.jit(call)(face, spoilt)  # warnings are errors here
    jax.vmap(call)(face[None] * 255, face[None] * 255)


@pytest.mark.parametrize("name", WITH_SEAM)
def test_a_plain_function_has_no_features(name, face, unchecked):
    with pytest.raises(ValueError, match="needs a face model with features and head"):
        CALLS[name](flat, face, face)


class InTraining(nnx.Module):
    """A network with batch norm and dropout, both in training mode at first."""

    def __init__(self):
        self.norms = nnx.List([nnx.BatchNorm(3, rngs=nnx.Rngs(0))])
        self.drop = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

    def features(self, image):
        return self.norms[0](image)

    def head(self, features, *, dropout_rate=0.0, key=None):
        values = features.mean(axis=(0, 1)) + jnp.arange(3.0)
        return self.drop(dropout(values, dropout_rate, key))

    def __call__(self, image):
        return self.head(self.features(image))


@pytest.mark.parametrize("name", ["fggb", "amva", "ser_fiq", "plq", "score_cam"])
def test_a_network_in_training_mode_is_refused(name, face):
    model = InTraining()
    with pytest.raises(ValueError, match=r"training mode .* call its eval\(\)"):
        CALLS[name](model, face, face)
    with pytest.raises(ValueError, match=r"training mode .* call its eval\(\)"):
        jax.jit(CALLS[name])(model, face, face)
    model.eval()
    for leaf in jax.tree.leaves(CALLS[name](model, face, 1 - face)):
        assert np.isfinite(leaf).all()


KEYED = {
    "pixel_ranks": lambda k: numerics.pixel_ranks(k, np.eye(3, dtype=np.float32)),
    "patch_mask": lambda k: patches.patch_mask(k, (32, 32), count=2),
    "ser_fiq": lambda k: quality.ser_fiq(_network(), k, _faces(1)[0], passes=3),
    "plq": lambda k: plq.explain(_network(), k, _faces(1)[0], passes=3),
    "corrrise": lambda k: corrrise.explain(flat, k, *_faces(2), threshold=0.1),
    "masks": lambda k: corrrise.masks(k, (32, 32)),
    "pixel_random": lambda k: priors.pixel_random(k, _faces(1)[0]),
    "smooth_random": lambda k: priors.smooth_random(k, _faces(1)[0]),
    "cascade": lambda k: sanity.cascade({"a": jnp.ones(2)}, k, prefixes=["a"]),
}


def _network():
    return Network(np.random.default_rng(0))


@pytest.mark.parametrize("name", KEYED)
def test_what_is_no_typed_key_is_refused_in_a_sentence(name, unchecked):
    for wrong, words in (
        (jax.random.PRNGKey(0), "legacy key; wrap it"),
        (0, r"got int 0; make one with jax.random.key\(seed\)"),
        (None, "got NoneType"),
        (_faces(1)[0], "the key comes first"),
        (jax.random.split(KEY, 3), "pass one, or map over them"),
    ):
        with pytest.raises(ValueError, match=words):
            KEYED[name](wrong)


def test_values_are_not_looked_at_under_a_trace():
    """A map with NaN goes through a compiled program; what is known beside it not."""
    odd = jnp.full(SIZE, jnp.nan)
    assert jax.jit(numerics.pixel_ranks)(KEY, odd).shape == SIZE
    assert jax.vmap(partial(numerics.pixel_ranks, KEY))(odd[None]).shape == (1, *SIZE)
    known = jnp.asarray(_faces(1)[0])
    found = jax.jit(lambda key: priors.smooth_random(key, known))(KEY)
    assert found.shape == SIZE
    with pytest.raises(ValueError, match="NaN or infinite"):
        jax.jit(lambda key: numerics.pixel_ranks(key, odd))(KEY)


@pytest.mark.parametrize("name", MAPS)
def test_masked_pixels_of_a_map_are_refused(name, unchecked):
    masked = np.ma.array(np.eye(SIDE, dtype=np.float32), mask=COARSE)
    if name != "variation":  # it stacks the map in this test
        with pytest.raises(
            ValueError, match=f": {COARSE.sum()} masked; leave these out"
        ):
            MAPS[name](masked)


@pytest.mark.parametrize("name", CALLS)
def test_masked_pixels_of_an_image_are_refused(name, network, face, unchecked):
    masked = np.ma.array(face, mask=face > 0.9)
    with pytest.raises(ValueError, match="masked; leave these out"):
        CALLS[name](network, face, masked)
    same(
        CALLS[name](network, face, np.ma.array(face, mask=False)),
        CALLS[name](network, face, face),
    )


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_a_threshold_is_one_number_in_the_type_of_cosines(dtype):
    cosines = jnp.ones(3, dtype)
    for given in (0.5, np.float64(0.5), np.float32(0.5), jnp.array(0.5, jnp.float16)):
        found = inputs.as_threshold(given, cosines)
        assert (found.dtype, float(found)) == (dtype, 0.5)
    mapped = jax.vmap(lambda t: inputs.as_threshold(t, cosines))(jnp.array([0.1, 0.2]))
    assert mapped.shape == (2,)
    with pytest.raises(ValueError, match=r"one number, got the shape \(2,\)"):
        inputs.as_threshold(np.array([0.1, 0.2]), cosines)
    for wrong in (1.1, np.nan, -np.inf):
        with pytest.raises(ValueError, match="a cosine in"):
            inputs.as_threshold(wrong, cosines)
