"""What a pickle is read into: names, references and records, none of them alive."""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Global:
    """A name the pickle asked to import. Nothing was imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class PersistentId:
    """A reference to something outside the pickle, in PyTorch a storage."""

    value: object


@dataclass(slots=True, eq=False)
class Node:
    """An object the pickle asked for, as it was asked for: nothing was made.

    `args` are of the call or constructor, `pairs` were set as items, `items` were
    appended or added, and `state` is what the object would have been built with.
    """

    maker: object
    args: tuple = ()
    pairs: list[tuple[object, object]] = field(default_factory=list)
    items: list[object] = field(default_factory=list)
    state: object = None


class Pickled(NamedTuple):
    """One pickle, read: its value, and the globals and persistent ids it named."""

    root: object
    globals_seen: tuple[Global, ...]
    persistent_ids: tuple[PersistentId, ...]


DICT = Global("builtins", "dict")
SET = Global("builtins", "set")
ORDERED_DICT = Global("collections", "OrderedDict")


def pairs_of(value: object) -> list[tuple[object, object]]:
    """The items of a dictionary, of a subclass or of any object with set items."""
    if not isinstance(value, Node):
        return []
    if value.pairs or value.maker != ORDERED_DICT or not value.args:
        return value.pairs
    listed = value.args[0] if isinstance(value.args[0], list) else []
    return [(pair[0], pair[1]) for pair in listed if _is_pair(pair)]


def _is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2


def attributes_of(value: Node) -> dict[str, object]:
    """The named attributes of an object: its state, or the first part of it."""
    state = value.state
    pairs = pairs_of(state[0] if isinstance(state, tuple) and state else state)
    return {name: attribute for name, attribute in pairs if isinstance(name, str)}
