"""Which opcodes of a pickle are read, and how far.

Opcodes that only protocol 0 uses, the extension registry and out-of-band buffers have
no entry in the table and are refused before their argument is read.
"""

import pickletools
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from fxai_jax.data.inert_pickle.machine import Machine
from fxai_jax.data.inert_pickle.nodes import (
    DICT,
    SET,
    ByteString,
    Node,
    Pickled,
    RefusedPickle,
)


@runtime_checkable
class ByteStream(Protocol):
    """What a pickle is read from: a binary file or `io.BytesIO`."""

    def read(self, size: int, /) -> bytes:
        """Returns up to `size` bytes."""
        ...

    def readline(self, size: int, /) -> bytes:
        """Returns up to `size` bytes, ending after the first newline."""
        ...


def unpickle(
    stream: ByteStream,
    nbytes: int,
    *,
    max_opcodes: int = 1_000_000,
    max_bytes: int = 64 * 2**20,
    writer: str = "pickle.dump",
) -> Pickled:
    r"""Reads one pickle without executing it, and leaves the stream after its end.

    Args:
        stream: Binary stream at the first byte of a pickle of protocol 1 to 5.
        nbytes: Bytes left in the stream.
        max_opcodes: Most opcodes that are followed, and most values remembered.
        max_bytes: Most bytes that are read.
        writer: What writes such files, for the messages.

    Returns:
        The value as builtin scalars, strings, tuples and lists, `ByteString` for the
        strings of Python 2, and `Node` for all else, dictionaries and sets included;
        every `Global` and `PersistentId`.

    Raises:
        RefusedPickle: If the pickle is truncated, damaged or too large, or has opcodes
            that are not read.

    Example:
        >>> import io
        >>> call = unpickle(io.BytesIO(b"cos\nsystem\nK\x01\x85R."), 16).root
        >>> call.maker, call.args
        (Global(module='os', name='system'), (1,))
    """
    machine = Machine(max_opcodes)
    window = _Window(stream, min(nbytes, max_bytes), max_bytes)
    try:
        root = _run(machine, window, max_opcodes, writer)
    except IndexError as error:
        raise RefusedPickle("damaged pickle: its stack runs empty") from error
    except RefusedPickle:
        raise
    except ValueError as error:
        raise RefusedPickle(f"damaged pickle: {error}") from error
    return Pickled(root, tuple(machine.globals_seen), tuple(machine.persistent_ids))


class _Window:
    """A stream that ends after `left` bytes and never returns fewer than asked for."""

    def __init__(self, stream: ByteStream, left: int, most: int):
        self.stream, self.left, self.most = stream, left, most

    def read(self, size: int) -> bytes:
        data = self.stream.read(size) if size <= self.left else b""
        if len(data) < size:
            raise RefusedPickle(
                "truncated: its pickle ends early, or is longer than "
                f"{self.most} bytes; download it again"
            )
        self.left -= size
        return data

    def readline(self) -> bytes:
        line = self.stream.readline(self.left)
        self.left -= len(line)
        if not line.endswith(b"\n"):
            raise RefusedPickle("truncated: its pickle ends within a line")
        return line


def _run(machine: Machine, window: _Window, max_opcodes: int, writer: str) -> object:
    for _ in range(max_opcodes):
        code = window.read(1)
        if code not in _STEPS:
            raise RefusedPickle(
                f"its pickle has the opcode {code!r}, which {writer} does not write"
            )
        read_argument, act = _STEPS[code]
        act(machine, read_argument(window))
        if code == b".":
            return machine.stack.pop()
    raise RefusedPickle(f"its pickle has more than {max_opcodes} opcodes")


def _protocol(_machine: Machine, version: int) -> None:
    if version > 5:
        raise RefusedPickle(
            f"its pickle has protocol {version}; protocols up to 5 are known"
        )


def _global_names(stream: _Window) -> tuple[str, str]:
    module, name = (stream.readline()[:-1].decode() for _ in range(2))
    return module, name


def _no_argument(_stream: _Window) -> None:
    return None


Action = Callable[[Machine, Any], object]

_LITERALS = """INT BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE
SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"""

_ACTIONS: dict[str, Action] = {
    **dict.fromkeys(_LITERALS.split(), Machine.push),
    "BINSTRING": lambda machine, text: machine.push(ByteString(text)),
    "SHORT_BINSTRING": lambda machine, text: machine.push(ByteString(text)),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push(Node(DICT)),
    "EMPTY_SET": lambda machine, _: machine.push(Node(SET)),
    "LIST": lambda machine, _: machine.push(machine.pop_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "DICT": Machine.dict_from_mark,
    "FROZENSET": lambda machine, _: machine.push(Node(SET, items=machine.pop_mark())),
    "SETITEM": Machine.one_pair,
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "APPEND": lambda machine, _: machine.append_items([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append_items(machine.pop_mark()),
    "ADDITEMS": lambda machine, _: machine.append_items(machine.pop_mark()),
    "MARK": Machine.mark,
    "POP": Machine.pop,
    "POP_MARK": Machine.pop_mark,
    "DUP": Machine.duplicate,
    "BINPUT": Machine.memoize,
    "LONG_BINPUT": Machine.memoize,
    "MEMOIZE": Machine.memoize,
    "BINGET": Machine.recall,
    "LONG_BINGET": Machine.recall,
    "GLOBAL": Machine.named,
    "STACK_GLOBAL": Machine.named_on_stack,
    "BINPERSID": Machine.persistent,
    "REDUCE": lambda machine, _: machine.make(0),
    "NEWOBJ": lambda machine, _: machine.make(0),
    "NEWOBJ_EX": lambda machine, _: machine.make(1),
    "OBJ": Machine.make_from_mark,
    "BUILD": Machine.build,
    "PROTO": _protocol,
    "FRAME": lambda machine, _: None,
    "STOP": lambda machine, _: None,
}

_STEPS: dict[bytes, tuple[Callable[[Any], Any], Action]] = {
    opcode.code.encode("latin-1"): (
        opcode.arg.reader if opcode.arg else _no_argument,
        _ACTIONS[opcode.name],
    )
    for opcode in pickletools.opcodes
    if opcode.name in _ACTIONS
} | {b"c": (_global_names, Machine.named)}
