import io

import pytest
from rich.console import Console

from fxai_jax.runs import progress as module
from fxai_jax.runs.progress import progress, tell


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def log():
    """A console that writes to a file, and the file."""
    file = io.StringIO()
    return Console(file=file, width=20), file


def test_a_log_gets_a_line_now_and_then(clock, log):
    console, file = log
    with progress(console, "SER-FIQ [red]", "images", total=400, done=40) as advance:
        for seconds, count in ((20, 40), (15, 40), (10, 40), (20, 40), (100, 200)):
            clock[0] += seconds
            advance(count)
    assert file.getvalue().splitlines() == [
        # 40 images in the 15 seconds since the first batch
        "SER-FIQ [red]: 120 of 400 images, 2.67/s, 0:00:35 elapsed, 0:01:45 left",
        "SER-FIQ [red]: 200 of 400 images, 2.67/s, 0:01:05 elapsed, 0:01:15 left",
        "SER-FIQ [red]: 400 of 400 images, 2.21/s, 0:02:45 elapsed, 0:00:00 left",
    ]


def test_a_first_batch_that_takes_long_has_no_rate(clock, log):
    console, file = log
    with progress(console, "FGGB", "pairs", total=8) as advance:
        clock[0] += 61
        advance(4)
    assert file.getvalue() == "FGGB: 4 of 8 pairs, 0:01:01 elapsed\n"


def test_a_short_run_leaves_a_log_alone(clock, log):
    console, file = log
    with progress(console, "FGGB", "pairs", total=8) as advance:
        clock[0] += 29
        advance(4)
        advance(4)
    assert file.getvalue() == ""


def test_nothing_is_said_without_a_console(clock, capsys):
    with progress(None, "FGGB", "pairs", total=8) as advance:
        clock[0] += 100
        advance(8)
    tell(None, ["a note"])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("terminal", [True, False])
def test_notes_do_nothing_to_a_terminal(terminal):
    file = io.StringIO()
    console = Console(file=file, width=20, force_terminal=terminal)
    tell(console, ["skipped [bold]a\x1b[31m\u202e.png: a long reason, in one line"])
    expected = r"note: skipped [bold]a\x1b[31m\u202e.png: a long reason, in one line"
    assert file.getvalue() == f"{expected}\n"
