"""Which recipe a checkpoint may be: proposals with evidence, never a guess."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from conversion.layouts import Shapes
from conversion.recipe import Recipe, Shape
from conversion.recipes import RECIPES, UNSUPPORTED


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
    """Shapes by name, all that detection looks at.

    Args:
        tensors: Arrays by name.

    Returns:
        Their shapes.

    Example:
        >>> shapes_of({"w": np.zeros((2, 3))})
        {'w': (2, 3)}
    """
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
        >>> [c.recipe.name for c in candidates({"linear.weight": (512, 512)})]
        []
    """
    found = [
        Candidate(recipe, prefix, _is_decisive(recipe, prefix))
        for recipe in RECIPES.values()
        for prefix in _prefixes(recipe, shapes)
        if _fits(recipe, prefix, shapes)
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
        >>> choose({"conv_sep.weight": (512, 512)})  # doctest: +ELLIPSIS
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
    """What to answer when several recipes fit.

    Args:
        found: The candidates.

    Returns:
        One sentence for each recipe.
    """
    recipes = {candidate.recipe.name: candidate.recipe for candidate in found}
    hints = "; ".join(f"{name}: {recipe.hint}" for name, recipe in recipes.items())
    return (
        f"{len(recipes)} recipes have these tensors, and nothing in the file tells "
        f"them apart. Who published it? Name the recipe with --recipe. {hints}"
    )


def evidence(tensors: Mapping[str, np.ndarray]) -> list[str]:
    """What the values say about the recipes that share names: hints, no proof.

    Args:
        tensors: Arrays by the names in the file.

    Returns:
        Sentences.

    Example:
        >>> evidence({"features.weight": np.ones(2)})
        ['features.weight is all ones, as arcface and elasticface train it']
    """
    return [
        f"{name} is all ones, as arcface and elasticface train it"
        if bool((gain == 1).all())
        else f"{name} is not all ones, as magface, crfiqa and topofr train it"
        for name, gain in tensors.items()
        if re.fullmatch(r"(.*\.)?features\.weight", name) and gain.ndim == 1
    ]


def _named(shapes: Shapes, name: str) -> list[Candidate]:
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; choose one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    prefixes = _prefixes(recipe, shapes)
    fitting = [prefix for prefix in prefixes if _fits(recipe, prefix, shapes)]
    if fitting:
        return [Candidate(recipe, p, _is_decisive(recipe, p)) for p in fitting]
    best = max(prefixes, key=lambda p: -len(_lacking(recipe, p, shapes)), default="")
    problems = [
        f"{best}{key} is {shapes.get(best + key, 'missing')}, expected {_text(shape)}"
        for key, shape in _lacking(recipe, best, shapes).items()
    ]
    problems += [
        f"{best}{key} is there, which only other networks have"
        for key in recipe.forbidden
        if best + key in shapes
    ]
    raise ValueError(f"the recipe {name} does not fit: {'; '.join(problems)}")


def _prefixes(recipe: Recipe, shapes: Shapes) -> list[str]:
    """Whatever stands before a required name, so that no list of wrappers is needed."""
    found: dict[str, int] = {}
    for key in recipe.required:
        for name in shapes:
            if name == key or name.endswith(f".{key}"):
                prefix = name[: len(name) - len(key)]
                found[prefix] = found.get(prefix, 0) + 1
    return sorted(found, key=lambda prefix: -found[prefix])


def _fits(recipe: Recipe, prefix: str, shapes: Shapes) -> bool:
    return not _lacking(recipe, prefix, shapes) and not any(
        prefix + key in shapes for key in recipe.forbidden
    )


def _lacking(recipe: Recipe, prefix: str, shapes: Shapes) -> dict[str, Shape]:
    return {
        key: shape
        for key, shape in recipe.required.items()
        if not _matches(shapes.get(prefix + key), shape)
    }


def _matches(found: tuple[int, ...] | None, expected: Shape) -> bool:
    return (
        found is not None
        and len(found) == len(expected)
        and all(
            want in (size, None) for size, want in zip(found, expected, strict=True)
        )
    )


def _is_decisive(recipe: Recipe, prefix: str) -> bool:
    return recipe.wrapper is not None and bool(re.fullmatch(recipe.wrapper, prefix))


def _text(shape: Shape) -> str:
    return "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"


def describe_unknown(shapes: Shapes) -> str:
    """What to say when no recipe fits.

    Args:
        shapes: Shapes by the names in the file.

    Returns:
        One sentence; it names the network if it is a known one without support.

    Example:
        >>> describe_unknown({"net.keypoint_linear.bias": (1,)})[:29]
        'this looks like CVLface ViT-K'
    """
    for pattern, what in UNSUPPORTED:
        if any(re.search(rf"(^|\.){pattern}", name) for name in shapes):
            return f"this looks like {what}, which is not supported"
    shown = ", ".join(list(shapes)[:3])
    return (
        f"no recipe has its {len(shapes)} tensors ({shown}, ...): see `fxai-convert "
        "recipes` for what is supported"
    )
