"""Figures of PLQ: the quality of one face by pixel, and of many faces side by side."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fxai_jax.methods.plq import SATURATED, SMALL_SUM, PixelQuality
from fxai_jax.visualize.pictures import (
    COLOURS,
    Picture,
    Scale,
    colour_bar,
    draw_map,
    finite,
    grid,
    is_constant,
    show,
    tint,
)
from fxai_jax.visualize.words import write

QUALITY = Scale("pixel quality", COLOURS, 0.0, 1.0)

OWN = 0.99
"""Quantile of a face's map at which its own range ends: a few pixels are far above."""

NAME_LENGTH = 20
"""Longer names are shortened in the middle on a contact sheet."""

SMALLEST_WIDTH = 4.4
"""Inches that the headings of a contact sheet take."""


def quality_figure(
    image: Picture, result: PixelQuality, *, name: str = "face"
) -> Figure:
    """A face, the quality of its pixels, and both together.

    The map alone is drawn from 0 to 1, to compare faces; over the face from 0 to the
    99 % quantile of its own values, to compare its pixels. A line below says what to do
    where the numbers cannot be trusted.

    Differs from the paper in: colours that colour-blind readers can tell apart, dark
    blue for 0 to yellow for 1, where the paper draws red to green; and the own range.

    Args:
        image: Face with shape (h, w, 3) in [0, 1].
        result: Quality of the face and its pixels.
        name: Name of the face.

    Returns:
        The figure.

    Raises:
        ValueError: If the map is not finite or its size is not the face's.

    Example:
        >>> from fxai_jax.explain.plq import compile_plq
        >>> network = load_backbone("mobilefacenet"), load_card("mobilefacenet")
        >>> explain, _ = compile_plq(*network, passes=20)
        >>> face = sample_face("a_1")
        >>> result = explain(jax.random.key(0), face)
        >>> quality_figure(face, result).get_suptitle()
        'quality Q = 0.99...'

    References:
        Terhörst et al., arXiv 2110.11001 (the range 0 to 1).
    """
    notes = _notes(result)
    figure = Figure(figsize=(10, 3.3 + 0.2 * len(notes)), layout="constrained")
    map_ = finite(result.map, "map of the pixel quality")
    axes = figure.subplots(1, 2 if is_constant(map_) else 3)
    show(axes[0], image, name)
    if draw_map(axes[1], map_, QUALITY, "pixel quality"):
        colour_bar(figure, axes[1], QUALITY)
        own = _own_scale(map_)
        tinted = tint(image, map_, colours=own.colours, largest=own.high)
        show(axes[2], tinted, "over the face, own range")
        colour_bar(figure, axes[2], own)
    figure.suptitle(_title(result), fontsize=13)
    figure.supxlabel("\n".join(notes), fontsize=9)
    return figure


def contact_sheet(
    face: Callable[[int], Picture],
    qualities: Float[np.ndarray | Array, " n"],
    names: Sequence[str],
    *,
    columns: int = 8,
    limit: int = 64,
) -> Figure:
    """Faces in the order of their quality, lowest first, with value and rank.

    Args:
        face: Gives face i with shape (h, w, 3) in [0, 1]; called for those shown.
        qualities: Quality of each face with shape (n,), higher is better.
        names: Name of each face.
        columns: Faces in a row.
        limit: Most faces shown, at least 2; of more than these, half of it are the
            lowest and half the highest, and the sheet says so.

    Returns:
        The figure.

    Raises:
        ValueError: If there are no faces, their counts differ, or a quality is not
            finite.

    Example:
        >>> sheet = contact_sheet(lambda i: np.ones((4, 4, 3)), np.eye(3)[0], "abc")
        >>> sheet.axes[2].get_title()
        'a'
    """
    if len(qualities) != len(names) or not len(names):
        raise ValueError(
            "a contact sheet needs one quality and one name for each face, got "
            f"{len(qualities)} qualities and {len(names)} names"
        )
    values = finite(qualities, "quality")
    order = np.argsort(values, kind="stable")
    parts = _parts(order, limit)
    grids = [grid(len(part), columns) for part in parts.values()]
    rows, width = [each[0] for each in grids], max(each[1] for each in grids)
    figure = Figure(
        figsize=(
            max(1.3 * width, SMALLEST_WIDTH),
            1.65 * sum(rows) + 0.4 * len(rows) + 0.2,
        ),
        layout="constrained",
    )
    what = "1 face" if len(order) == 1 else f"{len(order)} faces"
    figure.suptitle(f"quality of {what}, lowest first", fontsize=13)
    blocks = figure.subfigures(len(parts), 1, squeeze=False, height_ratios=rows)
    for block, (words, part), count in zip(
        blocks.flat, parts.items(), rows, strict=True
    ):
        block.suptitle(words, fontsize=11)
        axes = block.subplots(count, width, squeeze=False).ravel()
        for axis in axes[len(part) :]:
            axis.set_axis_off()
        for axis, (rank, index) in zip(axes, part, strict=False):
            show(axis, face(index), "")
            write(axis.set_title("", fontsize=8), names[index], most=NAME_LENGTH)
            _write_below(axis, f"#{rank}: {values[index]:#.4g}")
    return figure


def _own_scale(map_: np.ndarray) -> Scale:
    high = float(np.quantile(map_, OWN)) or float(map_.max())
    above = bool(map_.max() > high)
    return QUALITY._replace(label=f"{QUALITY.label}, own range", high=high, above=above)


def _write_below(axis: Axes, words: str) -> None:
    place = {"ha": "center", "va": "top", "transform": axis.transAxes}
    axis.text(0.5, -0.04, words, fontsize=9, **place)


def _title(result: PixelQuality) -> str:
    raw, error = (float(x) for x in result.ser_fiq)
    return (
        f"quality Q = {float(result.quality):.3f}   (SER-FIQ {raw:.4f} ± {error:.4f})"
    )


def _notes(result: PixelQuality) -> list[str]:
    quality, total = float(result.quality), float(result.embedding_sum)
    notes = []
    if not SATURATED <= quality <= 1 - SATURATED:
        notes.append(
            "Q is saturated: alpha and center do not fit this network, or the face is "
            "unlike those they were fitted to."
        )
    if abs(total) < SMALL_SUM:
        notes.append(
            f"The embedding sums to {total:.3f}, near 0: the gradient of 'uniform' is "
            "large here whatever the face, that of 'minimum_norm' is not."
        )
    return notes


Ranked = list[tuple[int, int]]
"""Rank, from 1, and index of each face."""


def _parts(order: np.ndarray, limit: int) -> dict[str, Ranked]:
    ranked = [(rank, int(index)) for rank, index in enumerate(order, start=1)]
    if len(ranked) <= limit:
        return {"": ranked}
    half = limit // 2
    hidden = len(ranked) - 2 * half
    return {
        f"the {half} lowest": ranked[:half],
        f"the {half} highest ({hidden} between them are not shown)": ranked[-half:],
    }
