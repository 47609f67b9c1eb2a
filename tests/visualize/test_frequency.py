from itertools import pairwise

import numpy as np
import pytest

from fxai_jax import visualize
from fxai_jax.methods.frequency import BandInfluence, radial_bands
from tests.visualize.figures import axes_of, image, save, scales, titles, words

BANDS = radial_bands((24, 24))
FACES = np.full((24, 24, 3), 0.2, np.float32), np.full((24, 24, 3), 0.7, np.float32)
DIRECTED = np.array([0.1, -0.25, 0.05, 0.0], np.float32)
EDGES = [0, 4, 8, 12, 17]


def influence(directed=DIRECTED, cosine=0.6):
    cosine = np.float32(cosine)
    return BandInfluence(cosine, cosine - directed, directed, np.abs(directed))


def draw(result=None, bands=BANDS, **options):
    return visualize.frequency_figure(*FACES, result or influence(), bands, **options)


def labelled(figure, label):
    (axis,) = (a for a in axes_of(figure) if a.get_ylabel().startswith(label))
    return axis


def test_frequency_figure_names_faces_and_cosine(tmp_path):
    figure = draw(names=("one", "other"), threshold=0.45)
    assert figure.get_suptitle() == "cosine 0.600 ≥ threshold 0.450: accepted"
    assert {"one", "other"} <= {*titles(figure)}
    assert draw().get_suptitle() == "cosine 0.600"
    save(figure, tmp_path)


def test_heat_plots_share_the_divisor_and_have_fixed_ranges():
    figure = draw()
    assert scales(figure) == [
        ("|influence| / 0.25", 0, 1),
        ("influence / 0.25", -1, 1),
    ]
    for title, low in (("absolute influence", 0), ("directed influence", -1)):
        drawn = image(figure, title)
        assert (drawn.norm.vmin, drawn.norm.vmax) == (low, 1)
    directed = image(figure, "directed influence").get_array()
    absolute = image(figure, "absolute influence").get_array()
    np.testing.assert_array_equal(np.abs(directed), absolute)
    assert directed.min() == -1


@pytest.mark.parametrize("size", [(24, 24), (23, 30)])
def test_dc_is_in_the_middle_and_in_no_band(size):
    bands = radial_bands(size)
    figure = draw(influence(np.ones(len(bands.masks), np.float32)), bands)
    drawn = image(figure, "directed influence")
    hidden = np.ma.getmaskarray(drawn.get_array())
    assert np.argwhere(hidden).tolist() == [[size[0] // 2, size[1] // 2]]
    left, right, bottom, top = drawn.get_extent()
    assert (left + size[1] // 2, bottom + size[0] // 2) == (-0.5, -0.5)
    assert (right - left, top - bottom) == (size[1], size[0])
    assert drawn.origin == "lower"


def test_bars_stand_on_their_bands_with_the_colour_of_their_sign():
    figure = draw()
    axis = labelled(figure, "cosine lost")
    bars = axis.patches
    assert [bar.get_height() for bar in bars] == pytest.approx(DIRECTED.tolist())
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    assert ends == [*pairwise(EDGES)]
    assert axis.get_xticks().tolist() == EDGES
    positive, negative, other, _ = (bar.get_facecolor() for bar in bars)
    assert positive == other
    assert positive[2] > positive[0]
    assert negative[0] > negative[2]
    colours = image(figure, "directed influence").cmap
    assert colours(1.0)[2] > colours(1.0)[0]
    assert colours(0.0)[0] > colours(0.0)[2]


def test_the_coefficients_are_counted_on_a_log_axis(tmp_path):
    bands = radial_bands((24, 24), width=1)
    figure = draw(influence(np.arange(13, dtype=np.float32)), bands)
    axis = labelled(figure, "coefficients")
    assert axis.get_yscale() == "log"
    counted = axis.patches[0].get_data().values
    assert np.isnan(counted[0])
    np.testing.assert_array_equal(counted[1:], np.asarray(bands.coefficients)[1:])
    save(figure, tmp_path)


def test_many_bands_have_fewer_ticks():
    bands = radial_bands((112, 112), width=1)
    figure = draw(influence(np.ones(57, np.float32)), bands)
    ticks = labelled(figure, "cosine lost").get_xticks()
    assert len(ticks) <= 22
    assert (ticks[0], ticks[-1]) == (0, 80)


def test_no_influence_is_said_not_drawn(tmp_path):
    figure = draw(influence(np.zeros(4, np.float32)))
    assert words(figure) == ["no band moves\nthe cosine"] * 2
    assert scales(figure) == []
    save(figure, tmp_path)


def test_frequency_figure_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="influence of the bands is not finite in 1"):
        draw(influence(np.array([0.1, np.inf, 0.2, 0.3], np.float32)))
    with pytest.raises(ValueError, match="3 influences cannot be those of 4 bands"):
        draw(influence(DIRECTED[:3]))
