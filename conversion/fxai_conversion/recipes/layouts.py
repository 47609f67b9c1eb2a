"""The options of a network, read off the shapes of its tensors, never off its name."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from fxai_jax.backbones.iresnet import DEPTHS

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each tensor by its name in PyTorch, prefixes stripped."""

Options = dict[str, Any]
"""Keyword arguments of a network's class."""

FEWEST = 4
"""Tensors from which a number in the names is a block; the smallest block has 7."""


def insightface(shapes: Shapes) -> Options:
    """Options of `IResNet` under insightface's names."""
    return {
        "depth": _depth([count(shapes, f"layer{stage}.") for stage in range(1, 5)]),
        "embedding_size": shapes["fc.weight"][0],
        "width": shapes["conv1.weight"][0],
        "squeeze_excite": any(".se_block.fc" in name for name in shapes),
    }


def body(shapes: Shapes) -> Options:
    """Options of `IResNet` whose blocks stand in one flat ``body``."""
    gate = re.compile(r"body\.0\.res_layer\.(se_block|5)\.fc")
    return {
        "depth": _depth(body_blocks(shapes)),
        "embedding_size": shapes["output_layer.3.weight"][0],
        "width": shapes["input_layer.0.weight"][0],
        "squeeze_excite": any(gate.match(name) for name in shapes),
    }


def body_blocks(shapes: Shapes) -> list[int]:
    """Blocks of each stage of a flat ``body``: the channels double between stages."""
    width = shapes["input_layer.0.weight"][0]
    widths = [width * 2**stage for stage in range(4)]
    sizes: dict[int, Counter[int]] = defaultdict(Counter)
    for name, shape in shapes.items():
        match = re.match(r"body\.(\d{1,4})\.res_layer\.[1-9]", name, re.ASCII)
        if match and shape and shape[0] in widths:
            sizes[int(match[1])][shape[0]] += 1
    # The majority of a block's tensors decides, so that one wrong tensor is one error.
    whole = [size for size in sizes.values() if size.total() >= FEWEST]
    stages = [widths.index(size.most_common(1)[0][0]) for size in whole]
    return [stages.count(stage) for stage in range(4)]


def facenet(shapes: Shapes) -> Options:
    """Options of `InceptionResnetV1`."""
    return {
        "repeats": [count(shapes, f"repeat_{stage}.") for stage in (1, 2, 3)],
        "embedding_size": shapes["last_linear.weight"][0],
    }


def transformer(shapes: Shapes) -> Options:
    """Options of `VisionTransformer`; the heads leave no trace in the shapes.

    insightface, TransFace and CVLface's small network have 8, its base network 16: the
    one with patches of 8 pixels and 24 blocks.
    """
    width, _, patch, _ = shapes["patch_embed.proj.weight"]
    depth = count(shapes, "blocks.")
    return {
        "patch": patch,
        "width": width,
        "depth": depth,
        "heads": 16 if (patch, depth) == (8, 24) else 8,
        "mlp_ratio": shapes["blocks.0.mlp.fc1.weight"][0] // width,
        "gated": "senet.0.weight" in shapes,
        "embedding_size": shapes["feature.2.weight"][0],
    }


def named_mobilefacenet(shapes: Shapes) -> Options:
    """Options of `MobileFaceNet` under TreB1eN's names."""
    return {
        "blocks": [1, *(count(shapes, f"conv_{stage}.model.") for stage in (3, 4, 5))],
        "embedding_size": shapes["linear.weight"][0],
    }


def numbered_mobilefacenet(shapes: Shapes) -> Options:
    """Options of `MobileFaceNet` under insightface's names."""
    deep = any(name.startswith("layers.1.layers.0.layers.") for name in shapes)
    stages = [count(shapes, f"layers.{index}.layers.") for index in (1, 3, 5, 7)]
    return {
        "width": shapes["layers.0.layers.0.weight"][0] // 64,
        "blocks": stages if deep else [1, *stages[1:]],
        "embedding_size": shapes["features.layers.2.weight"][0],
    }


def blocks_of(depth: int | Sequence[int]) -> Sequence[int]:
    """Blocks of each stage of an option ``depth``, a usual name or the blocks."""
    return DEPTHS[depth] if isinstance(depth, int) else depth


def count(shapes: Shapes, prefix: str) -> int:
    """Counts the numbered children of a module that have at least `FEWEST` tensors.

    How many numbers there are, so that a forged one cannot ask for a giant network.
    """
    pattern = re.compile(re.escape(prefix) + r"(\d{1,4})\.", re.ASCII)
    found = Counter(match[1] for name in shapes if (match := pattern.match(name)))
    return sum(number >= FEWEST for number in found.values())


def _depth(blocks: list[int]) -> int | list[int]:
    """The usual name of a depth, or the blocks themselves."""
    names = [name for name, known in DEPTHS.items() if list(known) == blocks]
    return names[0] if names else blocks
