"""Pictures: maps over faces as RGB arrays, and Matplotlib figures of the results.

Figures are made without pyplot, so they need no display, leak nothing in loops and
are safe in threads: save one with ``figure.savefig(path)``.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from fxai_jax.methods.fggb import PairSaliency
from fxai_jax.numerics import gaussian_blur

Picture = Float[np.ndarray, "h w 3"]
"""RGB in [0, 1] on the host."""

Map = Float[np.ndarray, "h w"]

NOTHING = "empty map:\nno pixel counts here"

EMPTY = 0.01
"""A map whose maximum is below this share of the figure's largest is called empty."""


class Kind(NamedTuple):
    """How one kind of map is drawn."""

    title: str
    colours: Colormap


SIMILARITY = Kind("similarity", colormaps["viridis"])
DISSIMILARITY = Kind("dissimilarity", colormaps["inferno"])


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
        >>> colours = colormaps["viridis"]
        >>> overlay(np.ones((4, 4, 3)), np.eye(4), largest=1.0, colours=colours).shape
        (4, 4, 3)
    """
    image, saliency = np.asarray(image), np.asarray(saliency)
    if image.shape[:2] != saliency.shape:
        raise ValueError(
            f"the map is {saliency.shape}, the face {image.shape[:2]}: sizes differ"
        )
    if not np.isfinite(saliency).all():
        raise ValueError("the map is not finite and cannot be drawn")
    strength = np.clip(saliency / largest, 0, 1)[..., None]
    grey = image.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    opacity = 0.25 + 0.55 * strength
    return (1 - opacity) * grey + opacity * colours(strength[..., 0])[..., :3]


def pair_figure(
    probe: Picture,
    gallery: Picture,
    probe_saliency: PairSaliency,
    gallery_saliency: PairSaliency,
    *,
    threshold: float,
    names: tuple[str, str] = ("probe", "gallery"),
) -> Figure:
    """Both faces of a pair with what makes them match and what makes them differ.

    Maps are blurred (25 pixels, sigma 5). The two similarity maps share one
    colour scale, and so do the two dissimilarity maps; an empty map is not drawn.

    Args:
        probe: Face with shape (h, w, 3) in [0, 1].
        gallery: Face with shape (h, w, 3) in [0, 1].
        probe_saliency: Explanation of the probe.
        gallery_saliency: Explanation of the gallery face, from the exchanged pair.
        threshold: Cosine at which pairs are accepted.
        names: Names of the two faces.

    Returns:
        The figure.

    Raises:
        ValueError: If a map is not finite or its size is not the face's.

    Example:
        >>> pair_figure(a, b, of_a, of_b, threshold=0.45).savefig("pair.png")
        ... # doctest: +SKIP
    """
    figure = Figure(figsize=(8.6, 5.6), layout="constrained")
    cosine = float(probe_saliency.cosine)
    figure.suptitle(
        f"cosine {cosine:.3f} {'≥' if cosine >= threshold else '<'} "
        f"threshold {threshold:.3f}: {decision(cosine, threshold)}",
        fontsize=13,
    )
    axes = figure.subplots(2, 3)
    faces = (np.asarray(probe), np.asarray(gallery))
    for row, face, name in zip(axes, faces, names, strict=True):
        _show(row[0], face, name)
    saliencies = (probe_saliency, gallery_saliency)
    similar = [_smooth(s.similarity) for s in saliencies]
    dissimilar = [_smooth(s.dissimilarity) for s in saliencies]
    overall = max(float(m.max()) for m in similar + dissimilar)
    for column, kind, maps in (
        (axes[:, 1], SIMILARITY, similar),
        (axes[:, 2], DISSIMILARITY, dissimilar),
    ):
        _draw_kind(figure, column, faces, maps, kind, overall)
    return figure


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


def _smooth(saliency) -> Map:
    return np.asarray(gaussian_blur(jnp.asarray(saliency)))


def _draw_kind(figure, column, faces, maps, kind: Kind, overall: float) -> None:
    largest = max(float(m.max()) for m in maps)
    if not largest > EMPTY * overall:
        for axis, face in zip(column, faces, strict=True):
            _show(axis, 0.35 * face + 0.65, f"no {kind.title}")
            axis.text(0.5, 0.5, NOTHING, ha="center", transform=axis.transAxes)
        return
    for axis, face, map_ in zip(column, faces, maps, strict=True):
        drawn = overlay(face, map_, largest=largest, colours=kind.colours)
        _show(axis, drawn, kind.title)
    scale = ScalarMappable(Normalize(0, largest), kind.colours)
    bar = figure.colorbar(scale, ax=column, shrink=0.8, pad=0.03)
    bar.set_label(f"{kind.title}, blurred")
    bar.formatter.set_powerlimits((-2, 2))


def _show(axis, picture: Picture, title: str) -> None:
    axis.imshow(np.clip(picture, 0, 1), interpolation="nearest")
    axis.set_title(title, fontsize=11)
    axis.set_axis_off()
