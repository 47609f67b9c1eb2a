"""Tensors by PyTorch name, for tests that fill a network without a checkpoint file."""

import re

from fxai_conversion.recipes import naming, published_names, rules
from fxai_conversion.recipes.rules import Rules

ADAFACE = published_names.ADAFACE.rules
CURRICULARFACE = published_names.CURRICULARFACE.rules
FACENET = published_names.FACENET.rules
INSIGHTFACE = published_names.INSIGHTFACE.rules
NAMED_MOBILEFACENET = published_names.NAMED_MOBILEFACENET.rules
NUMBERED_MOBILEFACENET = published_names.NUMBERED_MOBILEFACENET.rules
VIT = published_names.VIT.rules

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
    places = naming.staged(blocks)
    return {
        re.sub(r"^body\.(\d+)", lambda match: places[int(match[1])], name): tensor
        for name, tensor in state.items()
    }
