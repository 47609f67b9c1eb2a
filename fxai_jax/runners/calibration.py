"""A network's constants from a run over development images."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from fxai_jax.cards import Card
from fxai_jax.data.pairs import PairList
from fxai_jax.methods import plq
from fxai_jax.metrics.verification import equal_error
from fxai_jax.runners.faces import REFERENCE_QUALITY
from fxai_jax.runners.journal import Record

FEWEST = 10
"""Images from which quantiles are taken."""


def calibrated_quality(card: Card, records: Sequence[Record]) -> Card:
    """The card with the constants of PLQ.

    Args:
        card: Card of the network.
        records: Of `fxai_jax.runners.faces.calibration_record`, without errors.

    Returns:
        The card with a new `quality`.

    Raises:
        ValueError: If there are too few images, or all qualities are the same, as for
            a head without dropout.

    Example:
        >>> calibrated_quality(card, records).quality["alpha"]  # doctest: +SKIP
    """
    if len(records) < FEWEST:
        raise ValueError(
            f"quantiles of {len(records)} images say little: give {FEWEST} at least, "
            "better 50"
        )
    qualities = _column(records, "quality")
    if np.ptp(qualities) == 0:
        raise ValueError(
            f"every image has the quality {qualities[0]}: does the head of this "
            "network have dropout?"
        )
    by_regression = {
        name: plq.calibrate(jnp.asarray(qualities), jnp.asarray(_column(records, name)))
        for name in ("uniform", "minimum_norm")
    }
    constants = by_regression["uniform"]
    low, middle, high = np.quantile(qualities, [0.1, 0.5, 0.9])
    quality = {
        "center": _rounded(constants.center),
        "alpha": _rounded(constants.alpha),
        "gamma": {name: _rounded(c.gamma) for name, c in by_regression.items()},
        "gamma_at_quality": REFERENCE_QUALITY,
        "quantile_10": _rounded(low),
        "median": _rounded(middle),
        "quantile_90": _rounded(high),
        "measured_on": f"{len(records)} images, fxai-jax calibrate",
    }
    return dataclasses.replace(card, quality=quality)


def calibrated_threshold(
    card: Card, records: Sequence[Record], pairs: PairList
) -> Card:
    """The card with the threshold of equal error rates.

    Args:
        card: Card of the network.
        records: Of `fxai_jax.runners.faces.calibration_record`, without errors, named
            by their paths.
        pairs: Labelled pairs of the images.

    Returns:
        The card with a new `threshold`.

    Raises:
        ValueError: If an image of a pair is not among the records, or the pairs are
            all genuine or all impostor.

    Example:
        >>> calibrated_threshold(card, records, pairs).threshold  # doctest: +SKIP
    """
    embeddings = {
        Path(record.name).resolve(): record.values["embedding"] for record in records
    }
    sides = [[path.resolve() for path in side] for side in (pairs.probe, pairs.gallery)]
    if missing := {path for side in sides for path in side} - embeddings.keys():
        raise ValueError(
            f"{len(missing)} images of the pairs are not among the calibration images, "
            f"such as {min(missing)}: give their folders too"
        )
    probe, gallery = (
        np.stack([embeddings[path] / np.linalg.norm(embeddings[path]) for path in side])
        for side in sides
    )
    genuine = np.asarray(pairs.genuine, bool)
    if genuine.all() or not genuine.any():
        raise ValueError("a threshold needs genuine and impostor pairs: all are of one")
    scores = jnp.asarray(np.sum(probe * gallery, axis=1))
    error = equal_error(scores, jnp.asarray(genuine))
    measured = (
        f"{len(genuine)} labelled pairs: {genuine.sum()} genuine, "
        f"{(~genuine).sum()} impostor; equal error rate {float(error.rate):.4f}"
    )
    return dataclasses.replace(
        card,
        threshold=_rounded(error.threshold),
        threshold_measured_on=measured,
    )


def _column(records: Sequence[Record], name: str) -> np.ndarray:
    return np.array([record.values[name] for record in records], np.float32)


def _rounded(number) -> float:
    return float(f"{float(number):.6g}")
