import numpy as np
import pytest

from fxai_jax import visualize
from fxai_jax.array_types import PairSaliency
from fxai_jax.data.samples import sample_face
from tests.visualize.figures import save, scales, spot, titles

SIZE = 112


def saliency(similarity, dissimilarity, cosine=0.8):
    maps = [np.asarray(m, np.float32) for m in (similarity, dissimilarity)]
    return PairSaliency(*maps, maps[0] - maps[1], np.float32(cosine))


def at(row, column, height=1.0):
    return spot(row, column, SIZE, height)


def draw(first, second, threshold=0.45):
    faces = sample_face("a_1"), sample_face("b_1")
    return visualize.pair_figure(*faces, first, second, threshold=threshold)


def test_pair_figure_names_pair_and_decision():
    both = saliency(at(30, 40), at(80, 60))
    figure = draw(both, both)
    assert "cosine 0.800 ≥ threshold 0.450: accepted" in figure.get_suptitle()
    figure = draw(both._replace(cosine=np.float32(0.1)), both)
    assert "cosine 0.100 < threshold 0.450: rejected" in figure.get_suptitle()
    assert titles(figure).count("similarity") == 2
    assert {"probe", "gallery"} <= {*titles(figure)}


def test_one_colour_scale_per_kind():
    low, high = (
        saliency(at(9, 9, 1), at(9, 9, 5)),
        saliency(at(9, 9, 4), at(9, 9, 2)),
    )
    similar, dissimilar = scales(draw(low, high))
    assert similar[:2] == ("similarity, blurred", 0)
    assert dissimilar[:2] == ("dissimilarity, blurred", 0)
    assert dissimilar[2] / similar[2] == pytest.approx(5 / 4)


@pytest.mark.parametrize("share", [0.0, 0.009])
@pytest.mark.parametrize("empty", ["similarity", "dissimilarity"])
def test_an_empty_kind_has_no_column_but_a_line(empty, share):
    maps = {"similarity": at(50, 50), "dissimilarity": at(50, 50)}
    maps[empty] = share * maps[empty]
    figure = draw(*2 * [saliency(**maps)])
    (drawn,) = {*maps} - {empty}
    assert titles(figure) == ["probe", drawn, "gallery", drawn]
    assert [label for label, *_ in scales(figure)] == [f"{drawn}, blurred"]
    expected = f"No {empty} is drawn: it is below 1 % of the {drawn}."
    assert figure.get_supxlabel() == expected
    both = draw(*2 * [saliency(at(50, 50), at(50, 50, 0.02))])
    assert len(titles(both)) == 6
    assert both.get_supxlabel() == ""
    # The faces are as large as beside two columns.
    widths = [f.get_size_inches()[0] for f in (figure, both)]
    assert widths == pytest.approx([5.2, 8.2])


def test_maps_of_zeros_leave_the_faces(tmp_path):
    nothing = saliency(*np.zeros((2, SIZE, SIZE)))
    figure = draw(nothing, nothing)
    assert titles(figure) == ["probe", "gallery"]
    assert figure.get_supxlabel() == "All maps are zero: no pixel counts."
    save(figure, tmp_path)


def test_maps_that_are_not_finite_are_refused():
    good, bad = (saliency(at(50, 50, h), at(9, 9)) for h in (1.0, np.nan))
    with pytest.raises(ValueError, match="not finite in 1 of 12544"):
        draw(good, bad)
    with pytest.raises(ValueError, match="cosine is not finite"):
        draw(good._replace(cosine=np.float32(np.nan)), good)


def test_the_map_lies_upright_on_the_face(tmp_path):
    top_left = saliency(at(10, 10), np.zeros((SIZE, SIZE)))
    figure = draw(top_left, top_left)
    picture = figure.axes[1].images[0].get_array()
    brightness = np.asarray(picture)[..., 1] - np.asarray(picture)[..., 0]
    row, column = np.unravel_index(brightness.argmax(), brightness.shape)
    assert row < 30
    assert column < 30
    save(figure, tmp_path)
