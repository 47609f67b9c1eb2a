import numpy as np
import pytest

from fxai_jax.cards import load_card
from fxai_jax.data.samples import sample_face, sample_path
from fxai_jax.runs.reading import find_images, read_ahead, read_face


@pytest.fixture
def folder(tmp_path):
    deep = tmp_path / "faces" / "deep"
    deep.mkdir(parents=True)
    for i in range(11):
        (deep / f"{i:02}.png").touch()
    return tmp_path / "faces"


def test_images_are_found_in_folders_once_and_in_order(folder):
    paths = find_images([folder, folder / "deep" / "03.png"])
    assert [path.name for path in paths] == [f"{i:02}.png" for i in range(11)]
    first = find_images([folder / "deep" / "03.png", folder])
    assert [path.name for path in first][:2] == ["03.png", "00.png"]
    (folder / "notes.txt").write_text("x")
    assert find_images([folder]) == paths
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_images([folder / "nowhere"])
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"no images \(\.bmp.* in what was given"):
        find_images([empty])


def test_an_aligned_face_is_read_as_it_is():
    card = load_card("mobilefacenet")
    found = read_face(sample_path("a_2"), card)
    np.testing.assert_array_equal(found, sample_face("a_2"))


def test_batches_keep_the_order_and_the_places():
    batches = read_ahead("abcdefg", [6, 0, 3], lambda i: (np.float32(i),), 2)
    found = [[(i, float(x), error) for i, (x,), error in batch] for batch in batches]
    assert found == [[(6, 6.0, None), (0, 0.0, None)], [(3, 3.0, None)]]
