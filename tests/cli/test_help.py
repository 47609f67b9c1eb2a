"""The help says everything, at once, and the same in every place."""

import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import fxai_conversion.cli
import fxai_jax.cli
from fxai_jax.command_line import Command


def flat(commands, *before):
    """Every command with the words that call it."""
    for name, entry in commands.items():
        if isinstance(entry, Command):
            yield (*before, name), entry
        else:
            yield from flat(entry, *before, name)


PROGRAMS = {"fxai-jax": fxai_jax.cli, "fxai-convert": fxai_conversion.cli}
CALLS = [
    pytest.param(program, words, command, id=" ".join([name, *words]))
    for name, program in PROGRAMS.items()
    for words, command in flat(program.COMMANDS)
]


@pytest.mark.parametrize(("program", "words", "command"), CALLS)
def test_the_overview_has_the_first_line_of_the_docstring(program, words, command):
    function = pkgutil.resolve_name(command.home)
    first = " ".join(inspect.getdoc(function).split("\n\n")[0].split())
    assert command.summary == first


@pytest.mark.parametrize(("program", "words", "command"), CALLS)
def test_every_option_is_explained(program, words, command, capsys):
    with pytest.raises(SystemExit) as stop:
        program.main([*words, "--help"])
    assert not stop.value.code
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    _, *options = re.split(r" (?=--[a-z][a-z-]* )", text.split(" options ", 1)[1])
    signature = inspect.signature(pkgutil.resolve_name(command.home))
    named = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert len(options) >= len(named) - 1  # a protocol stands for its own fields
    for option in options:
        explained = re.sub(r"\((default: .*|required)\).*", "", option)
        assert len(explained.split()) > 4, f"{' '.join(words)}: {option}"


@pytest.mark.parametrize(
    ("module", "args", "unused"),
    [
        ("fxai_jax.cli", (), ("jax", "flax", "matplotlib", "orbax", "scipy")),
        ("fxai_jax.cli", ("evaluate",), ("jax", "flax", "matplotlib", "orbax")),
        ("fxai_jax.cli", ("evaluate", "quality"), ("flax", "matplotlib", "orbax")),
        ("fxai_jax.cli", ("explain", "fggb"), ("flax", "matplotlib", "orbax")),
        ("fxai_conversion.cli", (), ("jax", "flax", "orbax")),
    ],
)
def test_help_does_not_wait_for_what_it_does_not_use(module, args, unused):
    code = f"""
import sys
from {module} import main
try:
    main([{", ".join(map(repr, [*args, "--help"]))}])
except SystemExit:
    print([name for name in {unused} if name in sys.modules], file=sys.stderr)
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stderr.strip() == "[]"
