"""The figure of FGGB: what makes a pair match, and what makes it differ."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from fxai_jax.array_types import PairSaliency
from fxai_jax.numerics import gaussian_blur
from fxai_jax.visualize.pictures import (
    Map,
    Picture,
    Scale,
    colour_bar,
    finite,
    headline,
    overlay,
    say,
    show,
)

NOTHING = "empty map:\nno pixel counts here"

EMPTY = 0.01
"""A map whose maximum is below this share of the figure's largest is called empty."""


class Kind(NamedTuple):
    """How one kind of map is drawn."""

    title: str
    colours: Colormap


SIMILARITY = Kind("similarity", colormaps["viridis"])
DISSIMILARITY = Kind("dissimilarity", colormaps["inferno"])


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
        >>> from fxai_jax.explain.fggb import compile_fggb
        >>> explain, _ = compile_fggb(load_backbone("mobilefacenet"), (112, 112))
        >>> pair = sample_face("a_1"), sample_face("b_1")
        >>> both = explain(*pair, 0.45)
        >>> pair_figure(*pair, both.probe, both.gallery, threshold=0.45).get_suptitle()
        'cosine -0.076 < threshold 0.450: rejected'
    """
    figure = Figure(figsize=(8.6, 5.6), layout="constrained")
    figure.suptitle(headline(float(probe_saliency.cosine), threshold), fontsize=13)
    axes = figure.subplots(2, 3)
    faces = (np.asarray(probe), np.asarray(gallery))
    for row, face, name in zip(axes, faces, names, strict=True):
        show(row[0], face, name)
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


def _smooth(saliency: Map) -> np.ndarray:
    return np.asarray(gaussian_blur(jnp.asarray(finite(saliency, "map"))))


def _draw_kind(
    figure: Figure,
    column: np.ndarray,
    faces: Sequence[np.ndarray],
    maps: Sequence[np.ndarray],
    kind: Kind,
    overall: float,
) -> None:
    largest = max(float(m.max()) for m in maps)
    if not largest > EMPTY * overall:
        for axis, face in zip(column, faces, strict=True):
            show(axis, 0.35 * face + 0.65, f"no {kind.title}")
            say(axis, NOTHING)
        return
    for axis, face, map_ in zip(column, faces, maps, strict=True):
        drawn = overlay(face, map_, largest=largest, colours=kind.colours)
        show(axis, drawn, kind.title)
    scale = Scale(f"{kind.title}, blurred", kind.colours, 0, largest)
    colour_bar(figure, column, scale)
