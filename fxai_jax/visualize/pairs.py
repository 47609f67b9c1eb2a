"""Figures of labelled pairs: what a list calls one person, and what it does not."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fxai_jax.data.images import Pixels
from fxai_jax.data.pairs import Pairs
from fxai_jax.visualize.words import drawable, fonts, write

KINDS = {True: ("genuine", "#0072b2"), False: ("impostor", "#d55e00")}
"""Title and colour of a pair by its label; colour-blind readers tell the two apart."""

FONT: dict[str, Any] = {"family": "monospace", "fontsize": 6}
NAME_LENGTH = 23
"""Characters that fit under an image; the font gives all the same width."""

GROUP_LENGTHS = (15, 28)
"""Characters of a group's name and of its value that fit under a pair."""

MOST_GROUPS = 4
"""Group columns written under a pair."""


def pair_sheet(pairs: Pairs, *, columns: int = 4) -> Figure:
    """All pairs of a set, each with its label, its names and its groups.

    The frame is blue where the list says that both images show one person, and orange
    where it says that they do not. An image that cannot be read is an empty cell.

    Args:
        pairs: Pairs to show; take some of many with their `limit`.
        columns: Pairs in a row.

    Returns:
        The figure.

    Raises:
        ValueError: If there are no pairs.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> sheet = pair_sheet(open_pairs(sample_pairs()).limit(8, seed=0))
        >>> len(sheet.axes)
        8
    """
    count = len(pairs)
    if count == 0:
        raise ValueError("a sheet of pairs needs at least one pair, got none")
    columns = min(columns, count)
    rows = -(-count // columns)
    lines = min(len(pairs.groups), MOST_GROUPS + 1)
    figure = Figure(
        figsize=(2.8 * columns, (2.1 + 0.12 * lines) * rows), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, axis in enumerate(axes[:count]):
        _draw_pair(axis, pairs, i)
    for axis in axes[count:]:
        axis.remove()
    return figure


def _draw_pair(axis: Axes, pairs: Pairs, i: int) -> None:
    title, colour = KINDS[bool(pairs.genuine[i])]
    axis.set(xlim=(-0.05, 2.1), ylim=(1.2, -0.05), aspect="equal", xticks=[], yticks=[])
    axis.set_title(title, color=colour, fontsize=10, fontweight="bold")
    for spine in axis.spines.values():
        spine.set(edgecolor=colour, linewidth=2)
    for left, place in ((0.0, pairs.probe[i]), (1.05, pairs.gallery[i])):
        _draw_image(axis, _pixels(pairs, int(place)), left)
        under = axis.text(left + 0.5, 1.1, "", ha="center", va="center", **FONT)
        write(under, _name(pairs.images[place]), most=NAME_LENGTH)
    groups = {name: texts[i] for name, texts in pairs.groups.items()}
    lines = "\n".join(_group_lines(groups))
    label = axis.set_xlabel(lines, labelpad=3, parse_math=False, **FONT)
    label.set_fontfamily(fonts(lines, label.get_fontfamily()))


def _draw_image(axis: Axes, pixels: Pixels | None, left: float) -> None:
    if pixels is None:
        axis.text(left + 0.5, 0.5, "unreadable", ha="center", va="center", fontsize=9)
        return
    height, width = np.array(pixels.shape[:2]) / max(pixels.shape[:2])
    x, y = left + (1 - width) / 2, (1 - height) / 2
    extent = (x, x + width, y + height, y)
    axis.imshow(pixels, extent=extent, aspect="equal", interpolation="nearest")
    # imshow sets the limits to those of its image.
    axis.set(xlim=(-0.05, 2.1), ylim=(1.2, -0.05))


def _pixels(pairs: Pairs, place: int) -> Pixels | None:
    try:
        return pairs.read(place)
    except (OSError, ValueError):
        return None


def _name(image: str) -> str:
    return "/".join(PurePath(image).parts[-2:])


def _group_lines(groups: Mapping[str, str]) -> Sequence[str]:
    family = [FONT["family"]]
    lines = [
        ": ".join(
            drawable(words, family, most=most)
            for words, most in zip(group, GROUP_LENGTHS, strict=True)
        )
        for group in groups.items()
    ]
    if len(lines) > MOST_GROUPS:
        lines[MOST_GROUPS:] = [f"and {len(lines) - MOST_GROUPS} more"]
    return lines
