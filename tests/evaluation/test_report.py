import csv
import json

from fxai_jax.evaluation.report import (
    Estimate,
    Report,
    Table,
    cell_text,
    to_markdown,
)

TABLE = Table(
    "A title",
    [
        {"name": "a|b", "pairs": 3, "area": Estimate(1.25, -0.5, 2.0), "share": 1.0},
        {"name": "c", "pairs": 12},
    ],
    ["a note"],
    hidden=("share",),
    order=("name", "empty"),
)


def test_cells_are_read_at_a_glance():
    assert cell_text(Estimate(52.649, 48.0, 57.15)) == "52.6 [48.0, 57.1]"
    assert cell_text(3) == "3"
    assert cell_text(3.0) == "3.0"
    assert cell_text(None) == ""


def test_markdown_escapes_and_leaves_gaps():
    lines = to_markdown(TABLE).splitlines()
    assert lines[0] == "## A title"
    assert lines[2:6] == [
        "| name | empty | pairs | area | share |",
        "|---|---|---|---|---|",
        "| a\\|b |  | 3 | 1.2 [-0.5, 2.0] | 1.0 |",
        "| c |  | 12 |  |  |",
    ]
    assert lines[-1] == "- a note"


def test_every_file_holds_the_same_numbers(tmp_path):
    report = Report({"table": TABLE, "other": TABLE}, {}, {"seed": 3})
    report.write(f"{tmp_path}/deep/out")
    assert len(list((tmp_path / "deep/out").iterdir())) == 6
    stem = tmp_path / "deep/out/table"
    assert stem.with_suffix(".md").read_text() == to_markdown(TABLE)
    with stem.with_suffix(".csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["area"] == "1.25"
    assert (rows[0]["area low"], rows[0]["area high"]) == ("-0.5", "2.0")
    assert rows[1]["area"] == ""
    content = json.loads(stem.with_suffix(".json").read_text())
    assert content["rows"][0]["area low"] == -0.5
    assert content["manifest"] == {"seed": 3}
    assert content["notes"] == ["a note"]


def test_a_notebook_shows_a_report():
    rows = [{"group": "all", **TABLE.rows[0]}, {"group": "sex=f", **TABLE.rows[1]}]
    table = TABLE._replace(rows=rows, hidden=("share", "group"))
    shown = table._repr_markdown_()
    assert shown.splitlines()[2:5] == [
        "| name | pairs | area |",
        "|---|---|---|",
        "| a\\|b | 3 | 1.2 [-0.5, 2.0] |",
    ]
    assert "- a note" in shown
    assert len(shown.splitlines()) == 7
    long = TABLE._replace(printed=False)
    report = Report({"first": table, "second": table, "third": long}, {}, {})
    assert report.table is table
    assert report._repr_markdown_() == f"{shown}\n{shown}"
    assert repr(report) == "Report('A title', 'A title', 'A title')"
