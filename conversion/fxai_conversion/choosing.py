"""Which recipe a checkpoint may be: proposals with evidence, never a guess."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from fxai_conversion.recipes.catalogue import RECIPES, UNSUPPORTED
from fxai_conversion.recipes.companions import companion
from fxai_conversion.recipes.layouts import Shapes
from fxai_conversion.recipes.recipe import Recipe, Shape


class AmbiguousCheckpoint(ValueError):
    """Several recipes fit; the message names them and what tells them apart."""


class Candidate(NamedTuple):
    """A recipe that fits.

    Attributes:
        recipe: The recipe.
        prefix: What stands before every name of its network in the file.
        decisive: Whether the prefix is one that only this family's code writes.
    """

    recipe: Recipe
    prefix: str
    decisive: bool


def shapes_of(tensors: Mapping[str, np.ndarray]) -> Shapes:
    """Shapes by name, all that is looked at to find a recipe."""
    return {name: array.shape for name, array in tensors.items()}


def candidates(shapes: Shapes) -> list[Candidate]:
    """Finds the recipes whose telling tensors are there, under any wrapper.

    Args:
        shapes: Shapes by the names in the file, such as
            ``state_dict.module.conv1.weight``.

    Returns:
        One candidate for each recipe and prefix that fit, decisive ones first; if
        there are any of those, only those.

    Example:
        >>> shapes = {"net.conv2d_1a.conv.weight": (32, 3, 3, 3)}
        >>> shapes |= {"net.last_linear.weight": (512, 1792)}
        >>> [(found.recipe.name, found.prefix) for found in candidates(shapes)]
        [('facenet', 'net.')]
    """
    found = [
        candidate
        for recipe in RECIPES.values()
        for candidate in _fitting(recipe, shapes)
    ]
    return [candidate for candidate in found if candidate.decisive] or found


def choose(shapes: Shapes, recipe: str | None = None) -> Candidate:
    """Chooses the one candidate, of a named recipe or of all.

    Args:
        shapes: Shapes by the names in the file.
        recipe: Name of the recipe, if known.

    Returns:
        The candidate. A named recipe is taken even where another's wrapper was found.

    Raises:
        AmbiguousCheckpoint: If several recipes fit, or one fits at several places.
        ValueError: If there is no such recipe or it does not fit.

    Example:
        >>> choose({"conv_sep.weight": (512, 512)})
        Traceback (most recent call last):
        ValueError: no recipe has its 1 tensors (conv_sep.weight, ...)...
    """
    if recipe is None:
        found = candidates(shapes)
        if not found:
            raise ValueError(describe_unknown(shapes))
    else:
        found = _named(shapes, recipe)
    if len({candidate.recipe.name for candidate in found}) > 1:
        raise AmbiguousCheckpoint(question(found))
    if len(found) > 1:
        places = ", ".join(repr(candidate.prefix) for candidate in found)
        raise AmbiguousCheckpoint(
            f"it holds {len(found)} networks: choose one with --prefix, {places}"
        )
    return found[0]


def question(found: list[Candidate]) -> str:
    """What to answer when several recipes fit, with a sentence for each of them."""
    recipes = {candidate.recipe.name: candidate.recipe for candidate in found}
    hints = "; ".join(
        f"--recipe {name} ({recipe.hint})" for name, recipe in recipes.items()
    )
    places = list(dict.fromkeys(candidate.prefix for candidate in found))
    below = f", below {' and '.join(map(repr, places))}" if len(places) > 1 else ""
    return (
        f"{len(recipes)} recipes have these tensors{below}, and nothing in the file "
        f"tells them apart: name who published it with {hints}"
    )


def evidence(tensors: Mapping[str, np.ndarray]) -> list[str]:
    """What the values say about the recipes that share names: hints, no proof."""
    return [
        f"{name} is all ones, as arcface and elasticface train it"
        if bool((gain == 1).all())
        else f"{name} is not all ones, as magface, crfiqa and topofr train it"
        for name, gain in tensors.items()
        if re.fullmatch(r"(.*\.)?features\.weight", name) and gain.ndim == 1
    ]


def describe_unknown(shapes: Shapes) -> str:
    """What to say when no recipe fits; it names a known network without support."""
    if shapes and all(companion(name, "", lambda _: False) for name in shapes):
        return (
            f"its {len(shapes)} tensors ({', '.join(list(shapes)[:3])}) are a "
            "classifier's or of training, without a network: take the backbone's file"
        )
    for pattern, what in UNSUPPORTED:
        if any(re.search(rf"(^|\.){pattern}", name) for name in shapes):
            return f"this looks like {what}, which is not supported"
    shown = ", ".join(list(shapes)[:3])
    return (
        f"no recipe has its {len(shapes)} tensors ({shown}, ...): see `fxai-convert "
        f"recipes` for what is supported{_nearest(shapes)}"
    )


def tops(names: Iterable[str]) -> Counter[str]:
    """Counts what names of tensors begin with.

    Example:
        >>> tops(["net.fc.bias", "net.fc.weight", "epoch"])
        Counter({'net': 2, 'epoch': 1})
    """
    return Counter(name.rpartition(".")[0].split(".")[0] or name for name in names)


def _named(shapes: Shapes, name: str) -> list[Candidate]:
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; choose one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    if found := _fitting(recipe, shapes):
        return found
    problems = "; ".join(_problems(recipe, shapes))
    raise ValueError(f"the recipe {name} does not fit: {problems}")


def _fitting(recipe: Recipe, shapes: Shapes) -> list[Candidate]:
    return [
        Candidate(recipe, prefix, _is_decisive(recipe, prefix))
        for prefix in _prefixes(recipe, shapes)
        if not _lacking(recipe, prefix, shapes) and not _surplus(recipe, prefix, shapes)
    ]


def _problems(recipe: Recipe, shapes: Shapes) -> list[str]:
    """What speaks against a recipe, at the place where it fits best."""
    best = max(
        _prefixes(recipe, shapes),
        key=lambda prefix: -len(_lacking(recipe, prefix, shapes)),
        default="",
    )
    lacking = _lacking(recipe, best, shapes)
    return [
        f"{best}{key} is {shapes.get(best + key, 'missing')}, expected {_text(shape)}"
        for key, shape in lacking.items()
    ] + [
        f"{name} is there, which only other networks have"
        for name in _surplus(recipe, best, shapes)
    ]


def _nearest(shapes: Shapes) -> str:
    """What one recipe lacks where it has more than half of its telling tensors."""
    found = [(recipe, _problems(recipe, shapes)) for recipe in RECIPES.values()]
    recipe, problems = min(found, key=lambda x: len(x[1]) / len(x[0].required))
    if 2 * len(problems) >= len(recipe.required):
        return ""
    return f"; nearest is {recipe.name}, but {'; '.join(problems)}"


def _prefixes(recipe: Recipe, shapes: Shapes) -> list[str]:
    """Whatever stands before a required name, so that no list of wrappers is needed."""
    found: dict[str, int] = {}
    for key in recipe.required:
        for name in shapes:
            if name == key or name.endswith(f".{key}"):
                prefix = name[: len(name) - len(key)]
                found[prefix] = found.get(prefix, 0) + 1
    return sorted(found, key=lambda prefix: -found[prefix])


def _surplus(recipe: Recipe, prefix: str, shapes: Shapes) -> list[str]:
    return [prefix + key for key in recipe.forbidden if prefix + key in shapes]


def _lacking(recipe: Recipe, prefix: str, shapes: Shapes) -> dict[str, Shape]:
    return {
        key: shape
        for key, shape in recipe.required.items()
        if not _matches(shapes.get(prefix + key), shape)
    }


def _matches(found: tuple[int, ...] | None, expected: Shape) -> bool:
    if found is None or len(found) != len(expected):
        return False
    return all(n in (size, None) for size, n in zip(found, expected, strict=True))


def _is_decisive(recipe: Recipe, prefix: str) -> bool:
    return recipe.wrapper is not None and bool(re.fullmatch(recipe.wrapper, prefix))


def _text(shape: Shape) -> str:
    return "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
