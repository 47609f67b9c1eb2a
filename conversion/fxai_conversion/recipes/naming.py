"""How a code base names the tensors of a network, in both directions."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fxai_conversion.recipes.layouts import Options, Shapes, blocks_of
from fxai_conversion.recipes.rules import Move, Rules, Target, source_of, target_of


class Naming(NamedTuple):
    """The names that one or several code bases give a network of ours.

    Attributes:
        family: A key of `fxai_jax.backbones.registry.FAMILIES`.
        layout: Reads depth and sizes off the shapes.
        rules: The table of the names.
        flat_body: Whether its blocks stand in one flat ``body``, not by stage.
    """

    family: str
    layout: Callable[[Shapes], Options]
    rules: Rules
    flat_body: bool = False


class Translation(NamedTuple):
    """The names of one network.

    Attributes:
        inward: From a name below the prefix to our leaf, or a reason, or None.
        outward: From our leaf to the name and its layout.
    """

    inward: Callable[[str], Target | str | None]
    outward: Callable[[str], tuple[str, Move]]


def translation(naming: Naming, options: Mapping[str, Any]) -> Translation:
    """The names of a network with these options, its flat ``body`` cut into stages."""
    rules = naming.rules
    if not naming.flat_body:
        return Translation(
            lambda name: target_of(name, rules), lambda path: source_of(path, rules)
        )
    places = staged(blocks_of(options["depth"]))
    indices = {place: index for index, place in enumerate(places)}

    def inward(name: str) -> Target | str | None:
        if match := re.match(r"body\.(\d{1,4})\.", name):
            if match[1] != str(int(match[1])) or int(match[1]) >= len(places):
                return None
            name = f"{places[int(match[1])]}.{name[match.end() :]}"
        elif name.startswith("layer"):
            return None
        return target_of(name, rules)

    def outward(path: str) -> tuple[str, Move]:
        name, move = source_of(path, rules)
        if match := re.match(r"layer\d+\.\d+", name):
            name = f"body.{indices[match[0]]}{name[match.end() :]}"
        return name, move

    return Translation(inward, outward)


def staged(blocks: Sequence[int]) -> list[str]:
    """Places of a flat ``body`` by stage: ``body.3`` may stand at ``layer2.1``."""
    return [
        f"layer{stage}.{index}"
        for stage, count in enumerate(blocks, start=1)
        for index in range(count)
    ]
