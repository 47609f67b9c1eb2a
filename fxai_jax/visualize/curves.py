"""Curves of evaluations: one panel per condition, one line per explainer or group."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fxai_jax.evaluation.report import Chart, Panel
from fxai_jax.visualize.pictures import finite, is_constant
from fxai_jax.visualize.words import drawable, fonts

COLOURS = ("#0072b2", "#d55e00", "#56b4e9", "#e69f00", "#009e73", "#cc79a7")
"""Okabe and Ito, Color Universal Design, 2008: colour-blind readers tell them apart.
Green and pink come last: with deuteranopia they are nearly the greys of references."""

MARKERS = ("o", "s", "^", "D", "v", "P")
STYLES = ("-", "--", ":", "-.")  # of the second six lines, and of the third and fourth
GREYS = ("0.1", "0.3", "0.45")  # references
FAINT = {"color": "0.78", "linewidth": 0.9, "zorder": 1}
"""Lines that do not stand out."""

MOST_MARKED = 25  # points of a line that has markers
LEGEND_WIDTH = 24  # characters
NAME_LENGTH = 28
LINES = 12  # of a legend beside one row of panels

Looks = Mapping[str, Mapping[str, Any]]


def curves_figure(chart: Chart) -> Figure:
    """Panels in rows, with one legend, or one for each where they share no lines.

    Args:
        chart: Panels; lines of one name look alike in all of them, what the others are
            compared with is black and grey, what does not stand out is faint.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no panel, or a value is not finite.

    Example:
        >>> from fxai_jax.evaluation.report import Chart, Line, Panel
        >>> panel = Panel("t", "x", "y", {"a": Line(np.arange(3), np.ones(3))})
        >>> len(curves_figure(Chart("title", [panel], columns=1)).axes)
        1
    """
    panels, columns = chart.panels, chart.columns
    if not panels:
        raise ValueError("found no panel to draw, expected at least one")
    rows, apart = -(-len(panels) // columns), _share_nothing(panels)
    looks = _looks(panels, chart.highlighted)
    entries = sum(look is not FAINT for look in looks.values())
    beside = entries // (LINES * rows) + 1  # columns of the legend
    width = 3.6 * columns + 2.2 * (columns if apart else beside)
    figure = Figure(figsize=(width, 3 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=chart.share_y)
    axes, drawn = grid.ravel(), {}
    for axis, panel in zip(axes, panels, strict=False):
        looks = _looks([panel], chart.highlighted) if apart else looks
        lines = _draw(axis, panel, looks)
        drawn |= lines
        if apart:
            place: Any = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)}
            _name(axis, lines, looks, **place)
    if not apart:
        _name(figure, drawn, looks, loc="outside right center", ncols=beside)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    _limit(axes, panels, shared=chart.share_y)
    figure.suptitle(chart.title, parse_math=False)
    return figure


def _share_nothing(panels: Sequence[Panel]) -> bool:
    return any(not {*a.lines} & {*b.lines} for a, b in combinations(panels, 2))


def _looks(panels: Sequence[Panel], highlighted: Sequence[str]) -> Looks:
    lines = {name: line for panel in panels for name, line in panel.lines.items()}
    greys = [name for name, line in lines.items() if line.reference]
    others = [name for name in lines if name not in greys]
    first = [name for name in highlighted if name in others] or others
    looks: dict[str, Mapping[str, Any]] = {}
    for i, name in enumerate(first):
        look = {"color": COLOURS[i % 6], "linestyle": STYLES[i // 6 % 4]}
        looks[name] = look | {"marker": MARKERS[i % 6], "linewidth": 1.5, "zorder": 3}
    for i, name in enumerate(greys):
        look = {"color": GREYS[i % 3], "linestyle": STYLES[i % 3]}
        looks[name] = look | {"linewidth": 1.4, "zorder": 2}
    return looks | {name: FAINT for name in others if name not in looks}


def _draw(axis: Axes, panel: Panel, looks: Looks) -> dict[str, Line2D]:
    handles = {}
    for name, line in panel.lines.items():
        y = finite(line.y, f"curve of {name}")
        style: dict[str, Any] = {**looks[name], "markersize": 4, "clip_on": False}
        if line.stairs or len(y) > MOST_MARKED:
            style["marker"] = ""
        steps = "steps-post" if line.stairs else "default"
        [handles[name]] = axis.plot(line.x, y, drawstyle=steps, label=name, **style)
        if line.band is not None and looks[name] is not FAINT:
            band = {"color": style["color"], "alpha": 0.15, "linewidth": 0}
            step = "post" if line.stairs else None
            axis.fill_between(line.x, *line.band, step=step, **band)
    if panel.zero:
        axis.axhline(0, color="black", linewidth=0.8, zorder=0)
    axis.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    axis.set_xscale("log" if panel.log_x else "linear")
    if all(np.all(line.x == np.round(line.x)) for line in panel.lines.values()):
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axis.grid(alpha=0.25)
    return handles


def _name(
    owner: Axes | Figure,
    drawn: Mapping[str, Line2D],
    looks: Looks,
    **place: Any,
) -> None:
    """Draws a legend: what stands out, references, and the others in one entry."""
    shown = [name for name in looks if name in drawn and looks[name] is not FAINT]
    faint = [name for name in looks if name in drawn and looks[name] is FAINT]
    words = [drawable(name, most=NAME_LENGTH) for name in shown]
    if faint:
        others = "; ".join(drawable(name, most=NAME_LENGTH) for name in faint)
        words.append(fill(f"others: {others}", LEGEND_WIDTH))
    handles = [drawn[name] for name in (*shown, *faint[:1])]
    # A label that begins with "_" would be left out: words are set afterwards.
    legend = owner.legend(
        handles,
        [" "] * len(handles),
        fontsize=9,
        **place,
    )
    for text, label in zip(legend.get_texts(), words, strict=True):
        text.set(text=label, parse_math=False, fontfamily=fonts(label))


def _limit(axes: np.ndarray, panels: Sequence[Panel], *, shared: bool) -> None:
    """Ends of the upright axes; what is constant is drawn at its height over 0."""
    ends = np.array([_ends(panel) for panel in panels])
    whole = ends[:, 0].min(), ends[:, 1].max()
    for axis, (low, high) in zip(axes, ends, strict=False):
        axis.set_ylim(*(whole if shared else (low, high)))


def _ends(panel: Panel) -> tuple[float, float]:
    drawn = [(line.y, *(line.band or ())) for line in panel.lines.values()]
    values = np.concatenate([np.ravel(y) for each in drawn for y in each])
    low, high = float(values.min()), float(values.max())
    if is_constant(values):
        low, high = (min(low, 0), max(high, 0)) if low else (0, 1)
    margin = 0.05 * (high - low)
    bottom, top = panel.y_range
    return (
        low - margin if bottom is None else bottom,
        high + margin if top is None else top,
    )
