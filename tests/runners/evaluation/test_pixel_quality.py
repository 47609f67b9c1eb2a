import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.methods.plq import explain, quality_gradient
from fxai_jax.metrics.faithfulness import area, perturbed_embeddings
from fxai_jax.numerics import cosine, gaussian_blur
from fxai_jax.runners.evaluation import pixel_quality
from fxai_jax.runners.evaluation.pixel_maps import MAPS, PixelMap, choose_maps
from tests.runners.evaluation.tiny import SIZE, network, pair_set

ROWS = jnp.arange(SIZE, 0, -1, dtype=jnp.float32)[:, None] * jnp.ones((1, SIZE))
GOOD = PixelMap(lambda model, key, image: ROWS, "rows from the top")
BAD = PixelMap(lambda model, key, image: -ROWS, "rows from the bottom")
NOISE = PixelMap(
    lambda model, key, image: jax.random.uniform(key, (SIZE, SIZE)), "noise", True
)


@pytest.fixture
def model(rng):
    return network(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


@pytest.fixture
def images(rng):
    people = rng.uniform(size=(3, SIZE, SIZE, 3))
    both = np.concatenate([people, 0.9 * people + 0.1 * rng.uniform(size=people.shape)])
    return list(both.astype(np.float32))


@pytest.fixture
def pairs(images):
    return pair_set(images, range(3), [3, 4, 5], [1, 1, 1])


def curves(model, key, pair, pixel_map=GOOD, **options):
    found = pixel_quality.pixel_curves(
        model, key, *pair, pixel_map=pixel_map, steps=4, **options
    )
    return {name: np.asarray(curve) for name, curve in found.items()}


@pytest.mark.parametrize("perturb", ["both", "probe"])
def test_the_curves_are_those_of_the_images_perturbed_apart(
    model, images, key, perturb
):
    probe, gallery = images[:2]
    found = curves(model, key, (probe, gallery), perturb=perturb)
    for name, (sign, mode, fill, _) in pixel_quality.ORDERS.items():
        options = {"mode": mode, "fill": fill, "steps": 4}
        # No pixels of one row are parted by four steps, so that no key matters.
        moved, other = (
            perturbed_embeddings(model, key, image, sign * ROWS, **options)
            for image in (probe, gallery)
        )
        if perturb == "probe":
            other = jnp.stack([model(gallery)] * 5)
        expected = [cosine(x, y) for x, y in zip(moved, other, strict=True)]
        if perturb == "both" and mode == "deletion":
            expected = expected[:-1]
        np.testing.assert_allclose(found[name][0], expected, atol=1e-5)


def test_the_network_looks_at_the_upper_half(model, images, key):
    found = curves(model, key, images[:2], perturb="probe")
    kept = found["lowest deleted"][0]
    np.testing.assert_allclose(kept[:3], kept[0], atol=1e-5)
    swapped = curves(model, key, images[:2], BAD, perturb="probe")
    np.testing.assert_allclose(swapped["highest deleted"], [kept], atol=1e-5)


def test_random_maps_are_drawn_several_times(model, images, key):
    found = curves(model, key, images[:2], NOISE, draws=3)["lowest deleted"]
    assert found.shape == (3, 5)
    assert np.ptp(found[:, 0]) < 1e-6
    assert np.ptp(found[:, 1]) > 0


def run(model, pairs, key, pixel_map):
    options = {"steps": 4, "draws": 2, "perturb": "probe"}
    return pixel_quality.run_map(model, key, pairs, pixel_map, **options)


def test_a_map_that_knows_the_network_wins(model, pairs, key):
    maps = {"good": GOOD, "centred-gaussian": BAD}
    maps |= {"smooth-random": NOISE, "pixel-random": NOISE}
    runs = {name: run(model, pairs, key, entry) for name, entry in maps.items()}
    titles = {name: entry.title for name, entry in maps.items()}
    inserted = runs["good"].curves["highest inserted"][:, 0]
    # Between the cosines of the blurred images and those of the whole upper half.
    threshold = float(inserted[:, 0].max() + inserted[:, 2].min()) / 2
    rows = pixel_quality.pixel_rows(runs, titles, pairs, threshold=threshold)
    assert len(rows) == 3 * 4
    for order, (*_, better) in pixel_quality.ORDERS.items():
        good, bad, *_ = (r for r in rows if (r["order"], r["group"]) == (order, "all"))
        margin = good["over centred Gaussian"]
        difference = good["FNMR"].value - bad["FNMR"].value
        assert margin.value == pytest.approx(better * difference, abs=1e-3)
        assert margin.value > 0, order
        assert margin.low <= margin.value <= margin.high
        assert "over centred Gaussian" not in bad
        curve = pixel_quality.fnmr_curve(runs["good"], order, threshold=threshold)
        assert good["FNMR"].value == pytest.approx(
            float(area(jnp.asarray(curve))), abs=1e-3
        )
        mean = pixel_quality.mean_cosine(runs["good"], order)
        expected = float(area(jnp.asarray(mean)))
        assert good["cosine"].value == pytest.approx(100 * expected, abs=1e-2)


def test_pairs_that_failed_under_one_map_are_left_out_of_all(model, pairs, images, key):
    names = ("good", "centred-gaussian", "smooth-random")
    runs = {name: run(model, pairs, key, GOOD) for name in names}
    images[1] = None
    runs["pixel-random"] = run(model, pairs, key, NOISE)
    assert runs["pixel-random"].errors == ["image 1 is damaged"]
    titles = {name: name for name in runs}
    rows = pixel_quality.pixel_rows(runs, titles, pairs, threshold=0.9)
    assert {row["pairs"] for row in rows if row["group"] == "all"} == {2}
    first = runs["good"].curves["lowest deleted"][[0, 2]]
    expected = pixel_quality.pair_means(first, threshold=0.9).mean(0)
    assert rows[0]["cosine"].value == pytest.approx(expected[0], abs=1e-3)
    assert rows[0]["FNMR"].value == pytest.approx(expected[1], abs=1e-3)


def test_a_run_needs_steps_and_images(model, pairs, images, key):
    with pytest.raises(ValueError, match="need 2 steps or more, got 1"):
        pixel_quality.run_map(model, key, pairs, GOOD, steps=1)
    images[:3] = [None] * 3
    with pytest.raises(ValueError, match="failed on every pair: image 0 is damaged"):
        run(model, pairs, key, GOOD)


@pytest.mark.parametrize("name", ["plq", "plq-minimum-norm"])
def test_plq_ranks_by_its_gradient(model, images, key, name):
    regression = {"plq": "uniform"}.get(name, "minimum_norm")
    found = MAPS[name].quality(model, key, images[0])
    gradient = quality_gradient(
        model, images[0], jnp.float32(0.25), regression=regression
    )
    magnitude = jnp.mean(jnp.abs(gradient), axis=-1)
    expected = 4 * gaussian_blur(magnitude)  # the gradient is proportional to Q
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)
    map_ = explain(model, key, images[0], regression=regression, passes=3).map
    order = jnp.argsort(magnitude.ravel())
    assert (jnp.diff(map_.ravel()[order]) >= 0).all()


def test_the_references_know_no_network(model, images, key):
    hill = MAPS["centred-gaussian"].quality(model, key, np.zeros_like(images[0]))
    assert hill[SIZE // 2, SIZE // 2] == hill.max()
    assert hill[0, 0] == hill.min() > 0
    for name in ("smooth-random", "pixel-random"):
        first, second = (
            MAPS[name].quality(model, k, images[0]) for k in jax.random.split(key)
        )
        assert MAPS[name].random
        assert (first != second).mean() > 0.9
        np.testing.assert_array_equal(
            first, MAPS[name].quality(model, jax.random.split(key)[0], images[1])
        )


def test_references_are_always_chosen():
    assert list(choose_maps([])) == list(MAPS)
    with pytest.raises(ValueError, match=r"no map 'x'; there are plq, plq-minimum"):
        choose_maps(["x"])
