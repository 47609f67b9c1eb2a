import json

from tests.cli.commands import fails, run

SMALL = ("--limit", 4, "--passes", 3, "--steps", 2, "--draws", 1, "--maps", "plq")


def test_both_tables_of_the_sample_faces(tmp_path, capsys):
    options = ("--perturb", "probe", "--batch-size", 1, "--out", tmp_path)
    run("evaluate", "quality", *SMALL, *options)
    printed = capsys.readouterr().out
    assert "impostor pairs this is none of them" in printed
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
