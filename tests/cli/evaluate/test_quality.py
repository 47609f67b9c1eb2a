import json

import pytest

from fxai_jax.data.samples import sample_path
from tests.cli.commands import fails, run
from tests.visualize.figures import curves, drawn_area, titles

SMALL = ("--passes", 20, "--steps", 2, "--draws", 1, "--maps", "plq")
# Half a face looks like somebody else (.268) rather than like its own person (.221).
PAIRS = ["a_1,a_2,1", "a_3,a_2,1", "a_1,a_partial,1", "a_partial,b_1,0"]


@pytest.mark.slow
def test_both_tables_of_a_list(tmp_path, capsys, saved):
    path, folder = tmp_path / "list.csv", sample_path("a_1").parent
    lines = ["{}.png,{}.png,{}".format(*pair.split(",")) for pair in PAIRS]
    path.write_text("\n".join(["probe,gallery,genuine", *lines]) + "\n")
    options = ("--root", folder, "--out", tmp_path)
    run("evaluate", "quality", path, *SMALL, *options, "--batch-size", 1)
    printed = capsys.readouterr().out
    assert "with 1 impostor pairs this is none of them" in printed
    discard = json.loads((tmp_path / "quality_edc.json").read_text())
    rows = [row for row in discard["rows"] if row["group"] == "all"]
    assert [row["quality"] for row in rows] == ["SER-FIQ", "random", "oracle"]
    own, random, oracle = rows
    for row in (own, oracle):  # half a face is discarded first, as it should be
        assert row["FNMR"] == pytest.approx(100 / 3, abs=1e-3)
        assert row["to 30 %"] == pytest.approx(100 / 3, abs=1e-3)
        assert row["to 100 %"] == pytest.approx(100 / 9, abs=1e-3)
        gain = random["to 100 %"] - row["to 100 %"]
        assert row["gain to 100 %"] == pytest.approx(gain, abs=1e-3)
    figure = saved["quality_edc.png"]
    assert titles(figure) == ["error against discard", "up to 30 %"]
    for row in rows:
        area = drawn_area(figure, "error against discard", row["quality"])
        assert row["to 100 %"] == pytest.approx(area, abs=0.5)
        x, y = curves(figure, "up to 30 %")[row["quality"]]
        assert (x[0], x[-1]) == (0, 30)
        assert row["to 30 %"] == pytest.approx(y.mean(), abs=0.5)
    pixels_are_those_of_the_table(tmp_path, saved["quality_pixels.png"])


def pixels_are_those_of_the_table(folder, figure):
    content = json.loads((folder / "quality_pixels.json").read_text())
    rows = [row for row in content["rows"] if row["group"] == "all"]
    names = ["PLQ", "centred Gaussian", "smooth random", "pixel random"]
    assert [row["map"] for row in rows] == 3 * names
    lowest, highest, _ = rows[::4]
    assert lowest["cosine"] > highest["cosine"]
    assert {row["pairs"] for row in rows} == {3}
    orders = {"lowest deleted": "black", "highest deleted": "black"}
    orders |= {"highest inserted": "blur"}
    panels = [f"{order}, {fill}" for order, fill in orders.items()]
    assert titles(figure) == [*panels, *panels]
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert labels == 3 * ["mean cosine"] + 3 * ["FNMR / %"]
    for row in rows:
        place = [*orders].index(row["order"])
        cosine = drawn_area(figure, figure.axes[place], row["map"])
        assert row["cosine"] == pytest.approx(100 * cosine, abs=0.01)
        error = drawn_area(figure, figure.axes[place + 3], row["map"])
        assert row["FNMR"] == pytest.approx(error, abs=0.01)


def test_mistakes_are_one_line(tmp_path, capsys):
    command = ["evaluate", "quality", "--out", tmp_path]
    assert "no map 'x'" in fails(capsys, *command, "--maps", "x")
    assert "the false match rate is in [0, 1], got 2" in fails(
        capsys, *command, "--fmr", 2
    )
