"""``fxai-jax evaluate``: the protocols, each a command of its own fields."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table as RichTable

from fxai_jax import visualize
from fxai_jax.cli.options import (
    DEFAULT,
    FIGURES,
    OUT,
    Backbone,
    FigureFiles,
    Figures,
    Out,
    Seed,
    made,
    plain,
)
from fxai_jax.command_line import STDERR
from fxai_jax.data.names import printable
from fxai_jax.evaluation import protocols
from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.report import Report, Table, cell_text
from fxai_jax.runs.options import RunOptions

WIDTH = 110  # columns of a printed table, also where output goes to a file

WRITES = """Writes tables (.md, .csv, .json with the manifest) and curves. A run
    that was cut off goes on where it stopped."""

PairFile = Annotated[
    Path | None,
    tyro.conf.Positional,
    tyro.conf.arg(
        help="List of labelled pairs (CSV, LFW's pairs.txt, InsightFace .bin); without "
        "it the sample faces."
    ),
]
BatchSize = Annotated[
    int | None,
    tyro.conf.arg(
        help="Pairs alive together, more takes more memory; None takes what suits the "
        "protocol."
    ),
]
Limit = Annotated[
    int | None,
    tyro.conf.arg(
        help="Most pairs that are used, chosen at random with the share of genuine "
        "ones kept; thresholds that decide pairs are still those of the whole list."
    ),
]
Root = Annotated[
    Path | None,
    tyro.conf.arg(help="Folder to which the images of the list are relative."),
]


def _command(protocol_class: Any) -> Callable[..., None]:
    usual = protocol_class()

    def command(
        pairs: PairFile = None,
        *,
        protocol: Any = usual,
        backbone: Backbone = DEFAULT,
        limit: Limit = usual.usual_limit,
        seed: Seed = 0,
        batch_size: BatchSize = None,
        root: Root = None,
        figures: Figures = FIGURES,
        out: Out = OUT,
    ) -> None:
        options = RunOptions(seed, batch_size, resume=made(out), console=STDERR)
        source = {"backbone": backbone, "root": root, "limit": limit}
        print_report(evaluate(protocol, pairs, **source, options=options), out, figures)

    # The class is the help: its fields become the options of the command.
    command.__annotations__["protocol"] = tyro.conf.OmitArgPrefixes[protocol_class]
    described = (protocol_class.__doc__ or "").split("Attributes:")[0].rstrip()
    command.__doc__ = f"""{described}

    {WRITES}

    Args:
        protocol: What is measured.
    """
    return command


faithfulness = _command(protocols.Faithfulness)
frequency = _command(protocols.Frequency)
localisation = _command(protocols.Localisation)
quality = _command(protocols.Quality)
sanity = _command(protocols.Sanity)
verification = _command(protocols.Verification)


def print_report(report: Report, out: Path, figures: FigureFiles = FIGURES) -> None:
    """Prints the tables of a report, and writes them and its charts."""
    report.write(out)
    for name, chart in report.charts.items():
        figures.save(visualize.curves_figure(chart), out / name)
    told: set[str] = set()  # tables of one list share notes
    for name, table in report.tables.items():
        if table.printed:
            Console(width=max(Console().width, WIDTH)).print(_printed(table.brief()))
        for note in table.notes:
            if note not in told:
                print(printable(note))
        told.update(table.notes)
        hidden = sum(row.get("group", "all") != "all" for row in table.rows)
        if hidden:
            print(f"{hidden} rows of groups are in the files")
        print(printable(f"wrote {out / name}.md, .csv, .json and .{figures.format}"))
    for name in report.charts:
        if name not in report.tables:
            print(printable(f"wrote {out / name}.{figures.format}"))


def _printed(table: Table) -> RichTable:
    printed = RichTable(*table.columns, title=table.title)
    for row in table.rows:
        printed.add_row(*(plain(cell_text(row.get(name))) for name in table.columns))
    return printed
