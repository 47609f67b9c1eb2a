import os
import subprocess
import sys
import warnings
from importlib.metadata import version

import pytest
from PIL import Image

from fxai_jax.data.samples import sample_path
from tests.cli.commands import fails, run

PRINTS = r"""
from fxai_jax.command_line import Command, run
run({"x": Command("tests.cli.commands:loud", "")}, "x", ["x", "\u5b89\udce9"])
"""


def test_backbones_lists_what_ships(capsys):
    run("backbones")
    printed = capsys.readouterr().out
    assert "0.45" in printed
    assert "192" in printed


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("explain", "fggb", "{face}", "/no/such.png"), "no such file"),
        (("explain", "fggb", "{face}", "{text}"), "not an image"),
        (("explain", "fggb", "{face}", "{large}"), "112"),
        (("explain", "fggb", "{face}", "{face}", "--backbone", "r50"), "'r50'"),
        (("explain", "fggb", "{face}", "{face}", "--threshold", "7"), "got 7.0"),
        (("explain", "fggb", "{face}", "{face}", "--landmarks", "{text}"), "JSON"),
        (("explain", "fggb", "{face}", "{face}", "--gradient", "x"), "absolute"),
        (("explain", "fggb", "{face}"), "GALLERY"),
        (("explain", "frequency", "{face}", "{face}", "--width", "0"), "width"),
        (("explain", "plq", "{large}"), "112"),
        (("explain", "plq", "{face}", "--passes", "2"), "at least 3 passes"),
        (("explain", "plq", "{face}", "--seed", "4294967296"), "below 2**32"),
        (("quality", "{face}", "--out", "{out}", "--passes", "-2"), "got -2"),
        (("quality", "{face}", "--out", "{text}"), "notes.png cannot be made a folder"),
        (("evaluate", "verification", "--seed", "-1"), "at least 0"),
        (("explain", "amva", "/no/such"), "no such file or folder"),
        (("quality", "{text}", "--out", "{out}"), "none of the 1 images"),
        (("calibrate", "{face}", "--backbone", "mobilefacenet"), "--out"),
        (("quality", "{face}", "--out", ""), "the argument after --out is empty"),
        (("quality", "{face}", "--out="), "the argument after --out= is empty"),
        (("quality", ""), "the argument after quality is empty"),
        (("",), "the first argument is empty"),
        (("quality", "{face}", "--out", "gs://b/run"), "gs:/b/run' is an address"),
        (("explain", "shap"), "fggb"),
        (("explode",), "demo"),
        ((), "demo"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, capsys, args, message):
    text, large = tmp_path / "notes.png", tmp_path / "large.png"
    text.write_text("not a picture")
    Image.new("RGB", (300, 200)).save(large)
    names = {"face": sample_path("a_1"), "text": text, "large": large}
    names["out"] = tmp_path / "out"
    assert message in fails(capsys, *(arg.format(**names) for arg in args))


def test_the_version_is_that_of_the_package(capsys):
    run("--version")
    assert capsys.readouterr().out == f"fxai-jax {version('fxai-jax')}\n"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_any_name_can_be_printed_in_any_encoding(encoding):
    result = subprocess.run(
        [sys.executable, "-c", PRINTS],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    shown = "安".encode(encoding, "backslashreplace")
    assert result.stdout == shown + b"\\udce9\n"
    assert result.stderr == b""


def test_help_suffices(capsys):
    groups = (), ("explain",), ("explain", "amva")
    for args in (*groups, ("quality",), ("pairs",), ("calibrate",)):
        with pytest.raises(SystemExit) as stop:
            run(*args, "--help")
        assert not stop.value.code
        assert "usage: fxai-jax" in capsys.readouterr().out


def test_the_module_runs_as_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "fxai_jax", "backbones"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "112x112" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "out/a.npz"), "out/a.npz: No space"),
        (OSError(28, "No space left", b"\xff.npz"), r"\xff.npz: No space left"),
        (ValueError("a\x1b[31m\u202e\nb"), r"a\x1b[31m\u202e b"),
        (MemoryError(), "out of memory: make --batch-size"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "out of memory: make"),
    ],
)
def test_what_a_command_dies_of_is_said_in_one_line(monkeypatch, capsys, error, said):
    def dies():
        raise error

    monkeypatch.setattr("fxai_jax.cli.backbones.backbones", dies)
    assert said in fails(capsys, "backbones")


def test_a_mistake_in_the_program_keeps_its_traceback(monkeypatch):
    def dies():
        raise RuntimeError("a mistake")

    monkeypatch.setattr("fxai_jax.cli.backbones.backbones", dies)
    with pytest.raises(RuntimeError, match="a mistake"):
        run("backbones")


@pytest.mark.parametrize(
    "command", ["fxai_jax.cli.backbones:backbones", "tests.cli.commands:loud"]
)
def test_nobody_who_reads_is_no_error(command):
    program = "from fxai_jax.command_line import Command, run; "
    program += f"run({{'x': Command('{command}', '')}}, 'x', ['x'])"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_a_warning_is_one_harmless_line(monkeypatch, capsys):
    def warns():
        warnings.warn("[red]a\x1b[31m", stacklevel=2)

    monkeypatch.setattr("fxai_jax.cli.backbones.backbones", warns)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        run("backbones")
    assert capsys.readouterr().err == "warning: [red]a\\x1b[31m\n"


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("fxai_jax.cli.backbones.backbones", interrupted)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as stop:
        run("backbones")
    assert stop.value.code == 130
    assert capsys.readouterr().err == "fxai-jax: interrupted\n"


SWALLOWS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
from fxai_jax.command_line import Command, run
run({"x": Command("tests.cli.commands:swallowed", "")}, "x", ["x"])
"""


def test_ctrl_c_inside_a_callback_of_the_collector_is_not_lost():
    result = subprocess.run(
        [sys.executable, "-c", SWALLOWS], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stderr) == (130, "x: interrupted\n")
