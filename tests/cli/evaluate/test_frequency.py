import json
import shutil

import numpy as np
import pytest

from fxai_jax.data.samples import sample_names, sample_path
from tests.cli.commands import fails, run
from tests.visualize.figures import curves, drawn_area, titles

SMALL = ("--width", 28, "--draws", 1, "--limit", 4)


@pytest.mark.slow
def test_low_frequencies_carry_the_sample_faces(tmp_path):
    run("evaluate", "frequency", "--out", tmp_path)
    rows = json.loads((tmp_path / "frequency.json").read_text())["rows"]
    by_influence, rising, falling, random = rows[:4]
    assert by_influence["ins - del low"] > 20
    assert by_influence["over low to high low"] > 0
    assert by_influence["deletion"] < rising["deletion"] < random["deletion"]
    assert random["deletion"] < falling["deletion"]
    bands = json.loads((tmp_path / "frequency_influence.json").read_text())["rows"]
    assert bands[1]["influence low"] > 5
    assert abs(bands[14]["influence"]) < 0.1


@pytest.mark.slow
def test_bands_of_the_sample_faces(backbone, tmp_path, capsys, saved):
    run("evaluate", "frequency", *SMALL, "--backbone", backbone, "--out", tmp_path)
    printed = capsys.readouterr().out
    assert "as far as genuine pairs link their images" in printed
    result = json.loads((tmp_path / "frequency.json").read_text())
    rows = [row for row in result["rows"] if row["group"] == "all"]
    assert [r["order"] for r in rows] == [
        "influence",
        "low to high",
        "high to low",
        "random",
    ]
    _, rising, falling, random = rows
    assert rising["ins - del"] == pytest.approx(-falling["ins - del"], abs=1e-3)
    assert random["deletion"] == pytest.approx(random["insertion"], abs=1e-3)
    assert "no false match" in result["notes"][2]
    figure = saved["frequency.png"]
    panels = {
        "deletion": "deletion, genuine pairs",
        "insertion": "insertion, genuine pairs",
        "FNMR area": "FNMR at no false match, all pairs",
        "EER area": "EER, all pairs",
    }
    assert titles(figure) == [*panels.values()]
    for row in rows:
        for column, title in panels.items():
            area = drawn_area(figure, title, row["order"])
            unit = 1 if "area" in column else 100
            assert row[column] == pytest.approx(unit * area, abs=1e-3)
    bands = json.loads((tmp_path / "frequency_influence.json").read_text())
    kinds = [r for r in bands["rows"] if r["pairs"] == "all"]
    assert [r["band"] for r in kinds] == ["0-28", "28-56", "56-80"] * 2
    figure = saved["frequency_influence.png"]
    for name in ("genuine", "impostor"):
        x, y = curves(figure, "mean of the group")[name]
        found = [r["influence"] for r in kinds if r["group"] == name]
        np.testing.assert_allclose(100 * y, found, atol=1e-4)
        assert x.tolist() == [14, 42, 68]
    assert "| genuine |" in (tmp_path / "frequency_influence.md").read_text()


@pytest.mark.slow
def test_persons_that_the_list_names(backbone, tmp_path, capsys):
    for name in sample_names():
        shutil.copy(sample_path(name), tmp_path)
    lines = [
        "probe,gallery,genuine,identity_a,identity_b",
        "a_1.png,a_2.png,1,a,a",
        "a_2.png,a_3.png,1,a,a",
        "b_1.png,a_1.png,0,b,a",
        "c_1.png,b_1.png,0,c,b",
    ]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    options = [*SMALL, "--corners", "merge", "--backbone", backbone]
    run("evaluate", "frequency", path, *options, "--out", out)
    note = "who recur, as the columns identity_a and identity_b name them, "
    assert capsys.readouterr().out.count(note) == 1
    for table in ("frequency", "frequency_influence"):
        assert note in (out / f"{table}.md").read_text()
    assert [p.name for p in out.glob("*.png")].count("frequency_influence.png") == 1
    assert len([*out.glob("*.png")]) == 2
    result = json.loads((out / "frequency.json").read_text())
    assert {row["group"] for row in result["rows"]} == {"all"}


def test_mistakes_are_one_line(tmp_path, capsys):
    options = ["evaluate", "frequency", "--out", tmp_path]
    assert "false match rate is in [0, 1]" in fails(capsys, *options, "--fmr", 2)
    assert "width of a band" in fails(capsys, *options, "--width", 0)
    assert "at least 1 of the draws" in fails(capsys, *options, "--draws", 0)
