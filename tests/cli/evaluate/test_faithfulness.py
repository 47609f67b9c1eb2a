import csv
import inspect
import json
import shutil

import pytest

from fxai_jax.cli.evaluate.faithfulness import evaluate_faithfulness
from fxai_jax.cli.evaluate.localisation import evaluate_localisation
from fxai_jax.data.faces import sample_path
from fxai_jax.runners.evaluation.explainers import EXPLAINERS, REFERENCES
from tests.cli.commands import fails, run

QUICK = ("--explainers", "edges", "--draws", "2")


@pytest.fixture
def listed(tmp_path):
    """Four genuine pairs in two groups, two impostor pairs, and a corrupt image."""
    for name in ("a_1", "a_2", "a_3", "b_1"):
        shutil.copy(sample_path(name), tmp_path)
    (tmp_path / "corrupt.png").write_bytes(b"no image")
    lines = ["probe,gallery,genuine,light"]
    lines += ["a_1.png,a_2.png,1,dim", "a_2.png,a_1.png,1,bright"]
    lines += ["a_1.png,a_3.png,1,dim", "a_2.png,a_3.png,1,bright"]
    lines += ["a_1.png,b_1.png,0,dim", "b_1.png,a_2.png,0,bright"]
    lines += ["a_1.png,corrupt.png,1,dim"]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def table(stem):
    with stem.with_suffix(".csv").open() as stream:
        return list(csv.DictReader(stream)), json.loads(
            stem.with_suffix(".json").read_text()
        )


def test_genuine_pairs_give_table_figure_and_manifest(listed, tmp_path, capsys):
    out = tmp_path / "out"
    quick = (*QUICK, "--fills", "blur", "--steps", "3", "--out", out)
    run("evaluate", "faithfulness", listed, *quick)
    streams = capsys.readouterr()
    assert "1 images cannot be used; 1 of 7 pairs were skipped" in streams.err
    assert "Faithfulness, preset genuine: 4 pairs" in streams.out
    rows, content = table(out / "faithfulness_genuine")
    assert [row["group"] for row in rows[::4]] == ["all", "light=bright", "light=dim"]
    by_name = {row["explainer"]: row for row in rows if row["group"] == "all"}
    assert float(by_name["centred Gaussian"]["ins - del"]) > 30
    assert float(by_name["centred Gaussian"]["over smooth random low"]) > 10
    options = content["manifest"]["options"]
    assert options["protocol"]["fills"] == ["blur"]
    assert options["skipped"] == 1
    assert content["manifest"]["backbone"]["weights_sha256"]
    assert (out / "faithfulness_genuine.png").stat().st_size > 10_000
    before = (out / "faithfulness_genuine.csv").read_text()
    run("evaluate", "faithfulness", listed, *quick)
    assert (out / "faithfulness_genuine.csv").read_text() == before


@pytest.mark.slow
def test_patches_are_looked_for_in_both_kinds_of_pairs(listed, tmp_path, capsys):
    out = tmp_path / "out"
    run("evaluate", "localisation", listed, *QUICK, "--out", out)
    rows, _ = table(out / "localisation")
    assert {row["kind"] for row in rows} == {"genuine", "impostor"}
    assert "Chance: 50 for the ROC area, 55.1" in capsys.readouterr().out
    assert all(0 <= float(row["ROC area"]) <= 100 for row in rows)
    assert (out / "localisation.png").stat().st_size > 10_000


def test_mistakes_are_one_line(listed, tmp_path, capsys):
    evaluate = ("evaluate", "faithfulness", listed, "--out", tmp_path / "out")
    assert "no explainer 'gradcam'; there are fggb" in fails(
        capsys, *evaluate, "--explainers", "gradcam"
    )
    listed.write_text("\n".join(listed.read_text().splitlines()[:3]) + "\n")
    error = fails(capsys, *evaluate, *QUICK)
    assert "found 2 genuine and 0 impostor pairs, expected both kinds" in error
    error = fails(
        capsys, *evaluate, *QUICK, "--threshold", "-1", "--preset", "rejected"
    )
    assert "none of the 2 pairs are rejected" in error


@pytest.mark.parametrize("command", [evaluate_faithfulness, evaluate_localisation])
def test_the_help_names_every_explainer(command):
    text = " ".join(inspect.getdoc(command).split())
    for name in EXPLAINERS.keys() - {*REFERENCES}:
        assert f" {name}," in text or f" {name};" in text, name
