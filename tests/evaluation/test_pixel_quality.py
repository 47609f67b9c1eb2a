import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.evaluation import pixel_quality
from fxai_jax.evaluation.perturbation import PRESETS
from fxai_jax.evaluation.registry import PIXEL_MAPS, PixelMap, tasks_of
from fxai_jax.filters import gaussian_blur
from fxai_jax.methods.plq import explain, quality_gradient
from fxai_jax.metrics.faithfulness import area
from fxai_jax.numerics import cosine
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.running import run
from tests.evaluation.tiny import SIZE, pairs_of, upper_half
from tests.reference.perturbed import perturbed_embeddings

ROWS = jnp.arange(SIZE, 0, -1, dtype=jnp.float32)[:, None] * jnp.ones((1, SIZE))
GOOD = PixelMap("rows from the top", lambda model, key, image: ROWS)
BAD = PixelMap("rows from the bottom", lambda model, key, image: -ROWS)
NOISE = PixelMap(
    "noise", lambda model, key, image: jax.random.uniform(key, (SIZE, SIZE)), True
)
PRESET = PRESETS["quality"]._replace(perturb="probe", steps=4)
BOTH = PRESET._replace(perturb="both")
LOWEST, HIGHEST, INSERTED = (curve.name for curve in PRESET.curves)


@pytest.fixture
def model(rng):
    return upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


@pytest.fixture
def images(rng):
    people = rng.uniform(size=(3, SIZE, SIZE, 3))
    both = np.concatenate([people, 0.9 * people + 0.1 * rng.uniform(size=people.shape)])
    return list(both.astype(np.float32))


@pytest.fixture
def pairs(images):
    return pairs_of(images, range(3), [3, 4, 5], [1, 1, 1])


def curves(model, key, pair, pixel_map=GOOD, preset=PRESET, draws=1):
    options = {"entry": pixel_map, "preset": preset, "draws": draws}
    found = pixel_quality.measure(model, key, *pair, **options)
    return {name: np.asarray(curve) for name, curve in found.items()}


def runs_of(model, pairs, maps, preset=PRESET):
    static = {"preset": preset, "draws": 2}
    tasks = tasks_of(maps, pixel_quality.measure, model, pairs, static)
    return {task.file: run(task, RunOptions()) for task in tasks}


def test_the_protocol_is_dec_from_both_ends_and_iec():
    assert (LOWEST, HIGHEST, INSERTED) == (
        "lowest deleted, black",
        "highest deleted, black",
        "highest inserted, blur",
    )
    assert [curve.harms for curve in PRESET.curves] == [False, True, False]


@pytest.mark.parametrize("preset", [PRESET, BOTH])
def test_the_curves_are_those_of_the_images_perturbed_apart(model, images, key, preset):
    probe, gallery = images[:2]
    found = curves(model, key, (probe, gallery), preset=preset)
    for curve in preset.curves:
        sign = 1 if curve.first == "highest" else -1
        options = {"mode": curve.mode, "fill": curve.fill, "steps": 4}
        # No pixels of one row are parted by four steps, so that no key matters.
        moved, other = (
            perturbed_embeddings(model, key, image, sign * ROWS, **options)
            for image in (probe, gallery)
        )
        if preset.perturb == "probe":
            other = jnp.stack([model(gallery)] * 5)
        expected = [cosine(x, y) for x, y in zip(moved, other, strict=True)]
        np.testing.assert_allclose(found[curve.name][0], expected, atol=1e-5)


def test_the_network_looks_at_the_upper_half(model, images, key):
    found = curves(model, key, images[:2])
    kept = found[LOWEST][0]
    np.testing.assert_allclose(kept[:3], kept[0], atol=1e-5)
    assert abs(kept[3] - kept[0]) > 1e-3
    swapped = curves(model, key, images[:2], BAD)
    np.testing.assert_allclose(swapped[HIGHEST], [kept], atol=1e-5)


def test_random_maps_are_drawn_several_times(model, images, key):
    found = curves(model, key, images[:2], NOISE, draws=3)[LOWEST]
    assert found.shape == (3, 5)
    assert np.ptp(found[:, 0]) < 1e-6
    assert len({*found[:, 1].tolist()}) == 3


def test_the_step_with_two_black_images_has_no_meaning(model, pairs):
    found = runs_of(model, pairs, {"good": GOOD}, BOTH)["good"]
    np.testing.assert_allclose(found.values[LOWEST][..., -1], 1, atol=1e-6)
    for curve, steps in zip(BOTH.curves, (4, 4, 5), strict=True):
        meant = pixel_quality.meant(found, curve, BOTH)
        assert meant.shape == (3, 1, steps)
        np.testing.assert_array_equal(meant, found.values[curve.name][..., :steps])
        alone = pixel_quality.meant(found, curve, PRESET)
        assert alone.shape == (3, 1, 5)


MAPS = {
    "good": GOOD,
    "centred-gaussian": BAD,
    "smooth-random": NOISE,
    "pixel-random": NOISE,
}


@pytest.mark.slow
def test_a_map_that_knows_the_network_wins(model, pairs):
    runs = runs_of(model, pairs, MAPS)
    titles = {name: entry.title for name, entry in MAPS.items()}
    inserted = runs["good"].values[INSERTED][:, 0]
    # Between the cosines of the blurred images and those of the whole upper half.
    threshold = float(inserted[:, 0].max() + inserted[:, 2].min()) / 2
    rows = pixel_quality.pixel_rows(runs, titles, pairs, PRESET, threshold=threshold)
    assert len(rows) == 3 * 4
    orders = ("lowest deleted", "highest deleted", "highest inserted")
    for order, curve, better in zip(orders, PRESET.curves, (-1, 1, -1), strict=True):
        good, bad, *_ = (r for r in rows if (r["order"], r["group"]) == (order, "all"))
        margin = good["over centred Gaussian"]
        difference = good["FNMR"].value - bad["FNMR"].value
        assert margin.value == pytest.approx(better * difference, abs=1e-3)
        assert margin.value > 0, order
        assert "over centred Gaussian" not in bad
        cosines = runs["good"].values[curve.name][:, 0]
        fnmr = 100 * (cosines < threshold).mean(0)
        assert good["FNMR"].value == pytest.approx(area(fnmr), abs=1e-3)
        expected = 100 * area(cosines).mean()
        assert good["cosine"].value == pytest.approx(expected, abs=1e-3)


def test_the_chart_shows_cosines_above_their_error_rates(model, pairs):
    runs = runs_of(model, pairs, MAPS)
    titles = {name: name.upper() for name in MAPS}
    drawing = pixel_quality.pixel_chart(runs, titles, PRESET, 0.9)
    assert (drawing.columns, len(drawing.panels)) == (3, 6)
    for place, panel in enumerate(drawing.panels):
        curve = PRESET.curves[place % 3]
        assert panel.title == curve.name
        assert panel.x_label == f"pixels {curve.verb} / %"
        for name, found in runs.items():
            line, cosines = panel.lines[name.upper()], found.values[curve.name]
            assert line.x.tolist() == [0, 25, 50, 75, 100]
            expected = cosines if place < 3 else 100 * (cosines < 0.9)
            np.testing.assert_allclose(line.y, expected.mean((0, 1)), rtol=1e-5)
            assert line.reference == (name != "good")
    assert [panel.y_label for panel in drawing.panels[::3]] == [
        "mean cosine",
        "FNMR / %",
    ]


def test_pairs_that_failed_under_one_map_are_left_out_of_all(model, pairs, images):
    whole = runs_of(model, pairs, {"good": GOOD})["good"]
    names = ("good", "centred-gaussian", "smooth-random")
    runs = dict.fromkeys(names, whole)
    images[1] = None
    runs |= runs_of(model, pairs, {"pixel-random": NOISE})
    assert runs["pixel-random"].errors == ["image 1 is damaged"]
    titles = {name: name for name in runs}
    rows = pixel_quality.pixel_rows(runs, titles, pairs, PRESET, threshold=0.9)
    assert {row["pairs"] for row in rows if row["group"] == "all"} == {2}
    first = whole.values[LOWEST][[0, 2]]
    expected = pixel_quality.pair_means(first, threshold=0.9).mean(0)
    assert rows[0]["cosine"].value == pytest.approx(expected[0], abs=1e-3)
    assert rows[0]["FNMR"].value == pytest.approx(expected[1], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plq", "plq-minimum-norm"])
def test_plq_ranks_by_its_gradient(model, images, key, name):
    regression = {"plq": "uniform"}.get(name, "minimum_norm")
    found = PIXEL_MAPS[name].quality(model, key, images[0])
    gradient = quality_gradient(
        model, images[0], jnp.float32(0.25), regression=regression
    )
    magnitude = jnp.mean(jnp.abs(gradient), axis=-1)
    expected = 4 * gaussian_blur(magnitude)  # the gradient is proportional to Q
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)
    map_ = explain(model, key, images[0], regression=regression, passes=3).map
    order = jnp.argsort(magnitude.ravel())
    assert (jnp.diff(map_.ravel()[order]) >= 0).all()
