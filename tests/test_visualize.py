import numpy as np
import pytest
from matplotlib import colormaps

from fxai_jax import visualize
from fxai_jax.data.faces import sample_face
from fxai_jax.methods.fggb import PairSaliency

VIRIDIS = colormaps["viridis"]


def saliency(similarity, dissimilarity, cosine=0.8):
    maps = [np.asarray(m, np.float32) for m in (similarity, dissimilarity)]
    return PairSaliency(*maps, maps[0] - maps[1], np.float32(cosine))


def spot(row, column, height=1.0):
    map_ = np.zeros((112, 112))
    map_[row, column] = height
    return map_


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def draw(first, second, threshold=0.45):
    faces = sample_face("a_1"), sample_face("b_1")
    return visualize.pair_figure(*faces, first, second, threshold=threshold)


def test_overlay_is_brightest_where_the_map_is():
    grey = np.full((40, 30, 3), 0.5)
    map_ = np.zeros((40, 30))
    map_[5, 20] = 2.0
    drawn = visualize.overlay(grey, map_, largest=2.0, colours=VIRIDIS)
    assert drawn.shape == grey.shape
    assert 0 <= drawn.min() <= drawn.max() <= 1
    distance = np.abs(drawn - drawn[0, 0]).sum(axis=-1)
    assert np.unravel_index(distance.argmax(), distance.shape) == (5, 20)


@pytest.mark.usefixtures("unchecked")
def test_overlay_refuses_what_it_cannot_draw():
    face = np.ones((4, 4, 3))
    with pytest.raises(ValueError, match=r"\(3, 4\), the face \(4, 4\)"):
        visualize.overlay(face, np.ones((3, 4)), largest=1.0, colours=VIRIDIS)
    with pytest.raises(ValueError, match="not finite"):
        visualize.overlay(face, np.full((4, 4), np.nan), largest=1.0, colours=VIRIDIS)


def test_pair_figure_names_pair_and_decision():
    both = saliency(spot(30, 40), spot(80, 60))
    figure = draw(both, both)
    assert "cosine 0.800 ≥ threshold 0.450: accepted" in figure.get_suptitle()
    figure = draw(both._replace(cosine=np.float32(0.1)), both)
    assert "cosine 0.100 < threshold 0.450: rejected" in figure.get_suptitle()
    assert titles(figure).count("similarity") == 2


def test_one_colour_scale_per_kind():
    low, high = (
        saliency(spot(9, 9, 1), spot(9, 9, 5)),
        saliency(spot(9, 9, 4), spot(9, 9, 2)),
    )
    figure = draw(low, high)
    bars = [axis for axis in figure.axes if axis.get_ylabel()]
    assert [b.get_ylabel() for b in bars] == [
        "similarity, blurred",
        "dissimilarity, blurred",
    ]
    assert bars[1].get_ylim()[1] / bars[0].get_ylim()[1] == pytest.approx(5 / 4)


def test_an_empty_map_is_said_not_drawn():
    alone = saliency(spot(50, 50), np.zeros((112, 112)))
    figure = draw(alone, alone)
    assert titles(figure).count("no dissimilarity") == 2
    assert sum(axis.get_ylabel() != "" for axis in figure.axes) == 1
    words = {text.get_text() for axis in figure.axes for text in axis.texts}
    assert visualize.NOTHING in words


def test_the_map_lies_upright_on_the_face(tmp_path):
    top_left = saliency(spot(10, 10), np.zeros((112, 112)))
    figure = draw(top_left, top_left)
    picture = figure.axes[1].images[0].get_array()
    brightness = np.asarray(picture)[..., 1] - np.asarray(picture)[..., 0]
    row, column = np.unravel_index(brightness.argmax(), brightness.shape)
    assert row < 30
    assert column < 30
    figure.savefig(tmp_path / "pair.png")
    assert (tmp_path / "pair.png").stat().st_size > 10_000
