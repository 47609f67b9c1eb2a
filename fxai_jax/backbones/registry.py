"""The network families by the name a checkpoint's card uses.

A card names a family and never code: what builds the network is built in, registered
by the program that runs, or comes with an installed package, as an entry point of the
group ``fxai_jax.families``.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import jax
from flax import nnx

from fxai_jax.backbones.inception_resnet import InceptionResnetV1
from fxai_jax.backbones.iresnet import IResNet
from fxai_jax.backbones.mobilefacenet import MobileFaceNet
from fxai_jax.backbones.serialising import serialisable
from fxai_jax.backbones.vit import VisionTransformer

FAMILIES: dict[str, type[nnx.Module]] = {
    "inception_resnet_v1": InceptionResnetV1,
    "iresnet": IResNet,
    "mobilefacenet": MobileFaceNet,
    "vit": VisionTransformer,
}
"""Those that are built in."""

GROUP = "fxai_jax.families"
"""Entry points of installed packages: a family's name, and "module:class"."""

Family = Callable[..., Any]
"""A class of networks; options are its keyword arguments, a pytree what it makes."""

_REGISTERED: dict[str, Family] = {}


def register_family(name: str, cls: Family) -> None:
    """Lets cards name a network family of your own, in this process.

    For a checkpoint that every process and command reads, put the class into a package
    with the entry point ``name = "module:class"`` in the group ``fxai_jax.families``;
    it is imported when a card names it.

    Args:
        name: Name of the family, as a card's `family`.
        cls: Class whose keyword arguments are a card's `options`. What it makes is a
            callable pytree of arrays from one image to its raw embedding, such as a
            `flax.nnx.Module`; for all methods with `features` and `head`
            (`fxai_jax.array_types.FaceModel`).

    Raises:
        ValueError: If the name is taken by another class, or the class is not callable.

    Example:
        >>> register_family("my_mobilefacenet", MobileFaceNet)
        >>> build("my_mobilefacenet", {"embedding_size": 192}).bn.bias.shape
        (192,)
    """
    if not isinstance(name, str) or not name or not callable(cls):
        raise ValueError(f"expected a family's name and class, got {name!r}, {cls!r}")
    if (known := {**_REGISTERED, **FAMILIES}.get(name, cls)) is not cls:
        raise ValueError(
            f"the network family {name!r} is {known.__name__} already; choose another "
            "name"
        )
    _REGISTERED[name] = cls


def families() -> dict[str, str]:
    """Every family that a card may name, and where it comes from.

    Example:
        >>> families()["vit"]
        'built in'
    """
    installed = {entry.name: _package(entry) for entry in entry_points(group=GROUP)}
    registered = dict.fromkeys(_REGISTERED, "registered")
    built_in = dict.fromkeys(FAMILIES, "built in")
    return dict(sorted({**installed, **registered, **built_in}.items()))


def build(family: str, options: Mapping[str, Any]) -> Any:
    """Makes a network without trained values.

    Args:
        family: One of `families`.
        options: Keyword arguments of the family's class.

    Returns:
        The network; under `jax.eval_shape` it costs no memory.

    Raises:
        ValueError: If the family or one of the options is unknown, or what is made is
            no pytree of arrays.

    Example:
        >>> type(build("mobilefacenet", {"embedding_size": 192})).__name__
        'MobileFaceNet'
    """
    cls = {**_REGISTERED, **FAMILIES}.get(family) or _installed(family)
    try:
        network = cls(**options)
    except TypeError as error:
        raise ValueError(f"the options of {family!r} do not fit: {error}") from error
    if not all(hasattr(leaf, "dtype") for leaf in jax.tree.leaves(network)):
        raise ValueError(
            f"the family {family!r} makes a {type(network).__name__}, expected a "
            "pytree of arrays; make it a flax.nnx.Module or a registered dataclass"
        )
    return serialisable(network)


def _installed(family: str) -> Family:
    """The class that an installed package has for a name, imported now."""
    found = {entry.value: entry for entry in entry_points(group=GROUP, name=family)}
    if not found:
        raise ValueError(
            f"unknown network family {family!r}; known are {[*families()]}: install "
            "the package that has it, or call fxai_jax.register_family first"
        )
    if len(found) > 1:
        packages = " and ".join(map(_package, found.values()))
        raise ValueError(
            f"the network family {family!r} is in {packages}: uninstall all but one"
        )
    [entry] = found.values()
    try:
        return entry.load()
    except Exception as error:  # whatever importing a package raises
        raise ValueError(
            f"the network family {family!r} of {_package(entry)} cannot be imported "
            f"({type(error).__name__}: {error}); repair or uninstall the package"
        ) from error


def _package(entry: EntryPoint) -> str:
    return (
        "a package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
    )
