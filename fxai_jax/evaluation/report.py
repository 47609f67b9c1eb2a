"""What an evaluation found: tables for a paper, curves to draw, a manifest."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fxai_jax.data.names import KEPT
from fxai_jax.runs.manifest import write_json
from fxai_jax.writing import local_folder, written


class Estimate(NamedTuple):
    """A number with its interval, in the unit of its column."""

    value: float
    low: float
    high: float


Cell = str | int | float | Estimate
Row = dict[str, Cell]


class Table(NamedTuple):
    """Rows under named columns, and what a reader has to know about them."""

    title: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    hidden: Sequence[str] = ()
    """Columns that are in the files but not printed."""

    printed: bool = True
    """Whether it is short enough to be printed at all."""

    order: Sequence[str] = ()
    """Columns that come first, also where no row has a cell in them."""

    @property
    def columns(self) -> list[str]:
        """All columns, in the order in which rows bring them."""
        named = [name for row in self.rows for name in row]
        return list(dict.fromkeys([*self.order, *named]))

    def brief(self) -> "Table":
        """What is printed: the rows of all pairs, without hidden and empty columns."""
        rows = [row for row in self.rows if row.get("group", "all") == "all"]
        shown = [
            name
            for name in self.columns
            if name not in self.hidden and any(name in row for row in rows)
        ]
        cells = [{name: row[name] for name in shown if name in row} for row in rows]
        return self._replace(rows=cells, hidden=(), order=shown)

    def _repr_markdown_(self) -> str:
        return to_markdown(self.brief())


class Line(NamedTuple):
    """One curve, with the band that an interval spans around it."""

    x: np.ndarray
    y: np.ndarray
    band: tuple[np.ndarray, np.ndarray] | None = None
    reference: bool = False
    """Whether it is what the others are compared with; drawn grey."""

    stairs: bool = False
    """Whether each value holds until the next x."""


class Panel(NamedTuple):
    """Curves that share their axes."""

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Line]
    log_x: bool = False
    zero: bool = False
    """Whether the height 0 is marked, for values of both signs."""

    y_range: tuple[float | None, float | None] = (None, None)
    """Ends of the upright axis that the values have by nature; None fits the lines."""


class Chart(NamedTuple):
    """Panels of one figure, a row of `columns` after the other."""

    title: str
    panels: Sequence[Panel]
    columns: int
    share_y: bool = False
    highlighted: Sequence[str] = ()
    """Lines that stand out, the first most; the others but references are grey and
    thin. None named, all stand out."""


MOST_HIGHLIGHTED = 4
"""More lines than these can hardly be told apart beside the references."""


def best(merits: Mapping[str, float]) -> list[str]:
    """The names that stand out in a chart: those of the largest merit, best first.

    Example:
        >>> best({"a": 1.0, "b": 3.0, "c": 0.0, "d": 2.0, "e": 5.0})
        ['e', 'b', 'd', 'a']
    """
    return sorted(merits, key=lambda name: -merits[name])[:MOST_HIGHLIGHTED]


RATE = (0.0, None)
"""Range of a rate that may be small."""


class Findings(NamedTuple):
    """The tables and charts of a protocol, by the names of their files."""

    tables: Mapping[str, Table]
    charts: Mapping[str, Chart]


@dataclasses.dataclass(frozen=True, repr=False)
class Report:
    """What `fxai_jax.evaluation.driver.evaluate` found.

    Attributes:
        tables: Tables by the names of their files; a notebook shows them.
        charts: What `fxai_jax.visualize.curves_figure` draws, by the names of their
            files.
        manifest: All that is needed to make them again: versions, network, list,
            options, seconds.
    """

    tables: Mapping[str, Table]
    charts: Mapping[str, Chart]
    manifest: Mapping[str, Any]

    @property
    def table(self) -> Table:
        """The first table, which most evaluations have alone."""
        return next(iter(self.tables.values()))

    @property
    def chart(self) -> Chart:
        """The first chart."""
        return next(iter(self.charts.values()))

    def __repr__(self) -> str:
        """The titles of its tables: all of it would be a page of numbers."""
        return f"Report({', '.join(repr(t.title) for t in self.tables.values())})"

    def write(self, folder: str | Path) -> None:
        """Writes each table as Markdown, CSV, and JSON with the manifest."""
        folder = local_folder(folder)
        for name, table in self.tables.items():
            write_table(folder / name, table, self.manifest)

    def _repr_markdown_(self) -> str:
        return "\n".join(
            to_markdown(table.brief())
            for table in self.tables.values()
            if table.printed
        )


def cell_text(cell: Cell | None) -> str:
    """A cell as it is printed; numbers have one decimal.

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

    Example:
        >>> print(to_markdown(Table("T", [{"a": 1.25}], ["n"])), end="")
        ## T
        <BLANKLINE>
        | a |
        |---|
        | 1.2 |
        <BLANKLINE>
        - n
    """
    columns = table.columns
    lines = [f"## {table.title}", "", _line(columns), "|---" * len(columns) + "|"]
    lines += [_line([cell_text(row.get(c)) for c in columns]) for row in table.rows]
    lines += ["", *(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def write_table(stem: Path, table: Table, manifest: Mapping[str, Any]) -> None:
    """Writes a table as ``stem.md``, ``stem.csv`` and ``stem.json``.

    An estimate takes three columns of the CSV file; the manifest is in the JSON file.
    """
    with written(stem.with_name(f"{stem.name}.md")) as beside:
        beside.write_text(to_markdown(table), "utf-8", errors=KEPT)
    flat = [_flat(row) for row in table.rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    with (
        written(stem.with_name(f"{stem.name}.csv")) as beside,
        beside.open("w", newline="", encoding="utf-8", errors=KEPT) as stream,
    ):
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(flat)
    content = {"title": table.title, "rows": flat, "notes": list(table.notes)}
    write_json(stem, content | {"manifest": dict(manifest)})


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _flat(row: Row) -> dict[str, str | int | float]:
    flat: dict[str, str | int | float] = {}
    for name, cell in row.items():
        if isinstance(cell, Estimate):
            flat |= dict(zip((name, f"{name} low", f"{name} high"), cell, strict=True))
        else:
            flat[name] = cell
    return flat
