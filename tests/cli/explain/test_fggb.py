import dataclasses
import json
from functools import partial
from importlib.metadata import version

import jax
import numpy as np
import pytest
from PIL import Image

from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face, sample_path
from fxai_jax.methods import fggb
from fxai_jax.runs.reading import face_reader
from tests.cli.commands import results, run
from tests.faces import relative
from tests.visualize.figures import image, titles


@pytest.mark.slow
def test_maps_manifest_and_figure_are_those_of_the_method(tmp_path, capsys, saved):
    run(
        *("explain", "fggb", sample_path("a_1"), sample_path("c_1")),
        *(
            "--gradient",
            "split",
            "--threshold",
            "-0.5",
            "--out",
            tmp_path,
            "--format",
            "pdf",
        ),
    )
    assert "accepted" in capsys.readouterr().out
    maps, manifest = results(tmp_path / "fggb_a_1_c_1")
    assert manifest["options"] == {
        "method": "fggb",
        "gradient": "split",
        "chunk_size": 16,
        "threshold": -0.5,
        "landmarks": None,
    }
    assert manifest["precision"] == "highest"
    assert manifest["randomness"]["x64"] is False
    assert manifest["versions"]["fxai-jax"] == version("fxai-jax")
    assert manifest["device"]["platform"] == "cpu"
    assert len(manifest["inputs"]["gallery"]["sha256"]) == 64
    explain = jax.jit(partial(fggb.explain, gradient="split", chunk_size=16))
    model, faces = (
        load_backbone("mobilefacenet"),
        [sample_face(n) for n in ("a_1", "c_1")],
    )
    for side, pair in (("probe", faces), ("gallery", faces[::-1])):
        expected = explain(model, *pair, threshold=np.float32(-0.5))
        for field, value in expected._asdict().items():
            assert relative(maps[f"{side}_{field}"], value) < 0.02, (side, field)
    figure = saved["fggb_a_1_c_1.pdf"]
    assert titles(figure)[:1] == ["a_1"]
    np.testing.assert_array_equal(image(figure, "a_1").get_array(), faces[0])
    assert figure.get_suptitle() == "cosine -0.124 ≥ threshold -0.500: accepted"
    drawn = {axis.get_title(): axis.images for axis in figure.axes}
    assert {"similarity", "dissimilarity"} <= {*drawn}


@pytest.mark.slow
def test_photographs_are_aligned_with_landmarks(tmp_path, capsys):
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


def test_landmarks_are_refused_for_networks_with_other_crops(tmp_path):
    card = dataclasses.replace(load_card("mobilefacenet"), alignment="mtcnn-box")
    with pytest.raises(ValueError, match="mtcnn-box crops"):
        face_reader(card, tmp_path / "points.json", [sample_path("a_1")])
