import csv
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest

from fxai_jax.data.alignment import ARCFACE_TEMPLATE
from fxai_jax.data.samples import sample_face, sample_names, sample_path
from tests.cli.commands import fails, results, run
from tests.hostile import hostile_names
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
    run("quality", folder, "--out", out, "--batch-size", "4", "--format", "svg")
    streams = capsys.readouterr()
    assert "1 of 7 images were skipped" in streams.err
    with (out / "quality.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    names = [row["path"].split("/")[-1] for row in rows]
    assert names[0] == "a_partial.png"
    qualities = [float(row["quality"]) for row in rows]
    assert qualities == sorted(qualities)
    assert len(rows) == 6
    sheet = saved["quality.svg"]
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
    earlier = "note: quality: 5 of 6 images are those of an earlier run\n"
    assert earlier in capsys.readouterr().err
    message = fails(capsys, "quality", folder, "--out", out, "--passes", "6")
    assert "other options" in message


def test_landmarks_cost_the_images_that_they_do_not_fit(folder, tmp_path, capsys):
    (folder / "deep").mkdir()
    shutil.copy(folder / "b_1.png", folder / "deep" / "a_1.png")
    shutil.copy(folder / "b_1.png", folder / "unlisted.png")
    template = ARCFACE_TEMPLATE.tolist()
    points = dict.fromkeys(("a_1", "a_2", "deep/a_1.png"), template)
    points |= {"a_3": (ARCFACE_TEMPLATE + 90).tolist(), "c_1": template[:4]}
    points |= {"b_1": (ARCFACE_TEMPLATE * [1, 0]).tolist(), "a_partial": template}
    listed = tmp_path / "points.json"
    listed.write_text(json.dumps(points))
    out = tmp_path / "out"
    run("quality", folder, "--landmarks", listed, "--out", out, "--passes", "3")
    errors = capsys.readouterr().err
    assert "4 of 8 images were skipped" in errors
    for name, reason in (
        ("a_3.png: ", "% of the face lies outside the 112 x 112 photograph"),
        ("points.json: of ", "c_1.png, found float64 values with shape (4, 2)"),
        ("points.json: of ", "b_1.png, found points on one line"),
        ("there is no entry for ", "unlisted.png"),
    ):
        (line,) = (x for x in errors.splitlines() if name in x and reason in x)
        assert line.startswith("note: skipped ")
    with (out / "quality.csv").open() as stream:
        rows = [row["path"] for row in csv.DictReader(stream)]
    assert sorted(path.removeprefix(f"{folder}/") for path in rows) == [
        *("a_1.png", "a_2.png", "a_partial.png", "deep/a_1.png")
    ]
    listed.write_text(json.dumps(points | {"a_1": (ARCFACE_TEMPLATE + 1).tolist()}))
    again = ("quality", folder, "--landmarks", listed, "--out", out, "--passes", "3")
    assert "(landmarks_sha256 was " in fails(capsys, *again)


@pytest.mark.parametrize("content", ["[[1, 2", "{}", "[]", None])
def test_a_bad_landmarks_file_is_blamed_as_such(folder, tmp_path, capsys, content):
    listed = tmp_path / "points.json"
    if content is not None:
        listed.write_text(content)
    error = fails(capsys, "quality", folder, "--landmarks", listed, "--out", tmp_path)
    assert error.startswith(f"fxai-jax: error: {listed}: ")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_names_of_any_bytes_are_ranked_written_and_shown(rng, tmp_path, capsys, saved):
    faces, out = tmp_path / "faces", tmp_path / os.fsdecode(b"caf\xe9\x1b[31m")
    (faces / "deep").mkdir(parents=True)
    names = hostile_names(rng, 9)
    for i, name in enumerate([*names, b"deep/1.png", b"1.png"]):
        source = sample_path(sample_names()[i % 6])
        shutil.copy(source, os.path.join(os.fsencode(faces), name))
    (faces / os.fsdecode(b"\x1b[2J\xe9.png")).write_bytes(b"x")
    for _ in range(2):  # the second time from its notes
        run("quality", faces, "--out", out, "--passes", "3")
        streams = capsys.readouterr()
        assert "\x1b" not in streams.out + streams.err
        assert r"skipped " + str(faces) + r"/\x1b[2J\xe9.png: this is" in streams.err
        text = (out / "quality.csv").read_bytes().decode("utf-8", "surrogateescape")
        paths = [row["path"] for row in csv.DictReader(io.StringIO(text, newline=""))]
        found = {os.fsencode(path) for path in paths}
        assert found == {
            os.path.join(os.fsencode(faces), name)
            for name in [*names, b"deep/1.png", b"1.png"]
        }
    assert {"deep/1.png", "1.png"} < set(titles(saved["quality.png"]))
