"""From the names of published PyTorch checkpoints to the leaves of our networks.

A rule is (PyTorch module, our module, kind). ``{}`` stands for a number, and the
numbers have the same order on both sides, so a rule reads in both directions. The kind
says what each tensor of that module becomes. A name must match exactly one rule.
"""

import functools
import math
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Rules = list[tuple[str, str, str]]

Transform = Callable[[np.ndarray], np.ndarray]


class Move(NamedTuple):
    """What becomes of one tensor of a module: our leaf, its layout and the way back."""

    leaf: str
    forward: Transform
    backward: Transform


class Target(NamedTuple):
    """Where a tensor goes: our leaf, such as ``conv1/kernel``, and its layout."""

    path: str
    move: Move


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _patch(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])


def _unpatch(kernel: np.ndarray) -> np.ndarray:
    size = math.isqrt(kernel.shape[0] // 3)
    return kernel.reshape(size, size, 3, -1).transpose(3, 2, 0, 1)


def _kernel(forward: Transform, backward: Transform) -> dict[str, Move | str]:
    return {
        "weight": Move("kernel", forward, backward),
        "bias": Move("bias", _same, _same),
    }


KINDS: dict[str, dict[str, Move | str]] = {
    "conv": {
        "weight": Move(
            "kernel",
            lambda kernel: kernel.transpose(2, 3, 1, 0),
            lambda kernel: kernel.transpose(3, 2, 0, 1),
        )
    },
    "linear": _kernel(np.transpose, np.transpose),
    "pointwise": _kernel(
        lambda kernel: kernel[:, :, 0, 0].T,
        lambda kernel: kernel.T[..., None, None],
    ),
    "patch": _kernel(_patch, _unpatch),
    "norm": {
        "weight": Move("scale", _same, _same),
        "bias": Move("bias", _same, _same),
        "running_mean": Move("mean", _same, _same),
        "running_var": Move("var", _same, _same),
        "num_batches_tracked": "counts training steps",
    },
    "prelu": {"weight": Move("slope", _same, _same)},
    "tokens": {
        "pos_embed": Move("pos_embed", lambda a: a[0], lambda a: a[None]),
        "mask_token": "hides patches in training",
    },
}
"""Tensors of a PyTorch module by kind; a text is the reason to leave a tensor out."""


def target_of(name: str, rules: Rules) -> Target | str | None:
    """Finds where a tensor goes, or why it is left out; None for an unknown name."""
    module, _, leaf = name.rpartition(".")
    if (found := _translate(module, rules)) is None:
        return None
    move = KINDS[found[1]].get(leaf)
    if isinstance(move, Move):
        return Target(f"{found[0]}/{move.leaf}".lstrip("/"), move)
    return move


def source_of(path: str, rules: Rules) -> tuple[str, Move]:
    """Finds the name and the layout of one of our leaves: `target_of` backwards."""
    module, _, leaf = path.rpartition("/")
    found = _translate(module, [(b, a, kind) for a, b, kind in rules])
    for name, move in KINDS[found[1]].items() if found else ():
        if found and isinstance(move, Move) and move.leaf == leaf:
            return f"{found[0]}.{name}".lstrip("."), move
    raise LookupError(f"{path} is in no rule")


def _translate(module: str, rules: Rules) -> tuple[str, str] | None:
    found = [
        (there.format(*match.groups()), kind)
        for here, there, kind in rules
        if (match := _pattern(here).fullmatch(module))
    ]
    if len(found) > 1:
        raise LookupError(f"{module} matches {len(found)} rules")
    return found[0] if found else None


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(r"\{\}", r"(\d{1,4})"), re.ASCII)
