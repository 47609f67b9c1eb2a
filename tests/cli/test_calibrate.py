import json
import pickle
import shutil

import numpy as np
import pytest

from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.pairs import open_pairs
from fxai_jax.data.samples import sample_names, sample_path
from fxai_jax.evaluation.scores import chosen_threshold, score_pairs
from fxai_jax.runs.options import RunOptions
from tests.cli.commands import fails, results, run

ROWS = ("a_1,a_2,1", "a_1,a_3,1", "a_1,b_1,0", "a_2,c_1,0")


@pytest.fixture
def folder(tmp_path):
    """Twelve faces."""
    faces = tmp_path / "faces"
    faces.mkdir()
    for copy in range(2):
        for name in sample_names():
            shutil.copy(sample_path(name), faces / f"{name}_{copy}.png")
    return faces


@pytest.fixture
def packed(tmp_path):
    """A benchmark whose images are not among the faces of the folder."""
    images = [
        sample_path(name).read_bytes() for row in ROWS for name in row.split(",")[:2]
    ]
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((images, [row.endswith("1") for row in ROWS])))
    return path


@pytest.mark.slow
def test_a_card_that_the_commands_use(folder, packed, tmp_path, capsys):
    net, passes = tmp_path / "net", ("--passes", 20)
    run(
        *("calibrate", folder, "--backbone", "mobilefacenet", "--out", net),
        *("--pairs", packed, *passes),
    )
    printed = capsys.readouterr().out
    card = load_card(net)
    assert json.loads(printed[: printed.rindex("}") + 1])["threshold"] == card.threshold
    scores = score_pairs(load_backbone(net), open_pairs(packed), RunOptions())
    expected = chosen_threshold(None, scores)
    assert card.threshold == pytest.approx(expected, abs=1e-5)
    assert card.threshold not in scores.cosine.round(6)
    assert "4 labelled pairs: 2 genuine, 2 impostor" in card.threshold_measured_on
    assert card.quality["quantile_10"] < card.quality["quantile_90"]
    assert card.quality["measured_on"] == "12 images, fxai-jax calibrate"
    assert set(card.quality["gamma"]) == {"uniform", "minimum_norm"}
    run("quality", folder, "--out", tmp_path / "out", *passes)
    ranked = (tmp_path / "out" / "quality.csv").read_text().splitlines()[1:]
    median = np.median([float(line.split(",")[1]) for line in ranked])
    assert card.quality["median"] == pytest.approx(median, abs=1e-5)
    run("explain", "plq", sample_path("a_1"), "--backbone", net, "--out", tmp_path)
    options = results(tmp_path / "plq_a_1")[1]["options"]
    assert options["alpha"] == card.quality["alpha"]
    assert load_card("mobilefacenet").quality["alpha"] == 180


@pytest.mark.parametrize("name", ["card.json", "mine.txt"])
def test_a_copy_replaces_nothing(folder, tmp_path, capsys, name):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / name).write_text("mine")
    calibrate = ("calibrate", folder, "--backbone", "mobilefacenet")
    for out in (tmp_path / "net", tmp_path / "net" / name):
        assert "is there already" in fails(capsys, *calibrate, "--out", out)
    assert [path.name for path in (tmp_path / "net").iterdir()] == [name]
    assert (tmp_path / "net" / name).read_text() == "mine"


def test_pairs_alone_do_not_make_a_sample(folder, packed, tmp_path, capsys):
    calibrate = ("calibrate", folder / "a_1_0.png", "--backbone", "mobilefacenet")
    error = fails(capsys, *calibrate, "--out", tmp_path / "net", "--passes", 3)
    assert "quantiles of 1 images say little" in error
    assert not (tmp_path / "net").exists()
