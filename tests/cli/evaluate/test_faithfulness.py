import csv
import json
import shutil

import pytest

from fxai_jax.data.samples import sample_path
from fxai_jax.evaluation.registry import EXPLAINERS, REFERENCES
from tests.cli.commands import fails, run
from tests.visualize.figures import curves, drawn_area, titles

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


@pytest.fixture
def quick(tmp_path):
    out = ("--out", tmp_path / "out")
    return (*QUICK, "--fills", "blur", "--steps", "3", *out)


@pytest.mark.slow
def test_genuine_pairs_give_table_figure_and_manifest(listed, quick, capsys, saved):
    run("evaluate", "faithfulness", listed, *quick)
    out = quick[-1]
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
    threshold, _, drawing, *_ = content["notes"]
    assert (
        f"3 steps, probe perturbed, threshold {options['threshold']:.3f}" in threshold
    )
    assert drawing.startswith("blur: ins - del of smooth random orders lies in [")
    figure = saved["faithfulness_genuine.png"]
    assert titles(figure) == ["deletion, blur", "insertion, blur"]
    for name, row in by_name.items():
        for mode in ("deletion", "insertion"):
            area = 100 * drawn_area(figure, f"{mode}, blur", name)
            assert float(row[mode]) == pytest.approx(area, abs=0.01)
    shown = curves(figure, "deletion, blur")["edges"]
    assert shown[0] == pytest.approx([0, 100 / 3, 200 / 3, 100])
    assert {axis.get_ylabel() for axis in figure.axes} == {"mean cosine"}
    goes_on(listed, quick)


def goes_on(listed, quick):
    """The same command again takes what is in the journal, and nothing else."""
    stem = quick[-1] / "faithfulness_genuine"
    before, _ = table(stem)
    journal = stem.with_name("faithfulness.journals") / "edges.jsonl"
    head, *lines = journal.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        record["values"]["highest deleted, blur"] = [[0.25] * 4]
    journal.write_text("\n".join([head, *map(json.dumps, records)]) + "\n")
    run("evaluate", "faithfulness", listed, *quick)
    after, _ = table(stem)
    assert len(records) == 4
    for old, new in zip(before, after, strict=True):
        if old["explainer"] == "edges":
            assert float(new["deletion"]) == pytest.approx(25)
            assert new["insertion"] == old["insertion"]
        else:
            assert new["deletion"] == old["deletion"]


@pytest.mark.slow
def test_patches_are_looked_for_in_both_kinds_of_pairs(listed, tmp_path, capsys, saved):
    out = tmp_path / "out"
    run("evaluate", "localisation", listed, *QUICK, "--out", out)
    rows, content = table(out / "localisation")
    assert "Chance: 50 for the ROC area, 55.1" in capsys.readouterr().out
    assert content["manifest"]["options"]["patches"] == 27
    figure = saved["localisation.png"]
    assert titles(figure) == ["patched genuine pairs", "patched impostor pairs"]
    for row in rows:
        if row["group"] == "all":
            x, errors = curves(figure, f"patched {row['kind']} pairs")[row["explainer"]]
            assert x.tolist() == [5 * i for i in range(20)]
            assert float(row["error patched"]) == pytest.approx(errors[0], abs=0.01)
            restored = errors[1:].mean()
            assert float(row["error restored"]) == pytest.approx(restored, abs=0.01)
    by_name = {(row["explainer"], row["kind"]): row for row in rows[:8]}
    for kind in ("genuine", "impostor"):
        chance = by_name["pixel random", kind]
        assert float(chance["ROC area"]) == pytest.approx(50, abs=1.5)
        assert float(chance["PR area"]) == pytest.approx(55.1, abs=1.5)
        assert float(by_name["edges", kind]["ROC area"]) != pytest.approx(50, abs=0.1)


def test_mistakes_are_one_line(listed, tmp_path, capsys):
    evaluate = ("evaluate", "faithfulness", listed, "--out", tmp_path / "out")
    assert "no explainer 'gradcam'; there are fggb" in fails(
        capsys, *evaluate, "--explainers", "gradcam"
    )
    listed.write_text("\n".join(listed.read_text().splitlines()[:3]) + "\n")
    (listed.parent / "corrupt.png").unlink()
    error = fails(capsys, *evaluate, *QUICK)
    assert "found 2 genuine and 0 impostor pairs, expected both kinds" in error
    error = fails(
        capsys, *evaluate, *QUICK, "--threshold", "-1", "--preset", "rejected"
    )
    assert "none of the 2 pairs are rejected" in error


@pytest.mark.parametrize("command", ["faithfulness", "localisation", "sanity"])
def test_the_help_names_every_explainer(command, capsys):
    with pytest.raises(SystemExit) as stop:
        run("evaluate", command, "--help")
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name in EXPLAINERS.keys() - {*REFERENCES}:
        alone = command == "sanity" and name == "edges"  # always evaluated
        assert alone or f" {name}," in text or f" {name};" in text, name
