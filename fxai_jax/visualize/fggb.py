"""The figure of FGGB: what makes a pair match, and what makes it differ."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from fxai_jax.array_types import PairSaliency
from fxai_jax.filters import gaussian_blur
from fxai_jax.visualize.pictures import (
    COLOURS,
    Map,
    Picture,
    Scale,
    colour_bar,
    finite,
    headline,
    overlay,
    show,
)

EMPTY = 0.01
"""Maps of a kind are not drawn where all of them are below this share of the other."""


class Kind(NamedTuple):
    """How one kind of map is drawn."""

    title: str
    colours: Colormap


KINDS = (Kind("similarity", COLOURS), Kind("dissimilarity", colormaps["inferno"]))


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
    colour scale, and so do the two dissimilarity maps. A kind of map that is nowhere
    1 % of the other has no column, and a line below says so: with the absolute form of
    FGGB that is one of the two on every pair.

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
    faces = (np.asarray(probe), np.asarray(gallery))
    saliencies = (probe_saliency, gallery_saliency)
    similar = [_smooth(s.similarity) for s in saliencies]
    dissimilar = [_smooth(s.dissimilarity) for s in saliencies]
    columns, empty = _columns(similar, dissimilar)
    width = 2.2 + 3 * max(len(columns), 1)
    figure = Figure(figsize=(width, 5.6), layout="constrained")
    figure.suptitle(headline(float(probe_saliency.cosine), threshold), fontsize=13)
    figure.supxlabel(empty, fontsize=10)
    axes = figure.subplots(2, 1 + len(columns), squeeze=False)
    for axis, face, name in zip(axes[:, 0], faces, names, strict=True):
        show(axis, face, name)
    for column, (kind, maps) in zip(axes.T[1:], columns, strict=True):
        _draw_kind(figure, column, faces, maps, kind)
    return figure


def _smooth(saliency: Map) -> np.ndarray:
    return np.asarray(gaussian_blur(jnp.asarray(finite(saliency, "map"))))


Column = tuple[Kind, Sequence[np.ndarray]]


def _columns(*maps: Sequence[np.ndarray]) -> tuple[list[Column], str]:
    """The kinds that are drawn, and what is said of the others."""
    heights = [max(float(m.max()) for m in both) for both in maps]
    full = [height > EMPTY * max(heights) for height in heights]
    columns = [(KINDS[i], maps[i]) for i in range(2) if full[i]]
    if not columns:
        return [], "All maps are zero: no pixel counts."
    if all(full):
        return columns, ""
    empty, drawn = (KINDS[full.index(kind)].title for kind in (False, True))
    return (
        columns,
        f"No {empty} is drawn: it is below {100 * EMPTY:.0f} % of the {drawn}.",
    )


def _draw_kind(
    figure: Figure,
    column: np.ndarray,
    faces: Sequence[np.ndarray],
    maps: Sequence[np.ndarray],
    kind: Kind,
) -> None:
    largest = max(float(m.max()) for m in maps)
    for axis, face, map_ in zip(column, faces, maps, strict=True):
        drawn = overlay(face, map_, largest=largest, colours=kind.colours)
        show(axis, drawn, kind.title)
    scale = Scale(f"{kind.title}, blurred", kind.colours, 0, largest)
    colour_bar(figure, column, scale)
