"""SER-FIQ quality of the faces of a set."""

from typing import Any

import numpy as np

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.methods import quality
from fxai_jax.methods.plq import SATURATED


def measure(
    model: FaceModel, key: PRNGKey, image: Image, *, passes: int = 100
) -> dict[str, Any]:
    """One row of a run: quality of a face and its standard error."""
    return quality.ser_fiq(model, key, image, passes=passes)._asdict()


def notices(scaled: np.ndarray, raw: np.ndarray) -> list[str]:
    """What a reader of scaled and of raw qualities should be told before using them.

    Example:
        >>> notices(np.array([0.0, 0.001]), np.array([0.6, 0.61]))[0][:31]
        'every scaled quality is below 0'
    """
    found = []
    if (raw == 1).all():
        found.append(
            "every quality is 1: the head of this network has no dropout, so its "
            "stochastic passes are all alike and SER-FIQ measures nothing"
        )
    for side, limit, all_saturated in (
        ("below", SATURATED, (scaled < SATURATED).all()),
        ("above", 1 - SATURATED, (scaled > 1 - SATURATED).all()),
    ):
        if all_saturated:
            found.append(
                f"every scaled quality is {side} {limit}: alpha and center do not fit "
                "this network; calibrate it with fxai-jax calibrate"
            )
    return found
