"""From functions to a command line: their signatures and docstrings are the help."""

import contextlib
import functools
import io
import pkgutil
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro
from rich.console import Console

File = Annotated[Path, tyro.conf.Positional]
"""A path given by its place, not by an option."""


class Command(NamedTuple):
    """A function that becomes a command."""

    home: str
    """Where it lives, as "module:function"; imported when the command is called."""

    summary: str
    """The first line of its docstring, for overviews."""


Commands = Mapping[str, Command | Mapping[str, Command]]
"""Commands by their names; a mapping makes a group."""

STDERR = Console(stderr=True)
"""Where progress, notes and warnings go; results go to stdout."""


def run(commands: Commands, program: str, args: Sequence[str] | None) -> None:
    """Runs one command; a user's mistake ends with one line and exit code 2.

    Args:
        commands: The commands of the program.
        program: Its name.
        args: Arguments without the program's name; None takes those of the process.

    Raises:
        SystemExit: With code 2 after a mistake (ValueError, OSError), 130 after Ctrl-C,
            0 after help.

    Example:
        >>> line = Command("builtins:print", "Print a line.")
        >>> try:
        ...     run({"print": line, "other": line}, "show", ["--help"])
        ... except SystemExit as stop:
        ...     stop.code
        usage: show [-h] {print,other}
        ...
        0
    """
    args = sys.argv[1:] if args is None else list(args)
    warnings.showwarning = _show_warning
    try:
        _choose(commands, program, args)()
    except (ValueError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"{program}: error: {message}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(130)


def _choose(
    commands: Commands, program: str, args: Sequence[str]
) -> Callable[[], None]:
    chosen = commands.get(args[0]) if args else None
    if chosen is not None and not isinstance(chosen, Command):
        return _choose(chosen, f"{program} {args[0]}", args[1:])
    functions = {name: _overview(name, entry) for name, entry in commands.items()}
    if chosen is not None:
        functions[args[0]] = pkgutil.resolve_name(chosen.home)
    return _parse(functions, program, args)


def _overview(name: str, entry: Command | Mapping[str, Command]) -> Callable[[], None]:
    def overview() -> None:
        pass

    overview.__doc__ = (
        entry.summary
        if isinstance(entry, Command)
        else f"One of: {', '.join(entry)}. `{name} --help` says more."
    )
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
        raise ValueError(_one_line(box.getvalue())) from None


def _one_line(box: str) -> str:
    lines = [line.strip("│╭╮╰╯─ ") for line in box.splitlines()]
    text = " ".join(line for line in lines[1:] if line.strip("-"))
    # What a dataclass refuses to be made with comes after an internal name.
    text = re.sub(r"^Error parsing \S+: ", "", text)
    return text.replace(" For full helptext, see ", "; see ")


def _deferred(function: Callable) -> Callable:
    # tyro calls what it parses. Deferring the call keeps the two apart: only parsing
    # errors, which tyro prints in a box, are caught and put on one line.
    @functools.wraps(function)
    def defer(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    return defer


def _show_warning(message, *_, **__) -> None:
    STDERR.print(f"warning: {message}")
