"""Figures of PLQ: the quality of one face by pixel, and of many faces side by side."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Array, Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fxai_jax.methods.plq import SATURATED, SMALL_SUM, PixelQuality
from fxai_jax.visualize.pictures import (
    Picture,
    Scale,
    colour_bar,
    draw_map,
    finite,
    is_constant,
    show,
    tint,
)

QUALITY = Scale("pixel quality", colormaps["RdYlGn"], 0, 1)

NAME_LENGTH = 20
"""Longer names are shortened in the middle on a contact sheet."""


def quality_figure(
    image: Picture, result: PixelQuality, *, name: str = "face"
) -> Figure:
    """A face, the quality of its pixels, and both together.

    The map is drawn from red (0) over yellow to green (1), whatever its own range. A
    line below says what to do where the numbers cannot be trusted.

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
        Terhörst et al., arXiv 2110.11001 (colours and range).
    """
    figure = Figure(figsize=(8.6, 3.5), layout="constrained")
    map_ = finite(result.map, "map of the pixel quality")
    axes = figure.subplots(1, 2 if is_constant(map_) else 3)
    show(axes[0], image, name)
    if draw_map(axes[1], map_, QUALITY, "pixel quality"):
        show(axes[2], tint(image, map_, colours=QUALITY.colours), "over the face")
        colour_bar(figure, axes[2], QUALITY)
    figure.suptitle(_title(result), fontsize=13)
    figure.supxlabel("\n".join(_notes(result)), fontsize=9)
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
    rows = [-(-len(part) // columns) for part in parts.values()]
    figure = Figure(
        figsize=(1.3 * columns, 1.8 * sum(rows) + 0.4 * len(rows) + 0.4),
        layout="constrained",
    )
    figure.suptitle(f"quality of {len(order)} faces, lowest first", fontsize=13)
    blocks = figure.subfigures(len(parts), 1, squeeze=False, height_ratios=rows)
    for block, (words, part), count in zip(
        blocks.flat, parts.items(), rows, strict=True
    ):
        block.suptitle(words, fontsize=11)
        axes = block.subplots(count, columns, squeeze=False).ravel()
        for axis in axes[len(part) :]:
            axis.set_axis_off()
        for axis, (rank, index) in zip(axes, part, strict=False):
            show(axis, face(index), _short(names[index]))
            axis.title.set_fontsize(8)
            _write_below(axis, f"#{rank}: {values[index]:#.4g}")
    return figure


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


def _short(name: str) -> str:
    if len(name) <= NAME_LENGTH:
        return name
    half = (NAME_LENGTH - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
