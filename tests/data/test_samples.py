import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fxai_jax.data.landmarks import check_landmarks
from fxai_jax.data.samples import (
    sample_face,
    sample_landmarks,
    sample_names,
    sample_pairs,
    sample_path,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "embeddings.npz"
NAMES = ("a_1", "a_2", "a_3", "a_partial", "b_1", "c_1")


@pytest.fixture(scope="module")
def provenance():
    return json.loads((sample_path("a_1").parent / "provenance.json").read_text())


def test_names_are_the_files():
    assert sample_names() == NAMES
    files = sample_path("a_1").parent.glob("*.png")
    assert sorted(path.stem for path in files) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_files_have_the_recorded_hash(provenance, name):
    entry = provenance["faces"][name]
    found = hashlib.sha256(sample_path(name).read_bytes()).hexdigest()
    assert found == entry["sha256"]


@pytest.mark.parametrize("name", NAMES)
def test_provenance_is_complete(provenance, name):
    entry = provenance["faces"][name]
    assert entry["licence"] == "public domain, work of the US government"
    assert entry["agency"] in {"NASA", "White House"}
    assert entry["archive"] in provenance["archives"]
    assert entry["person"] == name.split("_")[0]
    assert entry["path"]
    assert entry["notice"] is None or entry["notice"] in provenance


@pytest.mark.parametrize("name", NAMES)
def test_landmarks_are_those_of_a_face(provenance, name):
    points = sample_landmarks(name)
    np.testing.assert_array_equal(check_landmarks(points), points)
    inside = points < np.array(provenance["faces"][name]["photograph_width_height"])
    assert np.all(points > 0)
    assert np.all(inside) == (name != "a_partial")


def test_pixels_are_the_golden_ones():
    with np.load(GOLDEN) as golden:
        pairs = dict(zip(golden["names"].tolist(), golden["images"], strict=True))
    assert sorted(pairs) == list(NAMES)
    for name, pixels in pairs.items():
        with Image.open(sample_path(name)) as image:
            np.testing.assert_array_equal(np.asarray(image), pixels)
        face = sample_face(name)
        assert face.dtype == np.float32
        np.testing.assert_array_equal(face, pixels.astype(np.float32) / 255)


def test_the_pairs_lie_beside_the_faces():
    assert sample_pairs().parent == sample_path("a_1").parent
    rows = sample_pairs().read_text().splitlines()
    assert rows[0] == "probe,gallery,genuine,crop"
    assert len(rows) == 31
    assert rows.count("a_1.png,a_partial.png,1,partial") == 1
    assert rows.count("b_1.png,c_1.png,0,whole") == 1


@pytest.mark.parametrize("name", ["", "d_1", "a_1.png", "../samples/a_1"])
@pytest.mark.parametrize("load", [sample_face, sample_path, sample_landmarks])
def test_unknown_names_are_refused(load, name):
    with pytest.raises(ValueError, match="choose one of a_1, a_2, a_3, a_partial"):
        load(name)
