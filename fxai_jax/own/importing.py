"""A network by the name of the code that makes it: ``module:name``."""

import importlib
import re
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card

_CODE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class Network(NamedTuple):
    """A network and its card."""

    model: FaceModel
    card: Card


def is_code(name_or_path: str | Path) -> bool:
    """Whether it names code, as "module:name", and no folder.

    Example:
        >>> is_code("my_package.networks:small"), is_code("mobilefacenet")
        (True, False)
    """
    text = str(name_or_path)
    return _CODE.fullmatch(text) is not None and not Path(text).exists()


def import_network(code: str) -> tuple[Any, Card | None]:
    """Imports and calls what "module:name" names.

    Args:
        code: A module that is installed or lies in the working directory, and in it a
            function or class; its call without arguments returns a model, or a model
            and its card.

    Returns:
        The model, and the card or None.

    Raises:
        ValueError: If there is none, or something else is returned.

    Example:
        >>> import_network("mine:network")
        Traceback (most recent call last):
        ValueError: no module 'mine' for mine:network, neither installed nor in ...
    """
    module, _, name = code.partition(":")
    make = _named(_imported(module, code), name, code)
    try:
        made = make()
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{code} fails when it is called ({reason(error)}); name a function or "
            "class that returns a model when it is called without arguments"
        ) from error
    pair = isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], Card)
    model, card = made if pair else (made, None)
    if isinstance(model, type) or not callable(model):
        raise ValueError(
            f"{code} returned {_kind(made)}, expected a model, which maps an image to "
            "its embedding, or fxai_jax.Network(model, card)"
        )
    return model, card


def source_of(code: str) -> Path | None:
    """The file of the module that "module:name" names, once it is imported."""
    file = getattr(sys.modules[code.partition(":")[0]], "__file__", None)
    return None if file is None else Path(file)


def _imported(module: str, code: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise ValueError(
                f"no module {error.name!r} for {code}, neither installed nor in the "
                f"working directory {here}"
            ) from error
        raise ValueError(
            f"{module} needs the module {error.name!r}, which is not installed"
        ) from error
    except (Exception, SystemExit) as error:  # whatever a module raises
        raise ValueError(f"importing {module} fails ({reason(error)})") from error


def _named(module: ModuleType, name: str, code: str) -> Callable[[], Any]:
    try:
        found = reduce(getattr, name.split("."), module)
    except AttributeError as error:
        own = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
        ]
        raise ValueError(
            f"no {name!r} in {module.__name__} ({module.__file__}); it has "
            f"{', '.join(own[:5]) or 'no function or class'}"
        ) from error
    if not callable(found):
        raise ValueError(
            f"{code} is {_kind(found)}, expected a function or class that returns a "
            "model when it is called without arguments"
        )
    return found


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"a value of type {type(value).__name__}"


def reason(error: BaseException) -> str:
    """What an error says, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
