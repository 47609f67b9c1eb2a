"""Names for tensors: modules, state dicts and whatever they are nested in.

A module is known by its state (``_parameters``, ``_buffers``, ``_modules``), so its
class is never needed, and its tensors get the names that ``state_dict`` gives them.
"""

from fxai_conversion.refusals import UnreadableCheckpoint
from fxai_conversion.torch_objects.pickles import (
    ORDERED_DICT,
    attributes_of,
    pairs_of,
)
from fxai_conversion.torch_objects.tensors import MAX_NAME, View, check_count, view_of
from fxai_jax.data.inert_pickle.nodes import DICT, SET, Global, Node

MAX_CHILDREN = 1_000_000
MAX_DEPTH = 64
MAX_LETTERS = 2**26
"""Most letters of all the names on the way to the tensors."""

_SET_PYTHON2 = Global("__builtin__", "set")

Named = list[tuple[str, object]]


def named_views(root: object) -> dict[str, View]:
    """Finds every tensor below a root by dotted name, in the order of the file.

    Dictionaries, lists and modules are entered as often as they are referred to;
    objects of unknown classes once, since trainers and configurations refer back.
    """
    views: dict[str, View] = {}
    known: dict[int, Named] = {}
    pending: list[tuple[str, int, object]] = [("", 0, root)]
    budget, letters = MAX_CHILDREN, MAX_LETTERS
    while pending:
        name, depth, value = pending.pop()
        view = view_of(value) if isinstance(value, Node) else None
        if view is not None:
            _add(views, name, view)
            continue
        children = _children_once(value, known)
        budget -= len(children)
        letters -= (len(name) + 1) * len(children)
        _check_effort(budget, letters, depth)
        pending += _below(name, depth, children)
    return views


def layout_of(root: object) -> str:
    """How a pickle holds its tensors: in a state dict, directly below the root."""
    if _is_module(root):
        return "whole module"
    items = [(key, value) for key, value in pairs_of(root) if isinstance(key, str)]
    if {"state_dict", "pytorch-lightning_version"} <= {key for key, _ in items}:
        return "lightning"
    if any(isinstance(v, Node) and view_of(v) is not None for _, v in items):
        return "state dict"
    return "nested"


def _add(views: dict[str, View], name: str, view: View) -> None:
    if not name:
        raise UnreadableCheckpoint(
            "it holds one tensor without a name: save a state dict instead"
        )
    if not name.isprintable():
        raise UnreadableCheckpoint(f"a tensor's name is not printable: {name!a}")
    if name in views:
        raise UnreadableCheckpoint(f"two tensors are named {name!r}")
    views[name] = view
    check_count(len(views))


def _check_effort(budget: int, letters: int, depth: int) -> None:
    if budget < 0:
        raise UnreadableCheckpoint(f"it nests more than {MAX_CHILDREN} objects")
    if letters < 0:
        raise UnreadableCheckpoint(f"its names have more than {MAX_LETTERS} letters")
    if depth > MAX_DEPTH:
        raise UnreadableCheckpoint(f"it nests objects deeper than {MAX_DEPTH} levels")


def _children_once(value: object, known: dict[int, Named]) -> Named:
    """Children, worked out once; a second visit of an unknown object finds none."""
    if id(value) in known:
        return known[id(value)]
    children = _children(value)
    known[id(value)] = children if _is_entered_again(value) else []
    return children


def _is_entered_again(value: object) -> bool:
    return (
        not isinstance(value, Node)
        or value.maker in (DICT, ORDERED_DICT)
        or _is_module(value)
    )


def _below(name: str, depth: int, children: Named) -> list[tuple[str, int, object]]:
    below: list[tuple[str, int, object]] = []
    for key, child in reversed(children):
        if isinstance(child, Node | list | tuple):
            path = f"{name}.{key}" if name else key
            if len(path) > MAX_NAME:
                raise UnreadableCheckpoint(f"a name has {len(path)} characters")
            below.append((path, depth + 1, child))
    return below


def _children(value: object) -> Named:
    if isinstance(value, list | tuple):
        return [(str(index), child) for index, child in enumerate(value)]
    if not isinstance(value, Node):
        return []
    if _is_module(value):
        return _module_children(value)
    if pairs := pairs_of(value):
        return [(_key(k, index), child) for index, (k, child) in enumerate(pairs)]
    attributes = [] if value.maker == ORDERED_DICT else attributes_of(value).items()
    return list(attributes) or _children([*value.args, *value.items])


def _key(key: object, index: int) -> str:
    """Text of a key; keys that are neither text nor index numbers count up."""
    is_name = isinstance(key, str) or (type(key) is int and abs(key) < 2**63)
    return str(key if is_name else index)


def _is_module(value: object) -> bool:
    return isinstance(value, Node) and (
        {"_parameters", "_buffers", "_modules"} <= attributes_of(value).keys()
    )


def _module_children(module: Node) -> Named:
    attributes = attributes_of(module)
    passing = _texts(attributes.get("_non_persistent_buffers_set"))
    named = [
        (_key(key, index), value)
        for group in ("_parameters", "_buffers", "_modules")
        for index, (key, value) in enumerate(pairs_of(attributes[group]))
    ]
    return [(key, value) for key, value in named if key not in passing]


def _texts(value: object) -> set[str]:
    """The strings of a pickled set, whichever way its protocol writes one."""
    if not isinstance(value, Node) or value.maker not in (SET, _SET_PYTHON2):
        return set()
    listed = value.args[0] if value.args and isinstance(value.args[0], list) else []
    return {item for item in (*value.items, *listed) if isinstance(item, str)}
