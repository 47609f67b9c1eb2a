"""SER-FIQ quality of the faces of a set."""

from typing import Any

import numpy as np

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.methods import quality
from fxai_jax.methods.plq import SATURATED

FEWEST = 10  # images of which all qualities may be taken for the network's


def measure(
    model: FaceModel, key: PRNGKey, image: Image, *, passes: int = 100
) -> dict[str, Any]:
    """One row of a run: quality of a face and its standard error."""
    return quality.ser_fiq(model, key, image, passes=passes)._asdict()


def notices(scaled: np.ndarray) -> list[str]:
    """What a reader of scaled qualities should be told before using them.

    A few images may all be bad, or good; from ten on it is the constants.

    Example:
        >>> notices(np.zeros(10))[0][:31]
        'every scaled quality is below 0'
    """
    if scaled.size < FEWEST:
        return []
    sides = {
        f"below {SATURATED}": (scaled < SATURATED).all(),
        f"above {1 - SATURATED}": (scaled > 1 - SATURATED).all(),
    }
    return [
        f"every scaled quality is {side}: alpha and center do not fit this network; "
        "calibrate it with fxai-jax calibrate"
        for side, saturated in sides.items()
        if saturated
    ]
