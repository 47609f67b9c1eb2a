import json

import pytest

from tests.cli.commands import fails, run
from tests.visualize.figures import curves, titles


@pytest.mark.slow
def test_maps_of_a_network_and_of_its_wrecks(backbone, tmp_path, capsys, saved):
    options = ["--backbone", backbone, "--limit", 2, "--threshold", 0.5]
    options += ["--explainers", "xssab", "--out", tmp_path]
    run("evaluate", "sanity", *options)
    printed = capsys.readouterr().out
    assert "never looks at the network" in printed
    result = json.loads((tmp_path / "sanity.json").read_text())
    rows = result["rows"]
    assert [row["explainer"] for row in rows] == ["xSSAB"] * 8 + ["edges"] * 8
    assert [row["layers"] for row in rows] == [*range(1, 9)] * 2
    assert rows[0]["down to"] == "bn2"
    assert rows[7]["down to"] == "patch_embed"
    for row in rows[8:]:
        assert row["correlation low"] == pytest.approx(100, abs=1e-3)
    assert rows[7]["correlation"] < 90
    assert result["notes"][4].startswith("Explainers whose magnitudes hardly change")
    assert "edges (" not in result["notes"][4]
    assert result["manifest"]["options"]["layers"][0] == "bn2"
    figure = saved["sanity.png"]
    panels = {"correlation": "maps", "magnitude": "magnitudes of the maps"}
    assert titles(figure) == [*panels.values()]
    for measure, title in panels.items():
        drawn = curves(figure, title)
        for name in ("xSSAB", "edges"):
            x, y = drawn[name]
            assert x.tolist() == [*range(9)]
            found = [row[measure] for row in rows if row["explainer"] == name]
            assert y.tolist() == pytest.approx([100, *found], abs=1e-3)
    journals = tmp_path / "sanity.journals"
    assert sorted(p.name for p in journals.iterdir()) == ["edges.jsonl", "xssab.jsonl"]
    error = fails(capsys, "evaluate", "sanity", *options, "--seed", 1)
    assert "other options" in error


def test_mistakes_are_one_line(tmp_path, capsys):
    options = ["evaluate", "sanity", "--out", tmp_path]
    assert "no explainer 'lime'" in fails(capsys, *options, "--explainers", "lime")
    assert "cosine in [-1, 1]" in fails(capsys, *options, "--threshold", 7)
