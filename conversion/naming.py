"""The names of one network in both directions, its flat ``body`` cut into stages."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from conversion import layouts
from conversion.recipe import Recipe
from conversion.rules import Target, source_of, staged, target_of


class Naming(NamedTuple):
    """The names of one network, in both directions.

    Attributes:
        inward: From a name below the prefix to our leaf, or a reason, or None.
        outward: From our leaf to the name.
    """

    inward: Callable[[str], Target | str | None]
    outward: Callable[[str], str]


def naming_of(recipe: Recipe, options: Mapping[str, Any]) -> Naming:
    """Builds the names of a network, whose ``body`` may be flat.

    Args:
        recipe: Its recipe.
        options: Its options, with the depth.

    Returns:
        The names in both directions.
    """
    rules = recipe.rules
    if recipe.layout is not layouts.body:
        return Naming(
            lambda name: target_of(name, rules), lambda path: source_of(path, rules)[0]
        )
    places = staged(layouts.blocks_of(options["depth"]))
    indices = {place: index for index, place in enumerate(places)}

    def inward(name: str) -> Target | str | None:
        if match := re.match(r"body\.(\d{1,4})\.", name):
            if match[1] != str(int(match[1])) or int(match[1]) >= len(places):
                return None
            name = f"{places[int(match[1])]}.{name[match.end() :]}"
        elif name.startswith("layer"):
            return None
        return target_of(name, rules)

    def outward(path: str) -> str:
        name = source_of(path, rules)[0]
        if match := re.match(r"layer\d+\.\d+", name):
            return f"body.{indices[match[0]]}{name[match.end() :]}"
        return name

    return Naming(inward, outward)
