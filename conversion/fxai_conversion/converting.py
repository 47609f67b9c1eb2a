"""From the tensors of a checkpoint to the arrays of a network, with nothing left over.

Every tensor is used or left out for a stated reason, every leaf is written once, and
all that is wrong is said in one error.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fxai_conversion.choosing import Candidate, shapes_of
from fxai_conversion.recipes.companions import companion
from fxai_conversion.recipes.layouts import Options, Shapes
from fxai_conversion.recipes.naming import Translation, translation
from fxai_conversion.recipes.recipe import Recipe
from fxai_conversion.recipes.rules import Target, Transform
from fxai_jax.card_limits import check_blocks
from fxai_jax.checkpoints import empty_network, network_leaves

Sizes = dict[str, tuple[int, ...]]

SHOWN = 12


class ConversionError(ValueError):
    """A checkpoint that is not what its recipe says.

    Attributes:
        problems: Everything that is wrong, one sentence each.
    """

    def __init__(self, recipe: str, problems: list[str], advice: str = ""):
        """Makes the error; the message shows the first problems, then the advice."""
        self.problems = problems
        more = len(problems) - SHOWN
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(
            f"the recipe {recipe} does not fit: {'; '.join(problems[:SHOWN])}{rest}"
            f"{advice}"
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
    """Decides what becomes of every tensor by its shape; complete on both sides."""
    recipe, prefix, _ = candidate
    bare = {
        name.removeprefix(prefix): shape
        for name, shape in shapes.items()
        if name.startswith(prefix)
    }
    options, leaves, parameters = _network(recipe, bare)
    names = translation(recipe.naming, options)
    fates = {name: _fate(name, candidate, names, leaves) for name in shapes}
    moves = {name: fate for name, fate in fates.items() if isinstance(fate, Target)}
    dropped = {name: fate for name, fate in fates.items() if isinstance(fate, str)}
    absent = sorted(leaves.keys() - {move.path for move in moves.values()})
    unexpected = [name for name, fate in fates.items() if fate is None]
    problems = [
        *(f"unexpected {name}" for name in unexpected),
        *_twice(moves),
        *_misshapen(shapes, moves, leaves),
        *(f"missing {prefix}{names.outward(path)[0]}" for path in absent),
    ]
    if problems:
        raise ConversionError(recipe.name, problems, _advice(prefix, unexpected))
    return Plan(options, moves, dropped, leaves, parameters)


def convert(tensors: Mapping[str, np.ndarray], candidate: Candidate) -> Converted:
    """Converts the tensors of a checkpoint into C-contiguous leaves of a network."""
    decided = plan(shapes_of(tensors), candidate)
    used = {name: tensors[name] for name in decided.moves}
    arrays, problems = {}, []
    for name, (path, move) in decided.moves.items():
        problem = _unusable(name, used[name])
        if problem is None:
            arrays[path] = _leaf(used[name], move.forward)
            problem = _impossible(name, used[name], arrays[path])
        if problem:
            problems.append(problem)
    if problems:
        raise ConversionError(candidate.recipe.name, problems)
    casts = Counter(str(a.dtype) for a in used.values() if a.dtype != np.float32)
    variances = [arrays[path] for path in arrays if path.endswith("/var")]
    tiny = sum(int((a < np.finfo(np.float32).tiny).sum()) for a in variances)
    return Converted(arrays, decided, dict(casts), tiny)


def problems_of(
    tensors: Mapping[str, np.ndarray], candidate: Candidate
) -> tuple[str, ...]:
    """Why the tensors cannot be converted so; nothing where they can."""
    try:
        convert(tensors, candidate)
    except ConversionError as error:
        return tuple(error.problems)
    return ()


def _advice(prefix: str, unexpected: list[str]) -> str:
    """Where the network can be read alone, if all that is too much is beside it."""
    if not unexpected or any(name.startswith(prefix) for name in unexpected):
        return ""
    return f"; --prefix {prefix} reads the network alone"


def _network(recipe: Recipe, shapes: Shapes) -> tuple[Options, Sizes, int]:
    try:
        options = {**recipe.naming.layout(shapes), **recipe.fixed}
        check_blocks(options)
        empty = empty_network(recipe.naming.family, options)
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ConversionError(
            recipe.name, [f"its sizes make no network ({error})"]
        ) from error
    leaves = {path: leaf.shape for path, leaf in network_leaves(empty).items()}
    statistics = ("/mean", "/var")
    trained = (s for path, s in leaves.items() if not path.endswith(statistics))
    return options, leaves, sum(int(np.prod(shape)) for shape in trained)


def _fate(
    name: str, candidate: Candidate, names: Translation, leaves: Sizes
) -> Target | str | None:
    """Where a tensor goes, or the reason to leave it out, or None."""
    prefix = candidate.prefix
    found = None
    if name.startswith(prefix):
        found = names.inward(name.removeprefix(prefix))
    if isinstance(found, Target) and found.path not in leaves:
        found = None
    return found or companion(
        name, prefix, lambda module: names.inward(f"{module}.weight") is not None
    )


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


def _impossible(name: str, source: np.ndarray, leaf: np.ndarray) -> str | None:
    if not leaf.any() and source.any():
        return f"{name} is so small ({source.dtype}) that float32 makes all of it zero"
    if not np.isfinite(leaf).all():
        return f"{name} is not finite everywhere"
    if name.endswith("running_var") and leaf.min() < 0:
        return f"{name} is negative somewhere"
    return None


def _leaf(source: np.ndarray, forward: Transform) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(forward(source), np.float32)
