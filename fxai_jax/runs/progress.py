"""What is said while a run lasts: its progress, and notes."""

from collections.abc import Iterable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

PERIOD = 3600
"""Seconds over which the rate is averaged: one batch may take minutes."""


class _Title(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.speed is None:
            return Text("-/s,")
        return Text(f"{task.speed:{'.0f' if task.speed >= 100 else '.3g'}}/s,")


def tell(console: Console | None, notices: Iterable[str]) -> None:
    """Writes notes for the reader of a result; without a console says nothing."""
    if console is not None:
        for notice in notices:
            console.print(
                f"note: {notice}", markup=False, highlight=False, soft_wrap=True
            )


def progress_bar(console: Console | None, unit: str) -> Progress:
    """A bar that is gone when the run is over; without a console draws nothing.

    It shows title, count, rate per second, time elapsed and time left. The rate leaves
    the first batch out, which is compiled. The description of a task is its title.

    Example:
        >>> with progress_bar(None, "pairs") as bar:
        ...     task = bar.add_task("FGGB", total=8)
        ...     bar.update(task, advance=8)
    """

    def numbers() -> Column:  # where it is narrow, title and bar give way
        return Column(no_wrap=True)

    return Progress(
        _Title(),
        BarColumn(bar_width=None),
        MofNCompleteColumn(table_column=numbers()),
        TextColumn(f"{unit},", markup=False),
        _Rate(table_column=numbers()),
        TimeElapsedColumn(table_column=numbers()),
        TextColumn("elapsed,"),
        TimeRemainingColumn(table_column=numbers()),
        TextColumn("left"),
        console=console or Console(quiet=True),
        transient=True,
        speed_estimate_period=PERIOD,
        expand=True,
    )
