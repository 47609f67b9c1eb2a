import itertools

import numpy as np
import pytest

from fxai_jax import visualize
from fxai_jax.data.pairs import Pairs, open_pairs
from fxai_jax.data.samples import sample_face, sample_pairs
from tests.visualize.figures import save, titles, words


def made(images, names=None, genuine=None, groups=None):
    """Pairs of images 0 and 1, 1 and 2, ...; None is one that cannot be read."""

    def read(i):
        if images[i] is None:
            raise ValueError(f"{i}: damaged")
        return images[i]

    n = len(images) - 1
    return Pairs(
        images=names or [f"/faces/person/{i}.png" for i in range(n + 1)],
        read=read,
        measure=lambda i: read(i).shape[:2],
        probe=np.arange(n),
        gallery=np.arange(1, n + 1),
        genuine=np.arange(n) % 2 == 0 if genuine is None else np.array(genuine),
        groups=groups or {},
    )


def grey(height, width, level=0.5):
    return np.full((height, width, 3), level, np.float32)


def colours(axis):
    return {spine.get_edgecolor()[:3] for spine in axis.spines.values()}


def test_labels_frames_names_and_groups_are_those_of_the_list(tmp_path):
    pairs = open_pairs(sample_pairs())
    figure = visualize.pair_sheet(pairs)
    assert len(figure.axes) == 30
    for i, axis in enumerate(figure.axes):
        genuine = pairs.genuine[i]
        assert axis.get_title() == ("genuine" if genuine else "impostor")
        ((red, _, blue),) = colours(axis)
        assert (blue > red) == genuine
        names = [text.get_text() for text in axis.texts]
        places = pairs.probe[i], pairs.gallery[i]
        assert names == ["/".join(pairs.images[p].split("/")[-2:]) for p in places]
        assert axis.get_xlabel() == f"crop: {pairs.groups['crop'][i]}"
    save(figure, tmp_path)


def test_faces_are_upright_with_the_probe_on_the_left():
    pairs = open_pairs(sample_pairs())
    row = next(i for i, x in enumerate(pairs.genuine) if not x)
    figure = visualize.pair_sheet(pairs.take(np.array([row])))
    (axis,) = figure.axes
    probe, gallery = axis.images
    assert probe.get_extent()[1] < gallery.get_extent()[0]
    names = (text.get_text()[6:-4] for text in axis.texts)
    for drawn, name in zip((probe, gallery), names, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), sample_face(name))
        assert drawn.origin == "upper"
        _, _, bottom, top = drawn.get_extent()
        to_screen = axis.transData.transform
        assert to_screen((0, top))[1] > to_screen((0, bottom))[1]


def test_images_of_any_shape_keep_it():
    figure = visualize.pair_sheet(made([grey(30, 60), grey(90, 30)]))
    for drawn, ratio in zip(figure.axes[0].images, (2, 1 / 3), strict=True):
        left, right, bottom, top = drawn.get_extent()
        assert (right - left) / (bottom - top) == pytest.approx(ratio)
        assert max(right - left, bottom - top) == pytest.approx(1)
    assert figure.axes[0].get_aspect() == 1


def test_an_unreadable_image_is_an_empty_cell(tmp_path):
    figure = visualize.pair_sheet(made([grey(4, 4), None, grey(4, 4), None, None]))
    assert [len(axis.images) for axis in figure.axes] == [1, 1, 1, 0]
    assert words(figure).count("unreadable") == 5
    assert words(figure).count("person/1.png") == 2
    save(figure, tmp_path)


def test_rows_are_filled_and_the_rest_stays_empty():
    images = [grey(4, 4)] * 8
    assert len(visualize.pair_sheet(made(images)).axes) == 7
    narrow = visualize.pair_sheet(made(images), columns=1)
    wide = visualize.pair_sheet(made(images), columns=99)
    assert narrow.get_size_inches()[1] == 7 * wide.get_size_inches()[1]
    assert wide.get_size_inches()[0] == 7 * narrow.get_size_inches()[0]
    with pytest.raises(ValueError, match="at least one pair"):
        visualize.pair_sheet(made(images).take(np.array([], int)))


def test_words_are_shortened_and_taken_as_they_are(tmp_path):
    names = ["x" * 90 + "/" + "y" * 90 + ".png", "/a/$x^$_{.png", "image 7 of a.bin"]
    groups = {
        "n" * 90: ["v" * 90] * 2,
        "b": ["$\\frac", ""],
        "c\n\x1b": ["x\ty", "[red]"],
        "d": ["1", "2"],
        "e": ["1", "2"],
        "f": ["1", "2"],
    }
    figure = visualize.pair_sheet(made([grey(4, 4)] * 3, names, groups=groups))
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "xxxxxxxxxxx…yyyyyyy.png",
        "a/$x^$_{.png",
    ]
    assert words(figure)[-1] == "image 7 of a.bin"
    assert figure.axes[0].get_xlabel().splitlines() == [
        "nnnnnnn…nnnnnnn: vvvvvvvvvvvvv…vvvvvvvvvvvvv",
        "b: $\\frac",
        r"c\n\x1b: x\ty",
        "d: 1",
        "and 2 more",
    ]
    save(figure, tmp_path)


@pytest.mark.parametrize("columns", [1, 4])
@pytest.mark.parametrize("groups", [0, 1, 9])
def test_no_words_lie_on_others_or_on_images(columns, groups):
    names = [f"{'W' * 40}/{i}{'M' * 40}.png" for i in range(6)]
    texts = {f"{i}{'W' * 60}": ["M" * 60] * 5 for i in range(groups)}
    pairs = made([grey(9, 9)] * 6, names, groups=texts)
    figure = visualize.pair_sheet(pairs, columns=columns)
    figure.set_dpi(150)
    figure.draw_without_rendering()
    boxes = []
    for axis in figure.axes:
        parts = [axis.title, *axis.texts, *axis.images]
        parts += [axis.xaxis.label] if groups else []
        boxes += [part.get_window_extent() for part in parts]
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
    width, height = figure.get_size_inches() * 150
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def test_a_part_of_a_set_is_drawn():
    pairs = open_pairs(sample_pairs()).limit(5, seed=0)
    found = titles(visualize.pair_sheet(pairs))
    assert found == ["genuine" if x else "impostor" for x in pairs.genuine]
