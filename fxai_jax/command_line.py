"""From functions to a command line: their signatures and docstrings are the help."""

import contextlib
import functools
import io
import os
import pkgutil
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn

import tyro
from rich.console import Console

from fxai_jax.data.names import printable

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

BROKEN_PIPE, MISTAKE, INTERRUPTED = 1, 2, 130
"""Exit codes; the first is that of Rich, which prints the tables."""

MEMORY = "RESOURCE_EXHAUSTED"
"""What XLA says where a device has no memory left."""


def run(commands: Commands, program: str, args: Sequence[str] | None) -> None:
    """Runs one command; a user's mistake ends with one line and exit code 2.

    Args:
        commands: The commands of the program.
        program: Its name.
        args: Arguments without the program's name; None takes those of the process.
            ``--version`` alone prints the version.

    Raises:
        SystemExit: With code 2 after a mistake (ValueError, OSError) or without memory,
            130 after Ctrl-C, 1 where nobody reads on, 0 after help.

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
    sys.unraisablehook = _not_ignored
    if isinstance(sys.stdout, io.TextIOWrapper):  # names are any bytes
        sys.stdout.reconfigure(errors="backslashreplace")
    if args == ["--version"]:
        print(program, version("fxai-jax"))
        return
    try:
        _refuse_empty(args)
        _choose(commands, program, args)()
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except (ValueError, OSError) as error:
        _fail(program, _said(error))
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and MEMORY not in str(error):
            raise
        _fail(program, "out of memory: make --batch-size or --chunk-size smaller")
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr, flush=True)
        os._exit(INTERRUPTED)  # threads of XLA that still compute would crash the exit


def _not_ignored(ignored) -> None:
    # JAX swallows what is raised while garbage is collected, and so
    # does this hook: it is raised again a little later.
    if ignored.exc_type is KeyboardInterrupt:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(ignored)


def _refuse_empty(args: Sequence[str]) -> None:
    # An empty path would be the working directory.
    for before, arg in zip(["", *args], args, strict=False):
        if not arg:
            where = f"the argument after {before}" if before else "the first argument"
            raise ValueError(f"{where} is empty")
        if arg.startswith("--") and arg.endswith("="):
            raise ValueError(f"the argument after {arg} is empty")


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return " ".join(str(error).split())


def _fail(program: str, message: str) -> NoReturn:
    print(f"{program}: error: {printable(message)}", file=sys.stderr)
    sys.exit(MISTAKE)


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
    text = printable(f"warning: {message}")
    STDERR.print(text, markup=False, highlight=False, soft_wrap=True)
