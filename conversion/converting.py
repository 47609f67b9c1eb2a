"""From the tensors of a checkpoint to the arrays of a network, with nothing left over.

Every tensor is used or left out for a stated reason, every leaf is written once, and
all that is wrong is said in one error.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from conversion.detection import Candidate, shapes_of
from conversion.layouts import Options, Shapes
from conversion.naming import naming_of
from conversion.recipe import Recipe
from conversion.recipes import TRAINING
from conversion.rules import Target
from fxai_jax.checkpoints import empty_network, network_leaves

Sizes = dict[str, tuple[int, ...]]

SHOWN = 12


class ConversionError(ValueError):
    """A checkpoint that is not what its recipe says.

    Attributes:
        problems: Everything that is wrong, one sentence each.
    """

    def __init__(self, recipe: str, problems: list[str]):
        """Makes the error; the message shows the first problems."""
        self.problems = problems
        more = len(problems) - SHOWN
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(
            f"the recipe {recipe} does not fit: {'; '.join(problems[:SHOWN])}{rest}"
        )


class Plan(NamedTuple):
    """What becomes of each tensor, found from shapes alone.

    Attributes:
        options: Arguments of the network's class.
        moves: Our leaf and its layout by the name in the file.
        dropped: Reason by the name in the file.
        leaves: Shape of each of our leaves.
        parameters: Trained numbers in the network.
    """

    options: Options
    moves: dict[str, Target]
    dropped: dict[str, str]
    leaves: Sizes
    parameters: int


class Converted(NamedTuple):
    """A converted network.

    Attributes:
        arrays: Its float32 leaves by path.
        plan: Where they come from.
        casts: Source types that were not float32, and how many tensors had them.
        tiny_variances: Running variances that are zero or denormal: dead channels.
    """

    arrays: dict[str, np.ndarray]
    plan: Plan
    casts: dict[str, int]
    tiny_variances: int


def plan(shapes: Shapes, candidate: Candidate) -> Plan:
    """Decides what becomes of every tensor, without touching their values.

    Args:
        shapes: Shapes by the names in the file.
        candidate: The recipe and the prefix of its network.

    Returns:
        The plan, complete on both sides.

    Raises:
        ConversionError: If a tensor is missing, unexpected or of another shape.
    """
    recipe, prefix, _ = candidate
    bare = {
        name.removeprefix(prefix): shape
        for name, shape in shapes.items()
        if name.startswith(prefix)
    }
    options, leaves, parameters = _network(recipe, bare)
    naming = naming_of(recipe, options)
    moves: dict[str, Target] = {}
    dropped: dict[str, str] = {}
    unknown = []
    for name in shapes:
        inside = name.startswith(prefix)
        found = naming.inward(name.removeprefix(prefix)) if inside else None
        if isinstance(found, Target) and found.path in leaves:
            moves[name] = found
        elif reason := found if isinstance(found, str) else _reason(recipe, name):
            dropped[name] = reason
        else:
            unknown.append(f"unexpected {name}")
    missing = leaves.keys() - {move.path for move in moves.values()}
    problems = unknown + _twice(moves) + _misshapen(shapes, moves, leaves)
    problems += [f"missing {prefix}{naming.outward(path)}" for path in sorted(missing)]
    if problems:
        raise ConversionError(recipe.name, problems)
    return Plan(options, moves, dropped, leaves, parameters)


def convert(tensors: Mapping[str, np.ndarray], candidate: Candidate) -> Converted:
    """Converts the tensors of a checkpoint.

    Args:
        tensors: Arrays by the names in the file.
        candidate: The recipe and the prefix of its network.

    Returns:
        The leaves of the network, C-contiguous, and how they were made.

    Raises:
        ConversionError: If anything is missing, unexpected, of another shape, not
            floating, not finite, or a variance is negative.
    """
    decided = plan(shapes_of(tensors), candidate)
    arrays, problems = {}, []
    casts: Counter[str] = Counter()
    tiny = 0
    for name, (path, move) in decided.moves.items():
        source = tensors[name]
        if problem := _unusable(name, source):
            problems.append(problem)
            continue
        if source.dtype != np.float32:
            casts[str(source.dtype)] += 1
        arrays[path] = _leaf(source, move.forward)
        if not np.isfinite(arrays[path]).all():
            problems.append(f"{name} is not finite everywhere")
        elif name.endswith("running_var"):
            tiny += int((arrays[path] < np.finfo(np.float32).tiny).sum())
            if arrays[path].min() < 0:
                problems.append(f"{name} is negative somewhere")
    if problems:
        raise ConversionError(candidate.recipe.name, problems)
    return Converted(arrays, decided, dict(casts), tiny)


def _network(recipe: Recipe, shapes: Shapes) -> tuple[Options, Sizes, int]:
    try:
        options = {**recipe.layout(shapes), **recipe.fixed}
        empty = empty_network(recipe.family, options)
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ConversionError(
            recipe.name, [f"its sizes make no network ({error})"]
        ) from error
    leaves = {path: leaf.shape for path, leaf in network_leaves(empty).items()}
    statistics = ("/mean", "/var")
    trained = (s for path, s in leaves.items() if not path.endswith(statistics))
    return options, leaves, sum(int(np.prod(shape)) for shape in trained)


def _reason(recipe: Recipe, name: str) -> str | None:
    for pattern, reason in (*recipe.ignored, *TRAINING):
        if re.fullmatch(pattern, name):
            return reason
    return None


def _twice(moves: Mapping[str, Target]) -> list[str]:
    counts = Counter(move.path for move in moves.values())
    return [
        f"{name} is one of {counts[move.path]} tensors for {move.path}"
        for name, move in moves.items()
        if counts[move.path] > 1
    ]


def _misshapen(shapes: Shapes, moves: Mapping[str, Target], leaves: Sizes) -> list[str]:
    problems = []
    for name, (path, move) in moves.items():
        expected = move.backward(np.broadcast_to(np.float32(0), leaves[path])).shape
        if shapes[name] != expected:
            problems.append(f"{name} has shape {shapes[name]}, expected {expected}")
    return problems


def _unusable(name: str, source: np.ndarray) -> str | None:
    if source.dtype.name in ("float32", "float16", "bfloat16", "float64"):
        return None
    return f"{name} is {source.dtype}, not floating point (quantised?)"


def _leaf(source: np.ndarray, forward: Callable[[np.ndarray], np.ndarray]):
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(forward(source), np.float32)
