"""Running ``fxai-jax`` inside a test."""

import gc
import json
import signal
import time
from typing import Annotated

import pytest
import tyro

from fxai_jax import cli
from tests.faces import load_npz


def run(*args):
    cli.main([str(arg) for arg in args])


def loud(text: Annotated[str, tyro.conf.Positional] = "a line") -> None:
    """A command that prints."""
    print(text)


def swallowed() -> None:
    """A command that is interrupted while the garbage is collected."""

    def interrupt(phase, info):
        gc.callbacks.remove(interrupt)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(interrupt)
    gc.collect()
    time.sleep(30)


def fails(capsys, *args):
    """The one line that a user's mistake prints."""
    with pytest.raises(SystemExit) as stop:
        run(*args)
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("fxai-jax: error: ")
    assert "\n" not in error
    assert "Traceback" not in error
    return error


def results(stem):
    """Raw arrays and manifest that a command wrote beside its figure."""
    manifest = json.loads(stem.with_suffix(".json").read_text())
    return load_npz(stem.with_suffix(".npz")), manifest
