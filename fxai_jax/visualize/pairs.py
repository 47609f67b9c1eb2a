"""Figures of labelled pairs: what a list calls one person, and what it does not."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fxai_jax.data.images import Pixels
from fxai_jax.data.names import printable
from fxai_jax.data.pairs import Pairs

KINDS = {True: ("genuine", "#1a7f37"), False: ("impostor", "#c62828")}
"""Title and colour of a pair by its label."""

FONT = {"family": "monospace", "fontsize": 6, "parse_math": False}
NAME_LENGTH = 23
"""Characters that fit under an image; the font gives all the same width."""

GROUP_LENGTHS = (15, 28)
"""Characters of a group's name and of its value that fit under a pair."""

MOST_GROUPS = 4
"""Group columns written under a pair."""


def pair_sheet(pairs: Pairs, *, columns: int = 4) -> Figure:
    """All pairs of a set, each with its label, its names and its groups.

    The frame is green where the list says that both images show one person, and red
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
        name = _shortened(_name(pairs.images[place]), NAME_LENGTH)
        axis.text(left + 0.5, 1.1, name, ha="center", va="center", **FONT)
    groups = {name: texts[i] for name, texts in pairs.groups.items()}
    axis.set_xlabel("\n".join(_group_lines(groups)), labelpad=3, **FONT)


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
    lines = [
        ": ".join(map(_shortened, group, GROUP_LENGTHS)) for group in groups.items()
    ]
    if len(lines) > MOST_GROUPS:
        lines[MOST_GROUPS:] = [f"and {len(lines) - MOST_GROUPS} more"]
    return lines


def _shortened(text: str, length: int) -> str:
    plain = printable(text)
    if len(plain) <= length:
        return plain
    half = (length - 1) // 2
    return f"{plain[:half]}…{plain[-half:]}"
