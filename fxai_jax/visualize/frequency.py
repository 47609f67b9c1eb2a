"""The figure of the frequency explanation of one pair."""

import jax.numpy as jnp
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from fxai_jax.methods.frequency import BandInfluence, Bands, heat_plot
from fxai_jax.visualize.pictures import (
    Picture,
    Scale,
    colour_bar,
    finite,
    headline,
    say,
    show,
)

POSITIVE, NEGATIVE = "#2166ac", "#b2182b"
"""Nearly the ends of the colour map of the directed plot."""

DIRECTED, ABSOLUTE = colormaps["RdBu"], colormaps["viridis"]
MOST_TICKS = 20
CYCLES = "frequency (cycles per image)"


def frequency_figure(
    probe: Picture,
    gallery: Picture,
    influence: BandInfluence,
    bands: Bands,
    *,
    names: tuple[str, str] = ("probe", "gallery"),
    threshold: float | None = None,
) -> Figure:
    """A pair, the influence of each band on its ring of the spectrum, and as bars.

    Both heat plots are divided by the largest magnitude, which the labels name. DC is
    in the middle; frequencies in no band are grey. The thin line counts the
    coefficients of each band.

    Args:
        probe: Face with shape (h, w, 3) in [0, 1], the one that was explained.
        gallery: Face with shape (h, w, 3) in [0, 1].
        influence: Explanation of the pair.
        bands: Bands it was made with.
        names: Names of the two faces.
        threshold: Cosine at which pairs are accepted, for the title.

    Returns:
        The figure.

    Raises:
        ValueError: If an influence is not finite or the bands are not those of it.

    Example:
        >>> from fxai_jax.explain.frequency import compile_frequency
        >>> from fxai_jax.methods.frequency import radial_bands
        >>> bands = radial_bands((112, 112))
        >>> explain, _ = compile_frequency(load_backbone("mobilefacenet"), bands)
        >>> pair = sample_face("a_1"), sample_face("b_1")
        >>> result = explain(*pair).probe
        >>> frequency_figure(*pair, result, bands, threshold=0.45).get_suptitle()
        'cosine -0.076 < threshold 0.450: rejected'

    References:
        Huber, Damer, arXiv 2407.11941.
    """
    directed = finite(influence.directed, "influence of the bands")
    if len(directed) != len(bands.masks):
        raise ValueError(
            f"{len(directed)} influences cannot be those of {len(bands.masks)} bands"
        )
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    figure.suptitle(headline(float(influence.cosine), threshold), fontsize=13)
    top, bottom = figure.subfigures(2, 1, squeeze=False).flat
    axes = top.subplots(1, 4)
    show(axes[0], probe, names[0])
    show(axes[1], gallery, names[1])
    _draw_heat_plots(top, axes[2:], directed, bands)
    _draw_bars(bottom.subplots(), directed, bands)
    return figure


def _draw_heat_plots(
    figure: FigureBase, axes: np.ndarray, directed: np.ndarray, bands: Bands
) -> None:
    largest = float(np.abs(directed).max())
    absolute = Scale(f"|influence| / {largest:.3g}", ABSOLUTE, 0, 1)
    signed = Scale(f"influence / {largest:.3g}", DIRECTED, -1, 1)
    _draw_heat_plot(figure, axes[0], np.abs(directed), bands, absolute)
    _draw_heat_plot(figure, axes[1], directed, bands, signed)
    axes[0].set_title("absolute influence", fontsize=11)
    axes[1].set_title("directed influence", fontsize=11)


def _draw_heat_plot(
    figure: FigureBase, axis: Axes, values: np.ndarray, bands: Bands, scale: Scale
) -> None:
    masks = np.asarray(bands.masks)
    if not values.any():
        show(axis, np.full((*masks.shape[1:], 3), 0.94), "")
        say(axis, "no band moves\nthe cosine")
        return
    plot = np.asarray(heat_plot(jnp.asarray(values), jnp.asarray(masks)))
    height, width = plot.shape
    left, bottom = -(width // 2) - 0.5, -(height // 2) - 0.5
    axis.imshow(
        np.ma.masked_where(~masks.any(axis=0), plot),
        cmap=scale.colours,
        vmin=scale.low,
        vmax=scale.high,
        extent=(left, left + width, bottom, bottom + height),
        origin="lower",
        interpolation="nearest",
    )
    axis.set_facecolor("lightgrey")
    axis.set(xlabel="horizontal cycles per image", ylabel="vertical")
    colour_bar(figure, axis, scale)


def _draw_bars(axis: Axes, directed: np.ndarray, bands: Bands) -> None:
    low, high = np.asarray(bands.edges).T
    colours = [POSITIVE if value >= 0 else NEGATIVE for value in directed]
    axis.bar(low, directed, high - low, align="edge", color=colours, edgecolor="white")
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(xlabel=CYCLES, ylabel="cosine lost without the band\n(+ helps the match)")
    every = -(-len(low) // MOST_TICKS)
    axis.set(xlim=(low.min(), high.max()), xticks=[*low[::every], high[-1]])
    counts = axis.twinx()
    coefficients = np.where(
        np.asarray(bands.coefficients) > 0, bands.coefficients, np.nan
    )
    counts.stairs(coefficients, [*low, high[-1]], baseline=None, color="grey")
    counts.set_yscale("log")
    counts.set_ylabel("coefficients in the band", color="grey")
    counts.tick_params(axis="y", colors="grey", which="both")
