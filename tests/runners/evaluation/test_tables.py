import csv
import json

import numpy as np

from fxai_jax.runners.evaluation.tables import (
    Estimate,
    Table,
    cell_text,
    mean_interval,
    to_markdown,
    write_table,
)

TABLE = Table(
    "A title",
    ["name", "pairs", "area"],
    [
        {"name": "a|b", "pairs": 3, "area": Estimate(1.25, -0.5, 2.0), "hidden": 1.0},
        {"name": "c", "pairs": 12},
    ],
    ["a note"],
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
        "| name | pairs | area |",
        "|---|---|---|",
        "| a\\|b | 3 | 1.2 [-0.5, 2.0] |",
        "| c | 12 |  |",
    ]
    assert lines[-1] == "- a note"


def test_every_file_holds_the_same_numbers(tmp_path):
    write_table(tmp_path / "deep" / "table", TABLE, {"seed": 3})
    stem = tmp_path / "deep" / "table"
    assert stem.with_suffix(".md").read_text() == to_markdown(TABLE)
    with stem.with_suffix(".csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["area"] == "1.25"
    assert (rows[0]["area low"], rows[0]["area high"]) == ("-0.5", "2.0")
    assert rows[1]["area"] == ""
    content = json.loads(stem.with_suffix(".json").read_text())
    assert content["rows"][0]["area low"] == -0.5
    assert content["manifest"] == {"seed": 3}


def test_intervals_of_means_are_those_of_a_bootstrap(rng):
    values = rng.normal(size=(40, 2)) * [1.0, 5.0] + [0.0, 3.0]
    low, high = mean_interval(values, 0)
    drawn = rng.integers(40, size=(4000, 40))
    means = values[drawn].mean(1)
    expected = np.quantile(means, [0.025, 0.975], axis=0)
    spread = means.std(0)
    assert np.all(np.abs(low - expected[0]) < 0.35 * spread)
    assert np.all(np.abs(high - expected[1]) < 0.35 * spread)


def test_the_interval_of_one_pair_is_its_value():
    low, high = mean_interval(np.full((1, 1), 2.5), 0)
    assert (low, high) == ([2.5], [2.5])
