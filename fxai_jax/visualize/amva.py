"""Figures of AMVA: where a network looks, and how that varies with image quality."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from scipy.stats import gaussian_kde

from fxai_jax.methods.amva import Variation
from fxai_jax.visualize.pictures import (
    COLOURS,
    Map,
    Picture,
    Scale,
    colour_bar,
    draw_map,
    finite,
    is_constant,
    overlay,
    say,
    show,
)

ACTIVATION = Scale("activation", COLOURS, 0.0, 1.0)
STD = Scale("standard deviation of the activation", COLOURS, 0.0, 1.0)
DIFFERENCE = Scale("magnitude of the difference", colormaps["magma"], 0.0, 1.0)
DEVIATION = Scale("deviation, largest = 1", colormaps["magma"], 0.0, 1.0)

GROUPS = ("high quality", "low quality")

HIGH, LOW = "#0072b2", "#d55e00"
"""Colours of the two groups that colour-blind readers tell apart."""


def attention_figure(
    image: Picture, activation_map: Map, *, name: str = "face"
) -> Figure:
    """A face, its activation map laid over it, and the map alone.

    Differs from the paper in: colours whose steps look as large as they are, over a
    grey face, where the authors add ``0.5 jet`` to the image.

    Args:
        image: Face with shape (h, w, 3) in [0, 1].
        activation_map: Map with shape (h, w) in [0, 1].
        name: Name of the face.

    Returns:
        The figure.

    Raises:
        ValueError: If the map is not finite or its size is not the face's.

    Example:
        >>> figure = attention_figure(np.ones((4, 4, 3)), np.eye(4), name="a")
        >>> figure.axes[0].get_title()
        'a'

    References:
        Fu, Damer, arXiv 2112.04827; the authors' script (the colours).
    """
    figure = Figure(figsize=(8.6, 3), layout="constrained")
    added = _over(image, activation_map, ACTIVATION)
    axes = figure.subplots(1, 2 if is_constant(np.asarray(activation_map)) else 3)
    show(axes[0], image, name)
    if draw_map(axes[-1], activation_map, ACTIVATION, "activation"):
        show(axes[1], added, "over the face")
        colour_bar(figure, axes[-1], ACTIVATION)
    return figure


def variation_figure(
    high: Variation,
    low: Variation,
    *,
    counts: tuple[int, int],
    example: tuple[str, Picture, Map] | None = None,
) -> Figure:
    """How activation maps vary over faces of high and of low quality.

    Mean and standard deviation of both groups, and where their standard deviations and
    their spreads differ; below them one face with its deviation from the good ones, and
    the densities of the pixels of the std and of the median maps, estimated with
    Gaussian kernels. Values are those of activations in [0, 1], but deviations are
    divided by the largest of the face.

    Args:
        high: Statistics of the group of high quality.
        low: Statistics of the group of low quality.
        counts: Number of faces in each group, high and low.
        example: Name of a face, the face with shape (h, w, 3) in [0, 1] and its
            deviation with shape (h, w) in [0, 1]; None leaves it out.

    Returns:
        The figure.

    Raises:
        ValueError: If a map is not finite or the example's sizes differ.

    Example:
        >>> from fxai_jax.methods import amva
        >>> maps = jax.random.uniform(jax.random.key(0), (8, 6, 6))
        >>> groups = amva.variation(maps), amva.variation(maps**2)
        >>> figure = variation_figure(*groups, counts=(8, 8))
        >>> figure.axes[0].get_title()
        'mean activation, high quality'

    References:
        Fu, Damer, arXiv 2112.04827.
    """
    figure = Figure(figsize=(10.4, 8.6), layout="constrained")
    words = [f"{n} {'face' if n == 1 else 'faces'}" for n in counts]
    labels = [f"high quality ({words[0]})", f"low quality ({words[1]})"]
    figure.suptitle(f"attention: {' and '.join(labels)}", fontsize=13)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.1, 1)).flat
    axes = top.subplots(2, 3)
    largest = max(float(finite(v.std, "std").max()) for v in (high, low))
    std = STD._replace(high=largest if largest > 0 else 1)
    _draw_column(top, axes[:, 0], (high.mean, low.mean), "mean activation", ACTIVATION)
    _draw_column(top, axes[:, 1], (high.std, low.std), "standard deviation", std)
    _draw_difference(top, axes[0, 2], high.std, low.std, "standard deviation")
    _draw_difference(top, axes[1, 2], high.spread, low.spread, "spread")
    shown = 0 if example is None else 2
    last = bottom.subplots(1, 2 + shown)
    if example is not None:
        _draw_example(bottom, last[:shown], *example)
    _draw_densities(last[-2], (high.std, low.std), "std")
    _draw_densities(last[-1], (high.median, low.median), "median")
    return figure


def _over(image: Picture, map_: Map, scale: Scale) -> Picture:
    return overlay(image, map_, largest=scale.high, colours=scale.colours)


def _draw_column(
    figure: FigureBase,
    axes: np.ndarray,
    maps: Sequence[Map],
    what: str,
    scale: Scale,
) -> None:
    drawn = [
        draw_map(axis, map_, scale, f"{what}, {group}")
        for axis, map_, group in zip(axes, maps, GROUPS, strict=True)
    ]
    if any(drawn):
        colour_bar(figure, axes, scale)


def _draw_difference(
    figure: FigureBase, axis: Axes, high: Map, low: Map, what: str
) -> None:
    values = np.abs(finite(high, what) - finite(low, what))
    scale = DIFFERENCE._replace(high=float(values.max()) or 1)
    if draw_map(axis, values, scale, f"{what}: high - low"):
        colour_bar(figure, axis, scale)


def _draw_example(
    figure: FigureBase, axes: np.ndarray, name: str, image: Picture, deviation: Map
) -> None:
    added = _over(image, deviation, DEVIATION)
    show(axes[0], image, name)
    if is_constant(np.asarray(deviation)):
        show(axes[1], 0.35 * np.asarray(image) + 0.65, "no deviation")
        say(axes[1], "the map is that\nof good faces")
        return
    show(axes[1], added, "its deviation from the mean")
    colour_bar(figure, axes[1], DEVIATION)


def _draw_densities(axis: Axes, maps: Sequence[Map], what: str) -> None:
    for map_, label, colour in zip(maps, GROUPS, (HIGH, LOW), strict=True):
        _draw_density(axis, finite(map_, what).ravel(), label, colour)
    axis.set(xlabel=f"{what} of a pixel", ylabel="density", ylim=(0, None))
    axis.legend(fontsize=9, frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    if not axis.collections:  # no curve, so the axis has no unit
        axis.set_yticks([])


def _draw_density(axis: Axes, values: np.ndarray, label: str, colour: str) -> None:
    if is_constant(values):
        words = f"{label}: all {values[0]:.3g}"
        ends = {"linestyle": "--", "transform": axis.get_xaxis_transform()}
        axis.plot(values[[0, 0]], [0, 1], color=colour, label=words, **ends)
        return
    density = gaussian_kde(values)
    reach = 3 * np.sqrt(density.covariance[0, 0])
    at = np.linspace(max(values.min() - reach, 0), min(values.max() + reach, 1), 200)
    axis.plot(at, density(at), color=colour, label=label)
    axis.fill_between(at, density(at), color=colour, alpha=0.15)
