import csv
import json
import shutil

import numpy as np
import pytest

from fxai_jax.cards import load_card
from fxai_jax.data.faces import sample_face, sample_names, sample_path
from tests.cli.commands import fails, results, run
from tests.visualize.figures import titles, words


@pytest.fixture
def folder(tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    for name in sample_names():
        shutil.copy(sample_path(name), faces)
    return faces


def test_explain_plq_writes_map_and_quality(tmp_path, capsys):
    face = sample_path("a_1")
    run("explain", "plq", face, "--regression", "minimum_norm", "--out", tmp_path)
    assert "0.70" in capsys.readouterr().out
    arrays, manifest = results(tmp_path / "plq_a_1")
    assert arrays["map"].shape == (112, 112)
    assert 0 <= arrays["map"].min() <= arrays["map"].max() <= 1
    assert manifest["options"]["gamma"] == 11.38
    assert manifest["options"]["regression"] == "minimum_norm"


def test_a_saturated_quality_is_reported(tmp_path, capsys):
    run("explain", "plq", sample_path("a_partial"), "--out", tmp_path)
    assert "saturated" in capsys.readouterr().err


def test_quality_ranks_faces_and_skips_bad_files(folder, tmp_path, capsys, saved):
    (folder / "broken.png").write_bytes(b"x")
    out = tmp_path / "out"
    run("quality", folder, "--out", out, "--batch-size", "4")
    streams = capsys.readouterr()
    assert "1 of 7 images were skipped" in streams.err
    with (out / "quality.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    names = [row["path"].split("/")[-1] for row in rows]
    assert names[0] == "a_partial.png"
    qualities = [float(row["quality"]) for row in rows]
    assert qualities == sorted(qualities)
    assert len(rows) == 6
    sheet = saved["quality.png"]
    assert titles(sheet) == names
    values = [float(text.split(": ")[1]) for text in words(sheet)]
    assert values == pytest.approx(qualities, abs=1e-4)
    drawn = [axis.images[0].get_array() for axis in sheet.axes if axis.images]
    for name, picture in zip(names, drawn, strict=True):
        np.testing.assert_array_equal(picture, sample_face(name.removesuffix(".png")))
    run("explain", "plq", sample_path("c_1"), "--out", out)
    alone = results(out / "plq_c_1")[0]["ser_fiq_quality"]
    assert qualities[names.index("c_1.png")] == pytest.approx(float(alone), abs=2e-6)


def test_quality_goes_on_and_refuses_another_run(folder, tmp_path, capsys):
    out = tmp_path / "out"
    run("quality", folder, "--out", out, "--passes", "5")
    journal = out / "quality.journal"
    head, *lines = journal.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records[:5]:
        record["values"]["quality"] = 0.125
    kept = [json.dumps(record) for record in records[:5]]
    journal.write_text("\n".join([head, *kept]) + "\n")
    run("quality", folder, "--out", out, "--passes", "5")
    with (out / "quality.csv").open() as stream:
        rows = {row["path"]: float(row["quality"]) for row in csv.DictReader(stream)}
    assert [rows[record["name"]] for record in records[:5]] == [0.125] * 5
    last = records[5]
    assert rows[last["name"]] == pytest.approx(last["values"]["quality"], abs=1e-6)
    message = fails(capsys, "quality", folder, "--out", out, "--passes", "6")
    assert "other options" in message


@pytest.mark.slow
def test_explain_amva_of_one_face_and_of_groups(folder, tmp_path, capsys):
    run("explain", "amva", folder / "a_1.png", "--out", tmp_path / "one")
    arrays, _ = results(tmp_path / "one" / "amva_a_1")
    assert arrays["activation"].shape == (7, 7)
    assert arrays["map"].max() == pytest.approx(1)
    for name in ("a_3", "c_1"):
        (folder / f"{name}.png").unlink()
    run("explain", "amva", folder, "--out", tmp_path / "set", "--passes", "20")
    assert "AUROC" in capsys.readouterr().out
    arrays, manifest = results(tmp_path / "set" / "amva")
    assert manifest["options"]["worst"].endswith("a_partial.png")
    assert arrays["high_std"].shape == (112, 112)
    assert len(manifest["inputs"]) == 4


@pytest.mark.slow
def test_calibrate_writes_a_card_that_the_commands_use(folder, tmp_path, capsys):
    for copy in range(2):
        for name in sample_names():
            shutil.copy(sample_path(name), folder / f"{name}_{copy}.png")
    pairs = tmp_path / "pairs.csv"
    rows = ["a_1,a_2,1", "a_1,a_3,1", "a_1,b_1,0", "a_2,c_1,0"]
    lines = [
        f"faces/{probe}.png,faces/{gallery}.png,{label}"
        for probe, gallery, label in (row.split(",") for row in rows)
    ]
    pairs.write_text("\n".join(["path_a,path_b,label", *lines]) + "\n")
    net = tmp_path / "net"
    run(
        *("calibrate", folder, "--backbone", "mobilefacenet", "--out", net),
        *("--pairs", pairs, "--passes", "20"),
    )
    printed = capsys.readouterr().out
    card = load_card(net)
    assert json.loads(printed[: printed.rindex("}") + 1])["threshold"] == card.threshold
    assert 0.44 < card.threshold < 0.81
    assert card.quality["quantile_10"] < card.quality["quantile_90"]
    assert set(card.quality["gamma"]) == {"uniform", "minimum_norm"}
    run("explain", "plq", sample_path("a_1"), "--backbone", net, "--out", tmp_path)
    options = results(tmp_path / "plq_a_1")[1]["options"]
    assert options["alpha"] == card.quality["alpha"]
    assert load_card("mobilefacenet").quality["alpha"] == 180
