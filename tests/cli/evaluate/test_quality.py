import json

import pytest

from fxai_jax.data.faces import sample_path
from tests.cli.commands import fails, run

SMALL = ("--passes", 3, "--steps", 2, "--draws", 1, "--maps", "plq")


@pytest.mark.slow
def test_both_tables_of_a_list(tmp_path, capsys):
    path, folder = tmp_path / "list.csv", sample_path("a_1").parent
    lines = ["a_1.png,a_2.png,1", "a_3.png,a_2.png,1", "a_1.png,b_1.png,0"]
    path.write_text("\n".join(["probe,gallery,genuine", *lines]) + "\n")
    options = ("--root", folder, "--out", tmp_path)
    run("evaluate", "quality", path, *SMALL, *options, "--batch-size", 1)
    printed = capsys.readouterr().out
    assert "with 1 impostor pairs this is none of them" in printed
    discard = json.loads((tmp_path / "quality_edc.json").read_text())
    rows = [row for row in discard["rows"] if row["group"] == "all"]
    assert [row["quality"] for row in rows] == ["SER-FIQ", "random", "oracle"]
    assert rows[2]["to 100 %"] <= rows[0]["to 100 %"]
    pixels = json.loads((tmp_path / "quality_pixels.json").read_text())
    rows = [row for row in pixels["rows"] if row["group"] == "all"]
    assert [row["map"] for row in rows[:4]] == [
        "PLQ",
        "centred Gaussian",
        "smooth random",
        "pixel random",
    ]
    lowest, highest, inserted = rows[::4]
    assert lowest["cosine"] > highest["cosine"]
    assert {row["pairs"] for row in rows} == {2}
    assert "over centred Gaussian" in inserted
    for name in ("quality_edc", "quality_pixels"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_mistakes_are_one_line(tmp_path, capsys):
    command = ["evaluate", "quality", "--out", tmp_path]
    assert "no map 'x'" in fails(capsys, *command, "--maps", "x")
    assert "an error rate is in" in fails(capsys, *command, "--fmr", 2)
