import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax import visualize
from fxai_jax.methods.amva import Variation, difference
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
LABELS = ["high (n = 7)", "low (n = 9)"]


def group(rng, std=0.2):
    mean, deviation, median, spread = rng.uniform(size=(4, 24, 24)).astype(np.float32)
    return Variation(mean, std * deviation, median, spread)


def constant(value):
    return Variation(*np.full((4, 24, 24), value, np.float32))


def draw(high, low, **options):
    apart = difference(*(Variation(*map(jnp.asarray, v)) for v in (high, low)))
    return visualize.variation_figure(high, low, apart, counts=(7, 9), **options)


def density(figure, what):
    (axis,) = (a for a in figure.axes if a.get_xlabel() == f"{what} of a pixel")
    return axis


def test_attention_lies_upright_on_the_face(tmp_path):
    figure = visualize.attention_figure(GREY, spot(3, 14), name="someone")
    assert titles(figure) == ["someone", "0.5 jet(activation) + face", "activation"]
    added = np.asarray(image(figure, "0.5 jet(activation) + face").get_array())
    assert brightest(added, added[0, 0]) == (3, 14)
    alone = image(figure, "activation")
    assert alone.get_array()[3, 14] == 1
    assert (alone.norm.vmin, alone.norm.vmax, alone.cmap.name) == (0, 1, "jet")
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
    expected = [
        ("activation", 0, 1),
        ("standard deviation", 0, pytest.approx(largest)),
        ("difference / its maximum", 0, 1),
    ]
    assert scales(figure) == expected
    for label, values in zip(LABELS, (high, low), strict=True):
        drawn = image(figure, f"std, {label}")
        assert (drawn.norm.vmin, drawn.norm.vmax) == (0, pytest.approx(largest))
        np.testing.assert_array_equal(drawn.get_array(), values.std)
        np.testing.assert_array_equal(
            image(figure, f"mean, {label}").get_array(), values.mean
        )
    save(figure, tmp_path)


def test_differences_are_named_with_their_maximum(rng):
    high, low = group(rng), group(rng)
    figure = draw(high, low)
    for what in ("std", "spread"):
        apart = np.abs(getattr(high, what) - getattr(low, what))
        drawn = image(figure, f"{what}, |high - low| ≤ {apart.max():.2g}")
        np.testing.assert_allclose(drawn.get_array(), apart / apart.max(), rtol=1e-5)


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
    figure = draw(*two, example=(GREY, spot(3, 14)))
    added = np.asarray(image(figure, "one face's deviation").get_array())
    assert brightest(added, added[0, 0]) == (3, 14)
    assert ("deviation / its maximum", 0, 1) in scales(figure)
    figure = draw(*two, example=(GREY, np.zeros((24, 24))))
    assert words(figure) == ["the map is that\nof good faces"]


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
    assert titled(figure, "std, low (n = 9)").images
    first, second = density(figure, "std").lines
    assert first.get_label() == "high (n = 7): all 0.25"
    assert len(second.get_xdata()) > 2
    save(figure, tmp_path)


@pytest.mark.parametrize("field", Variation._fields)
def test_statistics_that_are_not_finite_are_refused(rng, field):
    high = group(rng)._replace(**{field: spot(1, 2, height=np.nan)})
    with pytest.raises(ValueError, match="not finite"):
        draw(high, group(rng))
