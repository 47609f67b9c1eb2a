"""What is said while a run lasts: its progress, and notes."""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterable, Iterator

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

from fxai_jax.data.names import printable

PERIOD = 3600
"""Seconds over which the rate is averaged: one batch may take minutes."""

EVERY = 30
"""Seconds between the lines that a log gets."""


def tell(console: Console | None, notices: Iterable[str]) -> None:
    """Writes notes for the reader of a result; without a console says nothing."""
    if console is not None:
        for notice in notices:
            _print_line(console, f"note: {notice}")


@contextlib.contextmanager
def progress(
    console: Console | None, title: str, unit: str, total: int, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Says how far a run is; what it gives is told the count of each batch.

    A terminal or notebook gets a bar that is gone when the run is over, with count,
    rate, time elapsed and time left; a log gets a plain line now and then; without a
    console nothing is said. The rate leaves the first batch out, which is compiled.

    Example:
        >>> with progress(None, "FGGB", "pairs", total=8) as advance:
        ...     advance(8)
    """
    if console is None:
        yield lambda count: None
    elif console.is_terminal or console.is_jupyter:
        with _bar(console, unit) as bar:
            line = bar.add_task(printable(title), total=total, completed=done)
            yield lambda count: bar.update(line, advance=count)
    else:
        yield _Lines(console, title, unit, total, done).advance


class _Lines:
    """Plain lines: the first after `EVERY` seconds, and one at the end if any."""

    def __init__(
        self, console: Console, title: str, unit: str, total: int, done: int
    ) -> None:
        self.console, self.title, self.unit = console, title, unit
        self.total, self.done = total, done
        self.start = self.told = time.monotonic()
        self.compiled: tuple[float, int] | None = None

    def advance(self, count: int) -> None:
        now = time.monotonic()
        self.done += count
        over = self.done >= self.total and self.told > self.start
        if over or now - self.told >= EVERY:
            self.told = now
            parts = (self._count(), *self._times(now))
            _print_line(self.console, f"{self.title}: {', '.join(parts)}")
        self.compiled = self.compiled or (now, self.done)

    def _count(self) -> str:
        return f"{self.done} of {self.total} {self.unit}"

    def _times(self, now: float) -> Iterator[str]:
        since, done = self.compiled or (now, self.done)
        speed = (self.done - done) / (now - since) if now > since else 0
        if speed:
            yield f"{_rate(speed)}/s"
        yield f"{_clock(now - self.start)} elapsed"
        if speed:
            yield f"{_clock((self.total - self.done) / speed)} left"


class _Title(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("-/s," if task.speed is None else f"{_rate(task.speed)}/s,")


def _bar(console: Console, unit: str) -> Progress:
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
        console=console,
        transient=True,
        speed_estimate_period=PERIOD,
        expand=True,
    )


def _rate(speed: float) -> str:
    return f"{speed:{'.0f' if speed >= 100 else '.3g'}}"


def _clock(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))


def _print_line(console: Console, line: str) -> None:
    console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
