"""What `jax.export` has to know of a network before it can serialise its programs."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
from flax import nnx
from jax import export

Network = TypeVar("Network")

_KNOWN: set[type] = set()


def serialisable(network: Network) -> Network:
    """Makes the classes of a network known to `jax.export`; returns the network.

    They are those of its modules, variables and of Flax's own state. What they hold
    beside arrays are numbers, words, tuples and mappings.

    Example:
        >>> serialisable(nnx.Linear(2, 3, rngs=nnx.Rngs(0))).out_features
        3
    """
    waiting = [jax.tree.structure(network)]
    while waiting:
        tree = waiting.pop()
        waiting += tree.children()
        kind, data = tree.node_data() or (dict, None)
        if kind not in _KNOWN and _of_flax(kind):
            _KNOWN.add(kind)
            _register(kind, data)
    return network


def _of_flax(kind: type) -> bool:
    known = issubclass(kind, nnx.Module | nnx.Variable)
    return known or kind.__module__.partition(".")[0] == "flax"


def _register(kind: type, data: Any) -> None:
    mapping = _mapping_of(data)

    def read(blob: bytes) -> Any:
        return _from_plain(json.loads(blob), mapping)

    try:
        export.register_pytree_node_serialization(
            kind,
            serialized_name=f"{kind.__module__}.{kind.__qualname__}",
            serialize_auxdata=lambda data: json.dumps(_as_plain(data)).encode(),
            deserialize_auxdata=read,
        )
    except ValueError:  # a program, or Flax itself, has made it known before
        return


def _mapping_of(data: Any) -> type:
    """The class of Flax's mappings; its name is nobody's promise."""
    if isinstance(data, Mapping):
        return type(data)
    found = [_mapping_of(part) for part in data] if isinstance(data, tuple) else []
    return next((kind for kind in found if kind is not dict), dict)


def _as_plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {"mapping": [[_as_plain(k), _as_plain(v)] for k, v in data.items()]}
    if isinstance(data, tuple | list):
        return {type(data).__name__: [_as_plain(part) for part in data]}
    return data


def _from_plain(data: Any, mapping: type) -> Any:
    if not isinstance(data, dict):
        return data
    ((kind, parts),) = data.items()
    found = [_from_plain(part, mapping) for part in parts]
    if kind == "mapping":
        return mapping(dict(found))
    return tuple(found) if kind == "tuple" else found
