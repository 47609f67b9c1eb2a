import csv
import json
import shutil

import numpy as np
import pytest

from fxai_jax.data.samples import sample_face, sample_names, sample_path
from tests.cli.commands import fails, results, run
from tests.visualize.figures import titles, words


@pytest.fixture
def folder(tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    for name in sample_names():
        shutil.copy(sample_path(name), faces)
    return faces


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
    (folder / "c_1.png").rename(folder / "c[red]1.png")
    run("quality", folder, "--out", out, "--passes", "5")
    assert "c[red]1.png" in capsys.readouterr().out
    journal = out / "quality.jsonl"
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
