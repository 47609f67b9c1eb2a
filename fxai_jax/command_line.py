"""From functions to a command line: their signatures and docstrings are the help."""

import contextlib
import functools
import io
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

File = Annotated[Path, tyro.conf.Positional]
"""A path given by its place, not by an option."""

Commands = Mapping[str, Callable[..., None] | Mapping[str, Callable[..., None]]]
"""Functions by their name on the command line; a mapping makes a group."""

STDERR = Console(stderr=True)
"""Where progress, notes and warnings go; results go to stdout."""


def run(commands: Commands, program: str, args: Sequence[str] | None) -> None:
    """Runs one command; a user's mistake ends with one line and exit code 2.

    Args:
        commands: The commands of the program.
        program: Its name.
        args: Arguments without the program's name; None takes those of the process.

    Raises:
        SystemExit: With code 2 after a mistake (ValueError, OSError), 0 after help.

    Example:
        >>> def hello(*, name: str = "you") -> None:
        ...     print(f"hello {name}")
        >>> run({"hello": hello, "bye": hello}, "greet", ["hello", "--name", "me"])
        hello me
    """
    args = sys.argv[1:] if args is None else list(args)
    warnings.showwarning = _show_warning
    try:
        _choose(commands, program, args)()
    except (ValueError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"{program}: error: {message}", file=sys.stderr)
        sys.exit(2)


def _choose(
    commands: Commands, program: str, args: Sequence[str]
) -> Callable[[], None]:
    group = commands.get(args[0]) if args else None
    if isinstance(group, Mapping):
        return _choose(group, f"{program} {args[0]}", args[1:])
    functions = {
        name: _overview(name, member) if isinstance(member, Mapping) else member
        for name, member in commands.items()
    }
    return _parse(functions, program, args)


def _overview(name: str, group: Mapping[str, Callable]) -> Callable[[], None]:
    def overview() -> None:
        pass

    members = ", ".join(group)
    overview.__doc__ = f"One of: {members}. `{name} --help` says more."
    return overview


def _parse(
    functions: Mapping[str, Callable], program: str, args: Sequence[str]
) -> Callable[[], None]:
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.extras.subcommand_cli_from_dict(
                {name: _deferred(function) for name, function in functions.items()},
                prog=program,
                args=args,
                config=(tyro.conf.PositionalMetavarFromFieldName,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        lines = [line.strip("│╭╮╰╯─ ") for line in box.getvalue().splitlines()]
        raise ValueError(" ".join(line for line in lines[1:] if line)) from None


def _deferred(function: Callable) -> Callable:
    # tyro calls what it parses. Deferring the call keeps the two apart: only parsing
    # errors, which tyro prints in a box, are caught and put on one line.
    @functools.wraps(function)
    def defer(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    return defer


def _show_warning(message, *_, **__) -> None:
    STDERR.print(f"warning: {message}")
