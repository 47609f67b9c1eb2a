import json
import shutil

import pytest

from fxai_jax.data.samples import sample_names, sample_path
from tests.cli.commands import fails, run
from tests.visualize.figures import curves, titles

PAIRS = [
    "a_1.png,a_2.png,1,x,0",
    "a_2.png,a_3.png,1,x,1",
    "b_1.png,a_1.png,0,y,0",
    "c_1.png,b_1.png,0,y,1",
]


def listed(folder, lines):
    for name in sample_names():
        shutil.copy(sample_path(name), folder)
    path = folder / "list.csv"
    path.write_text("\n".join(["probe,gallery,genuine,kind,fold", *lines]) + "\n")
    return path


def test_groups_and_folds_of_a_list(tmp_path, capsys, saved):
    path, out = listed(tmp_path, PAIRS), tmp_path / "out"
    run(
        "evaluate",
        "verification",
        path,
        "--threshold",
        "0.3",
        "--out",
        out,
        "--format",
        "pdf",
    )
    printed = capsys.readouterr().out
    assert "2 folds of the list" in printed
    assert "2 impostor pairs do not resolve a FAR of 1e-1" in printed
    assert "Groups with one kind of pair" in printed
    result = json.loads((out / "verification.json").read_text())
    everything, *groups = result["rows"]
    assert [row["group"] for row in groups] == ["kind=x", "kind=y"]
    assert everything["EER"] == everything["EER high"] == 0
    assert everything["accuracy at 0.300"] == 100
    assert "NaN" not in (out / "verification.json").read_text()
    figure = saved["verification.pdf"]
    assert titles(figure) == ["ROC", "cosines"]
    assert figure.axes[0].get_xscale() == "log"
    far, tar = curves(figure, "ROC")["all"]
    assert (far[0], far[-1]) == (25, 100)
    assert tar.tolist() == [100, 100, 100]
    shares = curves(figure, "cosines")
    (threshold, again), _ = shares.pop("EER threshold")
    assert threshold == again
    # The middle of the gap between the impostor pairs and the genuine ones.
    assert f"{threshold:.3f}" == everything["at cosine"] == "0.503"
    ends, genuine = shares["genuine"]
    assert threshold in ends
    assert (ends[0], ends[-1]) == pytest.approx((-0.110, 0.810), abs=1e-3)
    assert genuine[-2] == 100  # cosines .781 and .800, right of the threshold .781
    assert shares["impostor"][1][[1, 8]].tolist() == [50, 50]  # -.076 and .226
    assert "| TAR at 1e-4 |" in (out / "verification.md").read_text()


def test_mistakes_are_one_line(tmp_path, capsys):
    command = ["evaluate", "verification"]
    path = listed(tmp_path, PAIRS[:2])
    options = ["--out", tmp_path]
    assert "0 impostor pairs" in fails(capsys, *command, path, *options)
    assert "a cosine" in fails(capsys, *command, "--threshold", 2, *options)
