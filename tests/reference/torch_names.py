"""Tensors by PyTorch name, for tests that fill a network without a checkpoint file."""

import re

from conversion import rules, tables
from conversion.rules import Rules

ADAFACE = tables.ADAFACE
CURRICULARFACE = tables.CURRICULARFACE
FACENET = tables.FACENET
INSIGHTFACE = tables.INSIGHTFACE
NAMED_MOBILEFACENET = tables.NAMED_MOBILEFACENET
NUMBERED_MOBILEFACENET = tables.NUMBERED_MOBILEFACENET
VIT = tables.VIT

__all__ = ["Rules", "arrays", "staged"]


def arrays(state, table):
    """The leaves of our network, by path, from NumPy tensors by PyTorch name."""
    leaves = {}
    for name, tensor in state.items():
        target = rules.target_of(name, table)
        assert target is not None, f"{name} matches no rule"
        if isinstance(target, str):
            continue
        assert target.path not in leaves, f"{name} is the second for {target.path}"
        leaves[target.path] = target.move.forward(tensor)
    return leaves


def staged(state, blocks):
    """Names a flat ``body`` of blocks by stage: ``body.3`` becomes ``layer2.1``."""
    places = rules.staged(blocks)
    return {
        re.sub(r"^body\.(\d+)", lambda match: places[int(match[1])], name): tensor
        for name, tensor in state.items()
    }
