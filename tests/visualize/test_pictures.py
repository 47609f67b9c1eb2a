import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure

from fxai_jax import visualize
from fxai_jax.visualize import pictures
from tests.visualize.figures import brightest, scales, spot, words

VIRIDIS = colormaps["viridis"]
SCALE = pictures.Scale("value", VIRIDIS, -2, 3)
LAY = {
    "overlay": lambda face, map_: visualize.overlay(
        face, map_, largest=1.0, colours=VIRIDIS
    ),
    "tint": lambda face, map_: visualize.tint(face, map_, colours=VIRIDIS),
}
each_way = pytest.mark.parametrize("lay", LAY.values(), ids=LAY)


@pytest.fixture
def face(rng):
    return rng.uniform(size=(24, 24, 3))


@each_way
def test_a_map_shows_where_it_is(lay):
    grey = np.full((24, 24, 3), 0.5)
    drawn = lay(grey, spot(5, 20))
    assert drawn.shape == grey.shape
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert brightest(drawn, lay(grey, spot(5, 20, height=0.0))) == (5, 20)


@each_way
@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_laid_over_a_face_is_refused(lay, face):
    with pytest.raises(ValueError, match=r"\(3, 24\), the face \(24, 24\)"):
        lay(face, np.ones((3, 24)))
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite in 1 of 576"):
            lay(face, spot(2, 3, height=bad))


def test_overlay_ends_at_the_largest_value(face):
    def drawn(height):
        map_ = spot(1, 2, height=height)
        return visualize.overlay(face, map_, largest=2.0, colours=VIRIDIS)[1, 2]

    grey = face[1, 2].mean()
    expected = 0.2 * grey + 0.8 * np.array(VIRIDIS(1.0)[:3])
    np.testing.assert_allclose(drawn(2.0), expected)
    np.testing.assert_array_equal(drawn(2.0), drawn(9.0))


def test_tint_is_half_grey_and_half_colour(face, rng):
    map_ = rng.uniform(size=(24, 24))
    drawn = visualize.tint(face, map_, colours=VIRIDIS)
    expected = face.mean(axis=-1)[..., None] / 2 + VIRIDIS(map_)[..., :3] / 2
    np.testing.assert_allclose(drawn, expected)
    to_half = visualize.tint(face, map_ / 2, colours=VIRIDIS, largest=0.5)
    np.testing.assert_allclose(to_half, expected)


def test_headline_says_the_decision_at_the_threshold():
    assert pictures.headline(0.45, 0.45) == "cosine 0.450 ≥ threshold 0.450: accepted"
    assert pictures.headline(0.1, 0.45) == "cosine 0.100 < threshold 0.450: rejected"
    assert pictures.headline(-0.1, None) == "cosine -0.100"
    with pytest.raises(ValueError, match="cosine is not finite"):
        pictures.headline(np.nan, 0.45)


@pytest.mark.parametrize("value", [0.0, 0.25, -3.0])
def test_constant_values_are_found_in_spite_of_rounding(value):
    assert pictures.is_constant(np.full(9, value))
    assert pictures.is_constant(np.full(9, value) * (1 + 1e-8 * np.arange(9)))
    assert not pictures.is_constant(value + 1e-3 * np.arange(9))


def test_a_map_keeps_the_range_of_its_scale(rng):
    axis = Figure().subplots()
    assert pictures.draw_map(axis, rng.uniform(size=(4, 5)), SCALE, "some")
    (image,) = axis.images
    assert (image.norm.vmin, image.norm.vmax) == (-2, 3)
    assert image.cmap == VIRIDIS
    assert image.origin == "upper"


def test_a_constant_map_is_said_not_drawn():
    figure = Figure()
    assert not pictures.draw_map(figure.subplots(), np.full((4, 5), 0.5), SCALE, "some")
    assert words(figure) == ["constant map:\n0.5 everywhere"]
    assert np.ptp(figure.axes[0].images[0].get_array()) == 0


def test_a_map_that_is_not_finite_is_refused_by_name():
    axis, map_ = Figure().subplots(), spot(2, 3, height=np.nan)
    with pytest.raises(ValueError, match="map of some is not finite in 1 of 576"):
        pictures.draw_map(axis, map_, SCALE, "some")


@pytest.mark.parametrize("columns", [1, 2])
def test_a_colour_bar_has_the_label_and_the_range(columns):
    figure = Figure()
    axes = figure.subplots(1, columns)
    pictures.colour_bar(figure, axes, SCALE)
    assert scales(figure) == [("value", -2, 3)]
