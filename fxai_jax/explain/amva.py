"""AMVA of the faces of a set: 49 numbers a face and the quality that groups it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fxai_jax.array_types import FaceModel, Image, PRNGKey, Saliency
from fxai_jax.explain import quality
from fxai_jax.methods import amva
from fxai_jax.metrics import attention
from fxai_jax.runs.compiling import compile_timed, face_shape

SMALLEST_SET = 4
"""Faces of which two groups of two can be made."""

Activations = Float[Array, "n i j"]


class Groups(NamedTuple):
    """How the attention varies over good and over bad faces."""

    high: amva.Variation
    low: amva.Variation
    difference: amva.Difference

    far_high: Float[Array, " n"]
    """Mean deviation of each good face from the mean map of the good ones."""

    far_low: Float[Array, " m"]
    """Mean deviation of each bad face from the mean map of the good ones."""


def model_baseline(model: FaceModel) -> float:
    """The pixel value in [0, 1] that a network's input convention maps to zero.

    0.5 for most networks, 0 for MagFace; a callable without an `input` convention
    counts as centred.

    Example:
        >>> model_baseline(load_backbone("mobilefacenet"))
        0.5
    """
    convention = getattr(model, "input", None)
    return 0.5 if convention is None else float(convention.mean) / 255


def measure(
    model: FaceModel,
    key: PRNGKey,
    image: Image,
    *,
    passes: int = 100,
    chunk_size: int | None = 64,
) -> dict[str, Any]:
    """One row of a run: quality, its standard error, activation before the ReLU."""
    options = {"baseline": model_baseline(model), "chunk_size": chunk_size}
    activation = amva.activation(model, image, **options)
    row = quality.measure(model, key, image, passes=passes)
    return row | {"activation": activation}


def compare(high: Activations, low: Activations, size: tuple[int, int]) -> Groups:
    """Statistics of the activations of two groups of faces, for maps of one size."""
    good, bad = (
        amva.variation_from_activations(group, size, rows=16) for group in (high, low)
    )

    def distance(activation: Float[Array, "i j"]) -> Float[Array, ""]:
        map_ = amva.activation_map(activation, size)
        return amva.mean_deviation(map_, good.mean)

    far = [jax.vmap(distance)(group) for group in (high, low)]
    return Groups(good, bad, amva.difference(good, bad), *far)


def example_deviation(groups: Groups, activation: Float[Array, "i j"]) -> Saliency:
    """Where one face's map departs from the mean map of the good ones."""
    height, width = groups.high.mean.shape
    map_ = amva.activation_map(activation, (height, width))
    return amva.deviation(map_, groups.high.mean)


def scalars(groups: Groups) -> tuple[list[dict[str, int | float]], float, float]:
    """The numbers of both groups, and what tells them apart.

    Returns:
        Of the high and of the low group the count, the mean std inside and outside the
        face and the mean deviation; then the Wasserstein distance of the std maps and
        the AUROC of the deviation.
    """
    height, width = groups.high.mean.shape
    ellipse, rows = attention.face_ellipse((height, width)), []
    sides = ((groups.high, groups.far_high), (groups.low, groups.far_low))
    for variation, far in sides:
        inside, outside = attention.mean_inside_outside(variation.std, ellipse)
        numbers = {"std in the face": inside, "std outside": outside}
        numbers |= {"deviation": jnp.mean(far)}
        rows.append({"images": len(far)} | {k: float(v) for k, v in numbers.items()})
    distance = attention.wasserstein(groups.high.std, groups.low.std)
    area = attention.auroc(groups.far_low, groups.far_high)
    return rows, float(distance), float(area)


def finished_map(activation: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The map of one row of a run, on the host."""
    return np.asarray(amva.activation_map(jnp.asarray(activation), size))


def compile_activation(
    model: FaceModel, size: tuple[int, int], *, chunk_size: int | None = 64
) -> Callable[[Image], np.ndarray]:
    """A function from one face to its activation before the ReLU, on the host."""
    options = {"baseline": model_baseline(model), "chunk_size": chunk_size}
    function = partial(amva.activation, **options)
    compiled, _ = compile_timed(function, model, face_shape(size))
    return lambda image: np.asarray(compiled(model, image))
