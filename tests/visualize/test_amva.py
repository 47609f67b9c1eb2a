import numpy as np
import pytest

from fxai_jax import visualize
from fxai_jax.methods.amva import Variation
from tests.visualize.figures import (
    brightest,
    image,
    save,
    scales,
    spot,
    titled,
    titles,
    words,
)

GREY = np.full((24, 24, 3), 0.5, np.float32)
LABELS = ["high quality", "low quality"]


def group(rng, std=0.2):
    mean, deviation, median, spread = rng.uniform(size=(4, 24, 24)).astype(np.float32)
    return Variation(mean, std * deviation, median, spread)


def constant(value):
    return Variation(*np.full((4, 24, 24), value, np.float32))


def draw(high, low, counts=(7, 9), **options):
    return visualize.variation_figure(high, low, counts=counts, **options)


def density(figure, what):
    (axis,) = (a for a in figure.axes if a.get_xlabel() == f"{what} of a pixel")
    return axis


def test_attention_lies_upright_on_the_face(tmp_path):
    figure = visualize.attention_figure(GREY, spot(3, 14), name="someone")
    assert titles(figure) == ["someone", "over the face", "activation"]
    added = np.asarray(image(figure, "over the face").get_array())
    assert brightest(added, added[0, 0]) == (3, 14)
    alone = image(figure, "activation")
    assert alone.get_array()[3, 14] == 1
    assert (alone.norm.vmin, alone.norm.vmax, alone.cmap.name) == (0, 1, "viridis")
    assert scales(figure) == [("activation", 0, 1)]
    save(figure, tmp_path)


def test_empty_attention_is_said_not_drawn():
    figure = visualize.attention_figure(GREY, np.zeros((24, 24)))
    assert words(figure) == ["constant map:\n0 everywhere"]
    assert scales(figure) == []


def test_attention_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite in 1 of 576"):
        visualize.attention_figure(GREY, spot(3, 14, height=np.inf))


def test_groups_share_one_scale_per_kind(rng, tmp_path):
    high, low = group(rng), group(rng, std=0.5)
    figure = draw(high, low)
    largest = float(low.std.max())
    assert scales(figure)[:2] == [
        ("activation", 0, 1),
        ("standard deviation of the activation", 0, pytest.approx(largest)),
    ]
    assert figure.get_suptitle() == (
        "attention: high quality (7 faces) and low quality (9 faces)"
    )
    for label, values in zip(LABELS, (high, low), strict=True):
        drawn = image(figure, f"standard deviation, {label}")
        assert (drawn.norm.vmin, drawn.norm.vmax) == (0, pytest.approx(largest))
        np.testing.assert_array_equal(drawn.get_array(), values.std)
        np.testing.assert_array_equal(
            image(figure, f"mean activation, {label}").get_array(), values.mean
        )
    save(figure, tmp_path)


def test_differences_have_their_values_and_each_a_colour_bar(rng):
    high, low = group(rng), group(rng)
    figure = draw(high, low)
    named = {"std": "standard deviation", "spread": "spread"}
    for (what, title), scale in zip(named.items(), scales(figure)[2:], strict=True):
        apart = np.abs(getattr(high, what) - getattr(low, what))
        drawn = image(figure, f"{title}: high - low")
        np.testing.assert_array_equal(drawn.get_array(), apart)
        assert (drawn.norm.vmin, drawn.norm.vmax) == (0, apart.max())
        assert scale == ("magnitude of the difference", 0, pytest.approx(apart.max()))


def test_densities_belong_to_the_groups_and_integrate_to_one(rng):
    high, low = group(rng, std=0.1), group(rng, std=0.4)
    axis = density(draw(high, low), "std")
    assert [line.get_label() for line in axis.lines] == LABELS
    for line, values in zip(axis.lines, (high.std, low.std), strict=True):
        x, y = line.get_data()
        assert np.trapezoid(y, x) == pytest.approx(1, abs=0.1)
        mean = np.trapezoid(x * y, x) / np.trapezoid(y, x)
        assert mean == pytest.approx(float(values.mean()), rel=0.1)
        assert 0 <= x.min() < x.max() <= 1


def test_an_example_shows_where_it_deviates(rng):
    two = group(rng), group(rng)
    figure = draw(*two, counts=(1, 1), example=("someone", GREY, spot(3, 14)))
    assert "high quality (1 face)" in figure.get_suptitle()
    np.testing.assert_array_equal(image(figure, "someone").get_array(), GREY)
    added = np.asarray(image(figure, "its deviation from the mean").get_array())
    assert brightest(added, added[0, 0]) == (3, 14)
    assert scales(figure)[-1] == ("deviation, largest = 1", 0, 1)
    figure = draw(*two, example=("someone", GREY, np.zeros((24, 24))))
    assert words(figure) == ["the map is that\nof good faces"]
    assert "someone" in titles(figure)


def test_constant_groups_are_said_not_drawn(rng, tmp_path):
    figure = draw(constant(0.0), constant(0.0))
    assert words(figure) == ["constant map:\n0 everywhere"] * 6
    assert scales(figure) == []
    lines = [line.get_label() for line in density(figure, "median").lines]
    assert lines == [f"{label}: all 0" for label in LABELS]
    save(figure, tmp_path)


def test_one_constant_group_leaves_the_other_drawn(rng, tmp_path):
    figure = draw(constant(0.25), group(rng))
    assert words(figure) == ["constant map:\n0.25 everywhere"] * 2
    assert titled(figure, "standard deviation, low quality").images
    first, second = density(figure, "std").lines
    assert first.get_label() == "high quality: all 0.25"
    assert len(second.get_xdata()) > 2
    save(figure, tmp_path)


@pytest.mark.parametrize("field", Variation._fields)
def test_statistics_that_are_not_finite_are_refused(rng, field):
    high = group(rng)._replace(**{field: spot(1, 2, height=np.nan)})
    with pytest.raises(ValueError, match="not finite"):
        draw(high, group(rng))
