"""What all figures are made of: maps over faces, colour scales, words, refusals."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import FigureBase

from fxai_jax.visualize.words import write

Picture = Float[np.ndarray | Array, "h w 3"]
"""RGB in [0, 1]."""

Map = Float[np.ndarray | Array, "h w"]
"""One value per pixel."""

COLOURS = colormaps["viridis"]
"""Of maps without a sign: as many steps to the eye as in the values, for colour-blind
readers too, and in grey."""

TITLE_LENGTH = 27
"""Longer titles are shortened in the middle; they would reach into the next panel."""


class Scale(NamedTuple):
    """How the values of one kind of map become colours."""

    label: str
    colours: Colormap
    low: float
    high: float
    above: bool = False
    """Whether some values are above `high`; they have its colour."""


def overlay(
    image: Picture, saliency: Map, *, largest: float, colours: Colormap
) -> Picture:
    """Lays a non-negative map over a grey face; the face shows through where it is low.

    Args:
        image: Face with shape (h, w, 3) in [0, 1].
        saliency: Map with shape (h, w), non-negative.
        largest: Value drawn with the last colour, positive.
        colours: Colour map.

    Returns:
        RGB with shape (h, w, 3) in [0, 1].

    Raises:
        ValueError: If the map and the face differ in size, or the map is not finite.

    Example:
        >>> overlay(np.ones((4, 4, 3)), np.eye(4), largest=1.0, colours=COLOURS).shape
        (4, 4, 3)
    """
    face, values = _pair(image, saliency)
    strength = np.clip(values / largest, 0, 1)[..., None]
    opacity = 0.25 + 0.55 * strength
    return (1 - opacity) * _grey(face) + opacity * colours(strength[..., 0])[..., :3]


def tint(
    image: Picture, map_: Map, *, colours: Colormap, largest: float = 1.0
) -> Picture:
    """Colours a grey face by a map whose low values matter as much as its high ones.

    Args:
        image: Face with shape (h, w, 3) in [0, 1].
        map_: Map with shape (h, w), non-negative.
        colours: Colour map.
        largest: Value drawn with the last colour, positive.

    Returns:
        RGB with shape (h, w, 3) in [0, 1].

    Raises:
        ValueError: If the map and the face differ in size, or the map is not finite.

    Example:
        >>> tint(np.ones((4, 4, 3)), np.eye(4), colours=COLOURS).shape
        (4, 4, 3)
    """
    face, values = _pair(image, map_)
    shares = np.clip(values / largest, 0, 1)
    return 0.5 * _grey(face) + 0.5 * colours(shares)[..., :3]


def decision(cosine: float, threshold: float) -> str:
    """What a verification system says about the pair.

    Args:
        cosine: Similarity of the pair.
        threshold: Smallest cosine that is accepted.

    Returns:
        "accepted" or "rejected".

    Example:
        >>> decision(0.8, 0.45)
        'accepted'
    """
    return "accepted" if cosine >= threshold else "rejected"


def headline(cosine: float, threshold: float | None) -> str:
    """The title of a pair: its cosine, and the decision where there is a threshold.

    Example:
        >>> headline(0.8, 0.45)
        'cosine 0.800 ≥ threshold 0.450: accepted'
    """
    finite(np.asarray(cosine), "cosine")
    if threshold is None:
        return f"cosine {cosine:.3f}"
    return (
        f"cosine {cosine:.3f} {'≥' if cosine >= threshold else '<'} "
        f"threshold {threshold:.3f}: {decision(cosine, threshold)}"
    )


def finite(
    values: Float[np.ndarray | Array, "*shape"], what: str
) -> Float[np.ndarray, "*shape"]:
    """Brings values to the host and refuses those that would be drawn as holes.

    Example:
        >>> finite(np.eye(2), "map").shape
        (2, 2)
    """
    host = np.asarray(values)
    bad = int(host.size - np.isfinite(host).sum())
    if bad:
        raise ValueError(
            f"the {what} is not finite in {bad} of {host.size} values and cannot be "
            "drawn: check the image and the network's embedding of it"
        )
    return host


def is_constant(values: Float[np.ndarray, "*shape"]) -> bool:
    """Whether values differ by less than a millionth of the largest magnitude.

    Colours or a density would then show rounding.

    Example:
        >>> is_constant(np.ones(3))
        True
    """
    return bool(np.ptp(values) <= 1e-6 * np.abs(values).max())


def grid(count: int, columns: int) -> tuple[int, int]:
    """Rows, and columns, at most those given, that leave the fewest places empty.

    Example:
        >>> grid(9, 8)
        (2, 5)
    """
    rows = -(-count // columns)
    return rows, -(-count // rows)


def show(axis: Axes, picture: Picture, title: str) -> None:
    """Draws a picture without ticks under its title, which may be a name."""
    shown = np.clip(finite(picture, f"picture of {title}"), 0, 1)
    axis.imshow(shown, interpolation="nearest")
    write(axis.set_title("", fontsize=11), title, most=TITLE_LENGTH)
    axis.set_axis_off()


def say(axis: Axes, words: str) -> None:
    """Writes words over a picture, where there is nothing to draw."""
    axis.text(0.5, 0.5, words, ha="center", va="center", transform=axis.transAxes)


def draw_map(axis: Axes, map_: Map, scale: Scale, title: str) -> bool:
    """Draws a map with its scale's colours; says it where it is constant, and False."""
    values = finite(map_, f"map of {title}")
    if is_constant(values):
        show(axis, np.full((*values.shape, 3), 0.94), title)
        say(axis, f"constant map:\n{values.flat[0]:.3g} everywhere")
        return False
    axis.set_title(title, fontsize=11)
    axis.imshow(
        values,
        cmap=scale.colours,
        norm=Normalize(scale.low, scale.high),
        interpolation="nearest",
    )
    axis.set_axis_off()
    return True


def colour_bar(figure: FigureBase, axes: Axes | np.ndarray, scale: Scale) -> Colorbar:
    """One colour bar for all pictures that share a scale."""
    mappable = ScalarMappable(Normalize(scale.low, scale.high), scale.colours)
    ends: Any = {"extend": "max" if scale.above else "neither"}
    bar = figure.colorbar(mappable, ax=axes, shrink=0.8, pad=0.03, **ends)
    bar.set_label(scale.label)
    bar.ax.ticklabel_format(axis="y", scilimits=(-2, 2))
    return bar


def _pair(image: Picture, map_: Map) -> tuple[np.ndarray, np.ndarray]:
    if image.shape[:2] != map_.shape:
        raise ValueError(
            f"the map is {map_.shape}, the face {image.shape[:2]}: sizes differ"
        )
    return finite(image, "face"), finite(map_, "map")


def _grey(face: np.ndarray) -> np.ndarray:
    return face.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
