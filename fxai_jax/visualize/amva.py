"""Figures of AMVA: where a network looks, and how that varies with image quality."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from scipy.stats import gaussian_kde

from fxai_jax.methods.amva import Difference, Variation
from fxai_jax.visualize.pictures import (
    JET,
    Map,
    Picture,
    Scale,
    blend,
    colour_bar,
    draw_map,
    finite,
    is_constant,
    say,
    show,
)

ACTIVATION = Scale("activation", JET, 0, 1)
STD = Scale("standard deviation", colormaps["viridis"], 0, 1)
DIFFERENCE = Scale("difference / its maximum", colormaps["magma"], 0, 1)
DEVIATION = Scale("deviation / its maximum", JET, 0, 1)

HIGH, LOW = "#0072b2", "#d55e00"
"""Colours of the two groups that colour-blind readers tell apart."""


def attention_figure(
    image: Picture, activation_map: Map, *, name: str = "face"
) -> Figure:
    """A face, its activation map added to it, and the map alone.

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
        Fu, Damer, arXiv 2112.04827; the authors' script (``0.5 jet + 1.0 image``).
    """
    figure = Figure(figsize=(8.6, 3), layout="constrained")
    added = blend(image, activation_map)
    axes = figure.subplots(1, 2 if is_constant(np.asarray(activation_map)) else 3)
    show(axes[0], image, name)
    if draw_map(axes[-1], activation_map, ACTIVATION, "activation"):
        show(axes[1], added, "0.5 jet(activation) + face")
        colour_bar(figure, axes[-1], ACTIVATION)
    return figure


def variation_figure(
    high: Variation,
    low: Variation,
    difference: Difference,
    *,
    counts: tuple[int, int],
    example: tuple[Picture, Map] | None = None,
) -> Figure:
    """How activation maps vary over faces of high and of low quality.

    Mean, standard deviation and differences of both groups; below them one face's
    deviation from the good ones, and the densities of the pixels of the std and of the
    median maps, estimated with Gaussian kernels.

    Args:
        high: Statistics of the group of high quality.
        low: Statistics of the group of low quality.
        difference: Where the two differ.
        counts: Number of faces in each group, high and low.
        example: A face with shape (h, w, 3) in [0, 1] and its deviation with shape
            (h, w) in [0, 1]; None leaves it out.

    Returns:
        The figure.

    Raises:
        ValueError: If a map is not finite or the example's sizes differ.

    Example:
        >>> from fxai_jax.methods import amva
        >>> maps = jax.random.uniform(jax.random.key(0), (8, 6, 6))
        >>> groups = amva.variation(maps), amva.variation(maps**2)
        >>> apart = amva.difference(*groups)
        >>> figure = variation_figure(*groups, apart, counts=(8, 8))
        >>> figure.axes[0].get_title()
        'mean, high (n = 8)'

    References:
        Fu, Damer, arXiv 2112.04827.
    """
    figure = Figure(figsize=(9.6, 8.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2, 1)).flat
    axes = top.subplots(2, 3)
    labels = [f"high (n = {counts[0]})", f"low (n = {counts[1]})"]
    largest = max(float(finite(v.std, "std").max()) for v in (high, low))
    std = STD._replace(high=largest if largest > 0 else 1)
    titles = [f"std, |high - low| ≤ {_largest(high.std, low.std)}"]
    titles += [f"spread, |high - low| ≤ {_largest(high.spread, low.spread)}"]
    means, stds = ([f"{what}, {label}" for label in labels] for what in ("mean", "std"))
    _draw_column(top, axes[:, 0], (high.mean, low.mean), means, ACTIVATION)
    _draw_column(top, axes[:, 1], (high.std, low.std), stds, std)
    _draw_column(top, axes[:, 2], difference, titles, DIFFERENCE)
    last = bottom.subplots(1, 2 if example is None else 3)
    if example is not None:
        _draw_example(bottom, last[0], *example)
    _draw_densities(last[-2], (high.std, low.std), labels, "std")
    _draw_densities(last[-1], (high.median, low.median), labels, "median")
    return figure


def _largest(high: Map, low: Map) -> str:
    return f"{np.abs(finite(high, 'map') - finite(low, 'map')).max():.2g}"


def _draw_column(
    figure: FigureBase,
    axes: np.ndarray,
    maps: Sequence[Map],
    titles: Sequence[str],
    scale: Scale,
) -> None:
    drawn = [
        draw_map(axis, map_, scale, title)
        for axis, map_, title in zip(axes, maps, titles, strict=True)
    ]
    if any(drawn):
        colour_bar(figure, axes, scale)


def _draw_example(
    figure: FigureBase, axis: Axes, image: Picture, deviation: Map
) -> None:
    added = blend(image, deviation)
    if is_constant(np.asarray(deviation)):
        show(axis, 0.35 * np.asarray(image) + 0.65, "no deviation")
        say(axis, "the map is that\nof good faces")
        return
    show(axis, added, "one face's deviation")
    colour_bar(figure, axis, DEVIATION)


def _draw_densities(
    axis: Axes, maps: Sequence[Map], labels: Sequence[str], what: str
) -> None:
    for map_, label, colour in zip(maps, labels, (HIGH, LOW), strict=True):
        _draw_density(axis, finite(map_, what).ravel(), label, colour)
    axis.set(xlabel=f"{what} of a pixel", ylabel="density", ylim=(0, None))
    axis.legend(fontsize=8, frameon=False)
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
