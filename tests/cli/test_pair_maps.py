import dataclasses
import json
from importlib.metadata import version

import pytest
from PIL import Image

from fxai_jax.cards import load_card
from fxai_jax.cli.shared import read_face
from fxai_jax.data.faces import sample_path
from tests.cli.commands import results, run


def test_explain_fggb_writes_what_it_was_told(tmp_path, capsys):
    run(
        *("explain", "fggb", sample_path("a_1"), sample_path("c_1")),
        *("--gradient", "split", "--threshold", "-0.5", "--out", tmp_path),
    )
    assert "accepted" in capsys.readouterr().out
    maps, manifest = results(tmp_path / "fggb_a_1_c_1")
    assert manifest["options"]["gradient"] == "split"
    assert manifest["options"]["threshold"] == -0.5
    assert manifest["precision"] == "highest"
    assert manifest["versions"]["fxai-jax"] == version("fxai-jax")
    assert manifest["device"]["platform"] == "cpu"
    assert len(manifest["inputs"]["gallery"]["sha256"]) == 64
    assert maps["probe_signed"].shape == (112, 112)
    assert maps["probe_dissimilarity"].min() >= 0


def test_explain_aligns_photographs_with_landmarks(tmp_path, capsys):
    data = pytest.importorskip("skimage.data")
    photograph = tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()).save(photograph)
    points = [[205, 102], [247, 104], [225, 129], [202, 139], [245, 142]]
    landmarks = tmp_path / "points.json"
    landmarks.write_text(json.dumps({"astronaut.png": points}))
    run(
        *("explain", "fggb", photograph, photograph, "--landmarks", landmarks),
        *("--out", tmp_path),
    )
    streams = capsys.readouterr()
    assert "1.000" in streams.out
    assert "same file" in streams.err


def test_explain_frequency_writes_what_it_was_told(tmp_path, capsys):
    run(
        *("explain", "frequency", sample_path("a_1"), sample_path("a_2")),
        *("--width", "8", "--corners", "drop", "--out", tmp_path),
    )
    assert "accepted" in capsys.readouterr().out
    arrays, manifest = results(tmp_path / "frequency_a_1_a_2")
    assert manifest["options"]["width"] == 8
    assert arrays["probe_directed"].shape == (7,)
    assert arrays["edges"][-1].tolist() == [48, 56]
    low, high = arrays["gallery_absolute"][[0, -1]]
    assert low > high
    with Image.open(tmp_path / "frequency_a_1_a_2.png") as figure:
        assert figure.size[0] > 800


def test_landmarks_are_refused_for_networks_with_other_crops(tmp_path):
    card = dataclasses.replace(load_card("mobilefacenet"), alignment="mtcnn-box")
    with pytest.raises(ValueError, match="mtcnn-box crops"):
        read_face(sample_path("a_1"), tmp_path / "points.json", card)
