"""From the names of published PyTorch checkpoints to the leaves of our networks.

A rule is (PyTorch module, our module, kind). ``{}`` stands for a number, and the
numbers have the same order on both sides, so a rule reads in both directions. The kind
says what each tensor of that module becomes. A name must match exactly one rule.
"""

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Transform = Callable[[np.ndarray], np.ndarray]


class Move(NamedTuple):
    """What becomes of one tensor of a module.

    Attributes:
        leaf: Name of our leaf.
        forward: From PyTorch's layout to ours.
        backward: From ours to PyTorch's.
    """

    leaf: str
    forward: Transform
    backward: Transform


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _patch(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])


def _unpatch(kernel: np.ndarray) -> np.ndarray:
    size = math.isqrt(kernel.shape[0] // 3)
    return kernel.reshape(size, size, 3, -1).transpose(3, 2, 0, 1)


def _kernel(forward: Transform, backward: Transform) -> dict[str, Move]:
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
    "linear": {**_kernel(np.transpose, np.transpose)},
    "pointwise": {
        **_kernel(
            lambda kernel: kernel[:, :, 0, 0].T,
            lambda kernel: kernel.T[..., None, None],
        )
    },
    "patch": {**_kernel(_patch, _unpatch)},
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

Rules = list[tuple[str, str, str]]


class Target(NamedTuple):
    """Where a tensor goes.

    Attributes:
        path: Our leaf, such as ``conv1/kernel``.
        move: Its layout in both directions.
    """

    path: str
    move: Move


def target_of(name: str, rules: Rules) -> Target | str | None:
    """Finds what becomes of a PyTorch tensor.

    Args:
        name: Its name, such as ``layer1.0.conv1.weight``.
        rules: A table of `conversion.tables`.

    Returns:
        Its place, or the reason to leave it out, or None for an unknown name.

    Raises:
        LookupError: If the name matches two rules, a mistake in the table.

    Example:
        >>> from conversion.tables import INSIGHTFACE
        >>> target_of("layer1.0.conv1.weight", INSIGHTFACE).path
        'layer1/layers/0/conv1/kernel'
    """
    module, _, leaf = name.rpartition(".")
    if (found := _translate(module, rules)) is None:
        return None
    move = KINDS[found[1]].get(leaf)
    if isinstance(move, Move):
        return Target(f"{found[0]}/{move.leaf}".lstrip("/"), move)
    return move


def source_of(path: str, rules: Rules) -> tuple[str, Move]:
    """Finds the PyTorch tensor of one of our leaves: `target_of` backwards.

    Args:
        path: Our leaf.
        rules: The table of the network.

    Returns:
        Name of the tensor, and its layout in both directions.

    Raises:
        LookupError: If the leaf is in no rule or in two.

    Example:
        >>> from conversion.tables import INSIGHTFACE
        >>> source_of("layer1/layers/0/conv1/kernel", INSIGHTFACE)[0]
        'layer1.0.conv1.weight'
    """
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


def staged(blocks: Sequence[int]) -> list[str]:
    """Places of a flat ``body`` of blocks by stage.

    Args:
        blocks: Blocks of each stage.

    Returns:
        For ``body.3`` at index 3 a name such as ``layer2.1``.

    Example:
        >>> staged([1, 2])
        ['layer1.0', 'layer2.0', 'layer2.1']
    """
    return [
        f"layer{stage}.{index}"
        for stage, count in enumerate(blocks, start=1)
        for index in range(count)
    ]
