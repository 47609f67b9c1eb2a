import numpy as np
import pytest

from fxai_jax import visualize
from fxai_jax.methods.plq import PixelQuality
from fxai_jax.methods.quality import SerFiq
from tests.visualize.figures import (
    brightest,
    image,
    save,
    scales,
    spot,
    titles,
    words,
)

GREY = np.full((24, 24, 3), 0.5, np.float32)


def result(map_, quality=0.6, embedding_sum=1.5):
    numbers = [np.float32(x) for x in (quality, embedding_sum)]
    raw = SerFiq(np.float32(0.69154), np.float32(0.00212))
    return PixelQuality(map_, numbers[0], np.zeros((24, 24, 3)), numbers[1], raw)


def notes(**numbers):
    figure = visualize.quality_figure(GREY, result(spot(3, 4), **numbers))
    return figure.get_supxlabel()


def test_quality_figure_names_face_and_quality(tmp_path):
    figure = visualize.quality_figure(GREY, result(spot(3, 4)), name="someone")
    expected = "quality Q = 0.600   (SER-FIQ 0.6915 ± 0.0021)"
    assert figure.get_suptitle() == expected
    assert titles(figure) == ["someone", "pixel quality", "over the face, own range"]
    assert figure.get_supxlabel() == ""
    save(figure, tmp_path)


def test_quality_is_drawn_to_1_and_over_the_face_to_its_own_end(rng):
    map_ = 0.2 * rng.uniform(size=(24, 24))
    map_[3, 4] = 0.9
    figure = visualize.quality_figure(GREY, result(map_))
    drawn = image(figure, "pixel quality")
    assert (drawn.norm.vmin, drawn.norm.vmax) == (0, 1)
    end = np.quantile(map_, 0.99)
    expected = [("pixel quality", 0, 1), ("pixel quality, own range", 0, end)]
    for found, scale in zip(scales(figure), expected, strict=True):
        assert found == (scale[0], *map(pytest.approx, scale[1:]))
    over = np.asarray(image(figure, "over the face, own range").get_array())
    last = 0.25 + np.array(drawn.cmap(1.0)[:3]) / 2
    np.testing.assert_allclose(over[3, 4], last)
    np.testing.assert_array_equal(over[map_ >= end], over[[3], 4].repeat(6, axis=0))


def test_the_colours_of_quality_grow_lighter_to_every_eye():
    """Also without the red and green that some readers cannot tell apart."""
    drawn = image(visualize.quality_figure(GREY, result(spot(3, 4))), "pixel quality")
    colours = drawn.cmap(np.linspace(0, 1, 32))[:, :3]
    for weights in ([0.2126, 0.7152, 0.0722], [0.5, 0.5, 0.0]):
        assert (np.diff(colours @ weights) > 0).all()


def test_the_map_lies_upright_on_the_face():
    figure = visualize.quality_figure(GREY, result(spot(3, 14)))
    over = np.asarray(image(figure, "over the face, own range").get_array())
    assert brightest(over, over[0, 0]) == (3, 14)


@pytest.mark.parametrize("quality", [0.0, 0.009, 0.991, 1.0])
def test_a_saturated_quality_is_explained(quality):
    assert "saturated" in notes(quality=quality)
    assert "alpha and center" in notes(quality=quality)


def test_a_small_sum_of_the_embedding_is_explained():
    for small in (0.02, -0.09, 0.0):
        assert f"sums to {small:.3f}" in notes(embedding_sum=small)
        assert "minimum_norm" in notes(embedding_sum=small)
    assert notes(quality=0.011, embedding_sum=-0.11) == ""
    assert len(notes(quality=0.0, embedding_sum=0.0).split("\n")) == 2


def test_a_constant_map_is_said_not_drawn(tmp_path):
    figure = visualize.quality_figure(GREY, result(np.zeros((24, 24))))
    assert words(figure) == ["constant map:\n0 everywhere"]
    assert scales(figure) == []
    save(figure, tmp_path)


def test_a_map_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="map of the pixel quality is not finite"):
        visualize.quality_figure(GREY, result(spot(3, 4, height=np.nan)))


def sheet(qualities, **options):
    asked = []

    def face(index):
        asked.append(index)
        return np.full((4, 4, 3), qualities[index], np.float32)

    names = [f"face {i}" for i in range(len(qualities))]
    figure = visualize.contact_sheet(face, np.array(qualities), names, **options)
    assert len(asked) == len(titles(figure))  # those that are not shown are not read
    return figure


def test_a_contact_sheet_runs_from_the_lowest_to_the_highest(tmp_path):
    figure = sheet([0.5, 0.125, 0.9, 0.125], columns=3)
    assert titles(figure) == ["face 1", "face 3", "face 0", "face 2"]
    assert words(figure) == ["#1: 0.1250", "#2: 0.1250", "#3: 0.5000", "#4: 0.9000"]
    shown = [float(a.images[0].get_array().max()) for a in figure.axes if a.images]
    assert shown == pytest.approx([0.125, 0.125, 0.5, 0.9])
    assert "4 faces" in figure.get_suptitle()
    save(figure, tmp_path)


def test_a_contact_sheet_of_hundreds_shows_both_ends_and_says_so(rng):
    qualities = rng.permutation(300) / 300
    figure = sheet(qualities, limit=10, columns=4)
    ranks = [text.split(":")[0] for text in words(figure)]
    assert ranks == [f"#{i}" for i in [*range(1, 6), *range(296, 301)]]
    assert titles(figure)[0] == f"face {qualities.argmin()}"
    assert titles(figure)[-1] == f"face {qualities.argmax()}"
    assert [block.get_suptitle() for block in figure.subfigs] == [
        "the 5 lowest",
        "the 5 highest (290 between them are not shown)",
    ]


def test_a_contact_sheet_at_its_limit_hides_nothing():
    figure = sheet(np.linspace(0, 1, 6), limit=6)
    assert len(titles(figure)) == 6
    assert [block.get_suptitle() for block in figure.subfigs] == [""]


def test_long_names_keep_both_ends():
    name = "2024-05-17_session_of_the_morning_0042.png"
    figure = visualize.contact_sheet(lambda i: GREY, np.array([0.5]), [name])
    assert titles(figure) == ["2024-05-1…_0042.png"]


@pytest.mark.parametrize(
    ("count", "rows", "empty"),
    [(1, 1, 0), (6, 1, 0), (9, 2, 1), (17, 3, 1), (64, 8, 0)],
)
def test_a_contact_sheet_has_few_empty_places(count, rows, empty):
    figure = sheet(np.linspace(0, 1, count))
    assert sum(not a.images for a in figure.axes) == empty
    assert len({a.get_subplotspec().rowspan.start for a in figure.axes}) == rows
    width, _ = figure.get_size_inches()
    assert width == max(1.3 * len(figure.axes) / rows, 4.4)


def test_contact_sheets_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="1 qualities and 2 names"):
        visualize.contact_sheet(lambda i: GREY, np.array([0.5]), ["a", "b"])
    with pytest.raises(ValueError, match="0 qualities"):
        visualize.contact_sheet(lambda i: GREY, np.zeros(0), [])
    with pytest.raises(ValueError, match="quality is not finite in 1 of 2"):
        sheet([0.5, np.nan])
