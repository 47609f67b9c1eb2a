"""What a pickle is read into: names, references and records, none of them alive."""

from dataclasses import dataclass
from typing import NamedTuple


class RefusedPickle(ValueError):
    """A pickle that is not read; the message says what was found."""


class ByteString(str):
    """A string of Python 2, which may have been text or bytes: one byte a character."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Global:
    """A name the pickle asked to import. Nothing was imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PersistentId:
    """A reference to something outside the pickle."""

    value: object


Pairs = list[tuple[object, object]]


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """An object the pickle asked for, as it was asked for: nothing was made.

    `args` are of the call or constructor, `pairs` were set as items, `items` were
    appended or added, and `state` is what the object would have been built with.
    """

    maker: object
    args: tuple = ()
    pairs: Pairs | tuple[()] = ()
    items: list[object] | tuple[()] = ()
    state: object = None


class Pickled(NamedTuple):
    """One pickle, read: its value, and the globals and persistent ids it named."""

    root: object
    globals_seen: tuple[Global, ...]
    persistent_ids: tuple[PersistentId, ...]


DICT = Global("builtins", "dict")
SET = Global("builtins", "set")
