"""PLQ of one face, with the constants of its network."""

import math
from collections.abc import Callable
from functools import partial

import jax
import numpy as np

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.cards import Card
from fxai_jax.methods import plq
from fxai_jax.methods.plq import SATURATED, SMALL_SUM
from fxai_jax.runs.compiling import compile_timed, face_shape


def quality_constants(card: Card, regression: str) -> dict[str, float]:
    """The constants of PLQ that a network's card holds.

    Args:
        card: Card of the network.
        regression: "uniform" or "minimum_norm"; gamma depends on it.

    Returns:
        alpha, center and gamma, to pass to `fxai_jax.methods.plq.explain`.

    Raises:
        ValueError: If the network has not been calibrated.

    Example:
        >>> quality_constants(load_card("mobilefacenet"), "uniform")["center"]
        0.6915
    """
    known = card.quality or {}
    gamma = known.get("gamma", {}).get(regression)
    if gamma is None:
        raise ValueError(
            f"{card.name} has no quality calibration for {regression!r}: run "
            "fxai-jax calibrate on a folder of ordinary faces first"
        )
    return {"alpha": known["alpha"], "center": known["center"], "gamma": gamma}


def compile_plq(
    model: FaceModel,
    card: Card,
    *,
    regression: plq.Regression = "uniform",
    passes: int = 100,
) -> tuple[Callable[[PRNGKey, Image], plq.PixelQuality], float]:
    """A function of key and face, its result on the host; and the seconds to compile.

    Example:
        >>> network = load_backbone("mobilefacenet"), load_card("mobilefacenet")
        >>> explain, seconds = compile_plq(*network, passes=3)
        >>> explain(jax.random.key(0), sample_face("a_1")).map.shape
        (112, 112)
    """
    constants = quality_constants(card, regression)
    function = partial(plq.explain, regression=regression, passes=passes, **constants)
    shapes = model, jax.random.key(0), face_shape(card.image_size)
    compiled, seconds = compile_timed(function, *shapes)
    return lambda key, face: jax.device_get(compiled(model, key, face)), seconds


def notices(result: plq.PixelQuality, regression: str) -> list[str]:
    """What a reader of a map should be told before looking at it.

    A ValueError says that the result is not finite.
    """
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result)):
        raise ValueError(
            "the explanation is not finite: the network overflows on this image; "
            "check the image and the checkpoint"
        )
    found = []
    if not SATURATED < result.quality < 1 - SATURATED:
        found.append(
            f"the scaled quality {float(result.quality):.2g} is saturated, so the map "
            "tells pixels apart badly: the image is far from the qualities the network "
            "was calibrated on, or the network needs fxai-jax calibrate"
        )
    if regression == "uniform" and math.fabs(result.embedding_sum) < SMALL_SUM:
        found.append(
            f"the embedding sums to {float(result.embedding_sum):.3f}, near 0, where "
            "the uniform regression is ill-conditioned: use --regression minimum_norm"
        )
    return found
