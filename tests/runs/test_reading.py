import json

import numpy as np
import pytest
from PIL import Image

from fxai_jax.cards import load_card
from fxai_jax.data.alignment import align
from fxai_jax.data.images import load_image
from fxai_jax.data.samples import sample_face, sample_path
from fxai_jax.runs.reading import face_reader, read_ahead
from tests.faces import face_landmarks


def test_an_aligned_face_is_read_as_it_is():
    path = sample_path("a_2")
    found = face_reader(load_card("mobilefacenet"), None, [path])(path)
    np.testing.assert_array_equal(found, sample_face("a_2"))


TURNS = {  # how a camera stores what EXIF then turns upright
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
    3: Image.Transpose.ROTATE_180,
}


def photograph(rng, path, orientation=1):
    """A photograph of random pixels with the points of a face in it, upright."""
    path.parent.mkdir(exist_ok=True)
    pixels = rng.integers(0, 256, (300, 260, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    if orientation != 1:
        image, exif[0x0112] = image.transpose(TURNS[orientation]), orientation
    image.save(path, exif=exif)
    points = face_landmarks(rng)
    return points - points.mean(axis=0) + np.float32([130, 150])


def test_every_photograph_is_aligned_by_its_own_points(rng, tmp_path):
    points = {
        name: photograph(rng, tmp_path / name, orientation)
        for name, orientation in (("anna/1.png", 1), ("bert/1.png", 6), ("c/2.png", 8))
    }
    paths = [tmp_path / name for name in points]
    listed = tmp_path / "points.json"
    listed.write_text(json.dumps({name: x.tolist() for name, x in points.items()}))
    read = face_reader(load_card("mobilefacenet"), listed, paths, [tmp_path])
    listed.unlink()  # it is read once
    for path, x in zip(paths, points.values(), strict=True):
        np.testing.assert_array_equal(read(path), align(load_image(path, size=None), x))


def stored(points, orientation):
    """Where a program that ignores EXIF finds points of a photograph."""
    x, y = points.T
    turned = {6: (y, 260 - 1 - x), 8: (300 - 1 - y, x)}
    return np.stack(turned[orientation], axis=1)


@pytest.mark.parametrize("orientation", [6, 8])
def test_points_measured_before_the_turn_are_refused(rng, tmp_path, orientation):
    path, listed = tmp_path / "a.jpg", tmp_path / "points.json"
    points = photograph(rng, path, orientation)
    listed.write_text(json.dumps(stored(points, orientation).tolist()))
    with pytest.raises(ValueError, match=r"a\.jpg: the eyes lie above each other"):
        face_reader(load_card("mobilefacenet"), listed, [path])(path)


@pytest.mark.parametrize("scale", [2.5, 4])
def test_points_of_a_larger_copy_are_refused(rng, tmp_path, scale):
    path, listed = tmp_path / "a.png", tmp_path / "points.json"
    points = photograph(rng, path)
    listed.write_text(json.dumps((scale * points).tolist()))
    with pytest.raises(ValueError, match=r"a\.png: \d+ % of the face lies outside"):
        face_reader(load_card("mobilefacenet"), listed, [path])(path)


def test_batches_keep_the_order_and_the_places():
    batches = read_ahead("abcdefg", [6, 0, 3], lambda i: (np.float32(i),), 2)
    found = [[(i, float(x), error) for i, (x,), error in batch] for batch in batches]
    assert found == [[(6, 6.0, None), (0, 0.0, None)], [(3, 3.0, None)]]
