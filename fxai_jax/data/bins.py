"""The packed verification benchmarks of InsightFace: lfw.bin, cfp_fp.bin and others.

Such a file is a pickle of a list of encoded images and a list of labels. A pickle is a
program, so it is not run: its opcodes are walked through with a table of those that
describe lists, bytes and labels, and everything else is refused.
"""

import pickletools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

MAX_BYTES = 2**31
"""Largest file that is read, in bytes."""

MAX_OPCODES = 5_000_000
"""Most steps of a pickle that are followed; lfw.bin has about 40,000."""


def read_bin(path: str | Path) -> tuple[list[bytes], Bool[np.ndarray, " n"]]:
    """Reads a packed benchmark without running it.

    The images stay encoded: decode them with `fxai_jax.data.images.decode_image`, so
    that a damaged one can be reported and passed over.

    Args:
        path: File with a pickle of protocol 2 to 5, from Python 2 or 3.

    Returns:
        2n encoded images and n labels, true for genuine; images 2i and 2i + 1 are
        pair i.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or too large, asks for anything but images
            and labels, or their numbers do not fit.

    Example:
        >>> images, genuine = read_bin("lfw.bin")  # doctest: +SKIP
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path}: found {size} bytes, expected at most {MAX_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # odd escapes in texts
            return _unpack(_walk(path.read_bytes()))
    except (IndexError, KeyError):
        found = "found steps that do not fit together"
    except ValueError as error:
        found = str(error)[:300]
    raise ValueError(
        f"{path}: {found}; expected a pickle of a list of encoded images and a list of "
        "their labels. Nothing of it was executed; download it again"
    )


class _Name:
    """A name that the pickle wanted to import. Nothing is imported."""

    def __init__(self, name: str):
        self.name = name


class _Array:
    """A NumPy array as the pickle describes it, or without data a NumPy type."""

    def __init__(self, code: str, data: bytes | None = None):
        self.code, self.data = code, data


_MARK = _Name("mark")


def _walk(content: bytes) -> object:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name == "STOP":
            break
        if opcode.name not in _ACTIONS:
            raise ValueError(f"found the step {opcode.name}, which is refused")
        if step >= MAX_OPCODES:
            raise ValueError(f"found more than {MAX_OPCODES} steps")
        _ACTIONS[opcode.name](stack, memo, argument)
    return stack.pop()


def _take(stack: list, count: int) -> tuple:
    taken = [stack.pop() for _ in range(count)]
    return tuple(reversed(taken))


def _since_mark(stack: list) -> list:
    items = []
    while stack[-1] is not _MARK:
        items.append(stack.pop())
    stack.pop()
    return items[::-1]


def _extend(stack: list, items: list) -> None:
    if type(stack[-1]) is not list:
        raise ValueError("found items of what is no list")
    stack[-1].extend(items)


def _recall(memo: dict, place: int) -> object:
    # Encoding one long text again and again would fill the memory.
    if type(memo[place]) is str and len(memo[place]) > 1000:
        raise ValueError("found a long text that is used twice")
    return memo[place]


def _named(*parts: object) -> _Name:
    name = ".".join(part[:200] for part in parts if isinstance(part, str))
    if name not in _MAKERS:
        raise ValueError(f"found a demand for {name!r}, which is refused")
    return _Name(name)


def _call(name: object, arguments: object) -> object:
    if type(name) is not _Name or type(arguments) is not tuple or not arguments:
        raise ValueError("found a call of what cannot be called")
    return _MAKERS[name.name](*arguments[:2], *[None] * (2 - len(arguments)))


def _with_state(array: object, state: object) -> _Array:
    if type(array) is not _Array or type(state) is not tuple:
        raise ValueError("found a state of what has none")
    if array.data is not None:
        array.code, array.data = _code(state[2]), _bytes(state[4])
    return array


def _code(dtype: object) -> str:
    if type(dtype) is not _Array:
        raise ValueError("found a NumPy array without a type")
    return dtype.code


def _bytes(data: object) -> bytes:
    if type(data) is not bytes:
        raise ValueError("found a NumPy array without bytes")
    return data


def _dtype(code: object, _: object) -> _Array:
    text = code.decode("latin-1") if isinstance(code, bytes) else code
    if not isinstance(text, str) or text not in ("b1", "u1"):
        raise ValueError("found NumPy values that are neither bytes nor labels")
    return _Array(text)


def _encode(text: object, encoding: object) -> bytes:
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise ValueError("found an encoding that is not Latin-1")
    return text.encode("latin-1")


# What the names of a benchmark would make, made of bytes and labels alone.
_MAKERS: dict[str, Callable[[Any, Any], object]] = {
    "_codecs.encode": _encode,
    "numpy.dtype": _dtype,
    "numpy.ndarray": lambda *_: _Array("u1", b""),
}
for _module in ("numpy.core", "numpy._core"):
    _MAKERS |= {
        f"{_module}.multiarray._reconstruct": lambda *_: _Array("u1", b""),
        f"{_module}.multiarray.scalar": lambda d, x: _label(_code(d), _bytes(x)),
        f"{_module}.numeric._frombuffer": lambda x, d: _Array(_code(d), _bytes(x)),
    }


def _label(code: str, data: bytes) -> bool:
    if code != "b1" or data not in (b"\0", b"\1"):
        raise ValueError("found a NumPy number that is no label")
    return data == b"\1"


Action = Callable[[list, dict, Any], object]


def _pushes(names: str, make: Callable[[Any], object]) -> dict[str, Action]:
    return dict.fromkeys(names.split(), lambda stack, _, x: stack.append(make(x)))


_ACTIONS: dict[str, Action] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda *_: None),
    **_pushes("NONE", lambda _: None),
    **_pushes("NEWTRUE", lambda _: True),
    **_pushes("NEWFALSE", lambda _: False),
    **_pushes("BININT BININT1 BININT2", int),
    **_pushes("BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8", bytes),
    **_pushes("BINSTRING SHORT_BINSTRING", lambda text: text.encode("latin-1")),
    **_pushes("BINUNICODE SHORT_BINUNICODE BINUNICODE8", str),
    **_pushes("EMPTY_LIST", lambda _: []),
    **_pushes("EMPTY_TUPLE", lambda _: ()),
    **_pushes("MARK", lambda _: _MARK),
    **_pushes("GLOBAL", lambda name: _named(*name.split(" ", 1))),
    "STACK_GLOBAL": lambda s, m, x: s.append(_named(*_take(s, 2))),
    "TUPLE": lambda s, m, x: s.append(tuple(_since_mark(s))),
    "TUPLE1": lambda s, m, x: s.append(_take(s, 1)),
    "TUPLE2": lambda s, m, x: s.append(_take(s, 2)),
    "TUPLE3": lambda s, m, x: s.append(_take(s, 3)),
    "APPEND": lambda s, m, x: _extend(s, [s.pop()]),
    "APPENDS": lambda s, m, x: _extend(s, _since_mark(s)),
    "REDUCE": lambda s, m, x: s.append(_call(*_take(s, 2))),
    "BUILD": lambda s, m, x: s.append(_with_state(*_take(s, 2))),
    "MEMOIZE": lambda s, m, x: m.setdefault(len(m), s[-1]),
    "BINPUT": lambda s, m, x: m.update({x: s[-1]}),
    "LONG_BINPUT": lambda s, m, x: m.update({x: s[-1]}),
    "BINGET": lambda s, m, x: s.append(_recall(m, x)),
    "LONG_BINGET": lambda s, m, x: s.append(_recall(m, x)),
}


def _unpack(root: Any) -> tuple[list[bytes], Bool[np.ndarray, " n"]]:
    if type(root) not in (tuple, list) or len(root) != 2 or type(root[0]) is not list:
        raise ValueError("found a pickle of something else")
    images: list[Any] = [x.data if type(x) is _Array else x for x in root[0]]
    for place, image in enumerate(images):
        if type(image) is not bytes:
            raise ValueError(f"found no bytes in image {place}")
    labels = list(root[1].data or b"") if type(root[1]) is _Array else root[1]
    if type(labels) is not list or any(type(x) not in (bool, int) for x in labels):
        raise ValueError("found labels that are neither True nor False")
    if any(x not in (0, 1) for x in labels):
        raise ValueError("found labels other than 0 and 1")
    if not labels or len(images) != 2 * len(labels):
        raise ValueError(
            f"found {len(images)} images for {len(labels)} labels instead of two each"
        )
    return images, np.array(labels, bool)
