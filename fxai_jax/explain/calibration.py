"""A network's constants from a run over development images."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.cards import Card
from fxai_jax.explain import quality
from fxai_jax.methods import plq
from fxai_jax.metrics.verification import check_labels, equal_error

FEWEST = 10
"""Images from which quantiles are taken."""

REFERENCE_QUALITY = 0.6
"""Scaled quality Q at which gradients are calibrated, as on the network that ships."""

REGRESSIONS = ("uniform", "minimum_norm")


def measure(
    model: FaceModel, key: PRNGKey, image: Image, *, passes: int = 100
) -> dict[str, Any]:
    """One row of a run: the quality and the typical gradient of both regressions.

    The latter is the median over the pixels of the colours' mean magnitude.
    """
    row = quality.measure(model, key, image, passes=passes)
    for regression in REGRESSIONS:
        gradient = plq.quality_gradient(
            model, image, jnp.float32(REFERENCE_QUALITY), regression=regression
        )
        row[regression] = jnp.median(jnp.mean(jnp.abs(gradient), axis=-1))
    return row


def check_enough(count: int) -> None:
    """Refuses fewer images than quantiles are taken from."""
    if count < FEWEST:
        raise ValueError(
            f"quantiles of {count} images say little: give {FEWEST} at least, better 50"
        )


def with_quality(card: Card, values: Mapping[str, Float[np.ndarray, " n"]]) -> Card:
    """The card with the constants of PLQ, from the rows of `measure`.

    Raises:
        ValueError: If there are too few images, or all qualities are the same, as those
            of copies of one image.
    """
    qualities = values["quality"]
    check_enough(len(qualities))
    if np.ptp(qualities) == 0:
        raise ValueError(
            f"every image has the quality {qualities[0]}, which tells none apart: are "
            "they copies of one?"
        )
    found = {
        name: plq.calibrate(jnp.asarray(qualities), jnp.asarray(values[name]))
        for name in REGRESSIONS
    }
    low, middle, high = np.quantile(qualities, [0.1, 0.5, 0.9])
    constants = {
        "center": _rounded(found["uniform"].center),
        "alpha": _rounded(found["uniform"].alpha),
        "gamma": {name: _rounded(each.gamma) for name, each in found.items()},
        "gamma_at_quality": REFERENCE_QUALITY,
        "quantile_10": _rounded(low),
        "median": _rounded(middle),
        "quantile_90": _rounded(high),
        "measured_on": f"{len(qualities)} images, fxai-jax calibrate",
    }
    return dataclasses.replace(card, quality=constants)


def with_threshold(
    card: Card,
    cosine: Float[np.ndarray, " n"],
    genuine: Bool[np.ndarray, " n"],
    *,
    threshold: float,
) -> Card:
    """The card with a threshold of equal error rates on labelled pairs.

    Raises:
        ValueError: If the pairs are all genuine or all impostor.
    """
    check_labels(genuine)
    error = equal_error(cosine, genuine)
    measured = (
        f"{len(genuine)} labelled pairs: {genuine.sum()} genuine, "
        f"{(~genuine).sum()} impostor; equal error rate {error.rate:.4f}"
    )
    return dataclasses.replace(
        card, threshold=_rounded(threshold), threshold_measured_on=measured
    )


def _rounded(number) -> float:
    return float(f"{float(number):.6g}")
