import json
import shutil

from fxai_jax.data.faces import sample_names, sample_path
from tests.cli.commands import fails, run

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


def test_groups_and_folds_of_a_list(tmp_path, capsys):
    path, out = listed(tmp_path, PAIRS), tmp_path / "out"
    run("evaluate", "verification", path, "--threshold", "0.3", "--out", out)
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
    assert (out / "verification.png").stat().st_size > 10_000
    assert "| TAR at 1e-4 |" in (out / "verification.md").read_text()


def test_mistakes_are_one_line(tmp_path, capsys):
    command = ["evaluate", "verification"]
    path = listed(tmp_path, PAIRS[:2])
    options = ["--out", tmp_path]
    assert "0 impostor pairs" in fails(capsys, *command, path, *options)
    assert "a cosine" in fails(capsys, *command, "--threshold", 2, *options)
