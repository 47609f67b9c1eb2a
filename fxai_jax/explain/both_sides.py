"""Both faces of a pair, each explained against the other by one compiled function."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from fxai_jax.array_types import Image


class BothSides(NamedTuple):
    """What a method says of both faces of a pair, on the host."""

    probe: Any
    gallery: Any
    seconds: float


def explain_both(
    one_side: Callable[[Image, Image], Any], probe: Image, gallery: Image
) -> BothSides:
    """Explains the probe, and with the images exchanged the gallery face."""
    start = time.perf_counter()
    both = jax.device_get((one_side(probe, gallery), one_side(gallery, probe)))
    return BothSides(*both, seconds=time.perf_counter() - start)


def notices(explanation: BothSides) -> list[str]:
    """What a reader of the result should be told before looking at it.

    A ValueError says that a value is not finite.
    """
    found = []
    for side in ("probe", "gallery"):
        fields = getattr(explanation, side)
        if not all(np.isfinite(field).all() for field in fields):
            raise ValueError(
                f"the explanation of the {side} is not finite: the network overflows "
                "on this image; check the image and the checkpoint"
            )
        if not np.any(fields.signed if hasattr(fields, "signed") else fields.directed):
            found.append(
                f"the explanation of the {side} is zero everywhere: the embedding does "
                "not depend on this image, as for a network without weights"
            )
    if explanation.probe.cosine > 1 - 1e-6:
        found.append("both images have the same embedding: are they the same file?")
    return found
