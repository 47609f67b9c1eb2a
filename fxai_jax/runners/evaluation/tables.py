"""Tables of results: Markdown for a paper, CSV for plots, JSON with the manifest."""

import csv
import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float


class Estimate(NamedTuple):
    """A number with its interval, in the unit of its column."""

    value: float
    low: float
    high: float


RESAMPLES = 1000
Cell = str | int | float | Estimate
Row = dict[str, Cell]
Key = TypeVar("Key", bound=Hashable)


class Table(NamedTuple):
    """Rows under named columns, and what a reader has to know about them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    notes: Sequence[str]


def cell_text(cell: Cell | None) -> str:
    """A cell as it is printed.

    Args:
        cell: Text, number, estimate, or None for no value.

    Returns:
        Numbers with one decimal; an estimate with its interval in brackets.

    Example:
        >>> cell_text(Estimate(12.34, -1.0, 20.0))
        '12.3 [-1.0, 20.0]'
    """
    if cell is None:
        return ""
    if isinstance(cell, Estimate):
        value, low, high = (f"{number:.1f}" for number in cell)
        return f"{value} [{low}, {high}]"
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def to_markdown(table: Table) -> str:
    """The table in Markdown, with its notes below.

    Args:
        table: Rows under columns.

    Returns:
        Lines that end with a line break.

    Example:
        >>> print(to_markdown(Table("T", ["a"], [{"a": 1.25}], ["n"])), end="")
        ## T
        <BLANKLINE>
        | a |
        |---|
        | 1.2 |
        <BLANKLINE>
        - n
    """
    lines = [f"## {table.title}", "", _line(table.columns), "|---" * len(table.columns)]
    lines[-1] += "|"
    lines += [
        _line([cell_text(row.get(c)) for c in table.columns]) for row in table.rows
    ]
    lines += ["", *(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def write_table(stem: Path, table: Table, manifest: Mapping[str, Any]) -> None:
    """Writes a table as ``stem.md``, ``stem.csv`` and ``stem.json``.

    Args:
        stem: Target without suffix; its folder is made.
        table: Rows under columns. An estimate takes three columns of the CSV file.
        manifest: From `fxai_jax.runners.results.make_manifest`, for the JSON file.

    Example:
        >>> write_table(Path("out/table"), table, manifest)  # doctest: +SKIP
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(f"{stem.name}.md").write_text(to_markdown(table), "utf-8")
    flat = [_flat(row) for row in table.rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    path = stem.with_name(f"{stem.name}.csv")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(flat)
    content = {
        "title": table.title,
        "rows": flat,
        "notes": list(table.notes),
        "manifest": manifest,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    stem.with_name(f"{stem.name}.json").write_text(text + "\n", "utf-8")


def mean_interval(
    values: Float[np.ndarray, "n m"], seed: int
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """95 % bootstrap intervals of the means of columns over the same pairs.

    Args:
        values: m numbers of each of n pairs.
        seed: Start of the random numbers.

    Returns:
        Lower and upper ends with shape (m,), interpolated between resamples. As
        `fxai_jax.metrics.resampling.bootstrap`, but nothing to compile for a mean.

    Example:
        >>> [end.tolist() for end in mean_interval(np.ones((3, 1)), 0)]
        [[1.0], [1.0]]
    """
    rng = np.random.default_rng(seed)
    count = len(values)
    drawn = (rng.multinomial(count, [1 / count] * count) for _ in range(RESAMPLES))
    means = np.stack([times @ values for times in drawn]) / count
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low, high


def mean_estimates(
    columns: Mapping[Key, Float[np.ndarray, " n"]], seed: int
) -> dict[Key, Estimate]:
    """Means of columns over the same pairs, each with its `mean_interval`.

    Args:
        columns: A number of each of n pairs, by any key.
        seed: Start of the random numbers.

    Returns:
        Estimates by the same keys.

    Example:
        >>> mean_estimates({"a": np.array([1.0, 1.0])}, 0)["a"].value
        1.0
    """
    values = np.stack(list(columns.values()), axis=1).astype(np.float64)
    each = zip(columns, values.mean(0), *mean_interval(values, seed), strict=True)
    return {key: Estimate(*map(float, numbers)) for key, *numbers in each}


def estimate_rows(
    columns: Mapping[tuple[str, str], Float[np.ndarray, " n"]], seed: int
) -> dict[str, Row]:
    """`mean_estimates` of columns that belong to rows.

    Args:
        columns: A number of each of n pairs, by row and name of the column.
        seed: Start of the random numbers.

    Returns:
        The estimates of each row, by its key.

    Example:
        >>> rows = estimate_rows({("FGGB", "deletion"): np.array([1.0, 1.0])}, 0)
        >>> rows["FGGB"]["deletion"].value
        1.0
    """
    rows: dict[str, Row] = {}
    for (row, column), estimate in mean_estimates(columns, seed).items():
        rows.setdefault(row, {})[column] = estimate
    return rows


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _flat(row: Row) -> dict[str, str | int | float]:
    flat: dict[str, str | int | float] = {}
    for name, cell in row.items():
        if isinstance(cell, Estimate):
            flat |= {
                name: cell.value,
                f"{name} low": cell.low,
                f"{name} high": cell.high,
            }
        else:
            flat[name] = cell
    return flat
