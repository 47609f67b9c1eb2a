"""Reads figures: what is written in them, and which ranges their colours have."""

import numpy as np


def axes_of(figure):
    """All axes, with the colour bars that are drawn inside others."""
    return [a for axis in figure.axes for a in (axis, *axis.child_axes)]


def titles(figure):
    return [axis.get_title() for axis in axes_of(figure) if axis.get_title()]


def words(figure):
    return [text.get_text() for axis in axes_of(figure) for text in axis.texts]


def titled(figure, title):
    (axis,) = (a for a in axes_of(figure) if a.get_title() == title)
    return axis


def scales(figure):
    """Label and range of each colour bar, from left to right."""
    return [
        (axis.get_ylabel(), *axis.get_ylim())
        for axis in axes_of(figure)
        if hasattr(axis, "_colorbar")
    ]


def image(figure, title):
    return titled(figure, title).images[0]


def save(figure, path):
    """Draws the figure, which finds what only drawing finds; warnings are errors."""
    figure.savefig(path / "figure.png", dpi=40)
    assert (path / "figure.png").stat().st_size > 1000


def spot(row, column, size=24, height=1.0):
    map_ = np.zeros((size, size), np.float32)
    map_[row, column] = height
    return map_


def brightest(picture, without):
    """Row and column where a picture departs most from another."""
    distance = np.abs(picture - without).sum(axis=-1)
    return np.unravel_index(distance.argmax(), distance.shape)


def curves(figure, panel):
    """The drawn lines of a panel, or of its title, by their names."""
    axis = titled(figure, panel) if isinstance(panel, str) else panel
    return {
        line.get_label(): line.get_xydata().T
        for line in axis.get_lines()
        if not line.get_label().startswith("_child")  # the zero line
    }


def legend(owner):
    """Words of the legend of a figure or of its axes, with colour and style."""
    drawn = owner.legends[0] if hasattr(owner, "legends") else owner.get_legend()
    return {
        text.get_text(): (line.get_color(), line.get_linestyle())
        for text, line in zip(drawn.get_texts(), drawn.get_lines(), strict=True)
    }


def drawn_area(figure, panel, name):
    """Mean height of a drawn curve over its range, by trapezoids."""
    x, y = curves(figure, panel)[name]
    return np.trapezoid(y, x) / (x[-1] - x[0])
