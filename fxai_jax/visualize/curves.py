"""Curves of evaluations: one panel per condition, one line per explainer or group."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fxai_jax.evaluation.report import Chart, Panel
from fxai_jax.visualize.pictures import finite

COLOURS = [colormaps["tab10"](i) for i in range(10) if i != 7]  # 7 is a grey
GREYS = ("0.3", "0.5", "0.65")
STYLES = ("-", "--", ":")  # a second and a third nine of lines


def curves_figure(chart: Chart) -> Figure:
    """Panels in rows, with one legend for all of them.

    Args:
        chart: Panels; lines of one name look alike in all of them, what the others are
            compared with is grey.

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
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns + 2.2, 3 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=chart.share_y)
    axes, looks, drawn = grid.ravel(), _looks(panels), {}
    for axis, panel in zip(axes, panels, strict=False):
        drawn |= _draw(axis, panel, looks)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    legend = figure.legend(
        list(drawn.values()), list(drawn), loc="outside right center", fontsize=9
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.suptitle(chart.title, parse_math=False)
    return figure


def _looks(panels: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    lines = {name: line for panel in panels for name, line in panel.lines.items()}
    greys = [name for name, line in lines.items() if line.reference]
    coloured = [name for name in lines if name not in greys]
    looks = {
        name: {"color": COLOURS[i % 9], "linestyle": STYLES[i // 9 % 3]}
        for i, name in enumerate(coloured)
    }
    return looks | {
        name: {"color": GREYS[i % 3], "linestyle": STYLES[i % 3]}
        for i, name in enumerate(greys)
    }


def _draw(axis: Axes, panel: Panel, looks: Mapping[str, dict[str, Any]]) -> dict:
    handles = {}
    for name, line in panel.lines.items():
        steps = "steps-post" if line.stairs else "default"
        style: dict[str, Any] = {**looks[name], "drawstyle": steps, "linewidth": 1.3}
        y = finite(line.y, f"curve of {name}")
        handles[name] = axis.plot(line.x, y, **style)[0]
        if line.band is not None:
            axis.fill_between(
                line.x, *line.band, color=style["color"], alpha=0.15, linewidth=0
            )
    if panel.zero:
        axis.axhline(0, color="black", linewidth=0.8, zorder=0)
    axis.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    axis.set_xscale("log" if panel.log_x else "linear")
    if all(np.all(line.x == np.round(line.x)) for line in panel.lines.values()):
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axis.grid(alpha=0.25)
    return handles
