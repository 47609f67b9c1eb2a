"""Explaining single faces, and sets of them: PLQ, SER-FIQ and AMVA."""

import math
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.cards import Card
from fxai_jax.methods import amva, plq, quality
from fxai_jax.methods.plq import SATURATED, SMALL_SUM
from fxai_jax.runners.compiling import compile_timed, face_shape

REFERENCE_QUALITY = 0.6
"""Scaled quality Q at which gradients are calibrated, as on the network that ships."""


def image_key(key: PRNGKey, *images: Shaped[np.ndarray | Array, "..."]) -> PRNGKey:
    """The key of one image: folds a digest of its pixels into the run's key.

    The same image gets the same randomness whatever the batch, the order, the other
    images of the set or the command. Several images, such as a pair, share one key; it
    depends on all of them and on their order.

    Args:
        key: Key of the run.
        images: One image with shape (h, w, c), or all arrays of an example.

    Returns:
        Key of the image.

    Example:
        >>> image_key(jax.random.key(0), np.zeros((2, 2, 3), np.float32)).shape
        ()
    """
    digest = 0
    for image in images:
        digest = zlib.crc32(np.ascontiguousarray(image).data, digest)
    return jax.random.fold_in(key, digest)


def model_baseline(model: FaceModel) -> float:
    """The pixel value in [0, 1] that a network's input convention maps to zero.

    Args:
        model: Network with an `input` convention; another callable counts as centred.

    Returns:
        0.5 for most networks, 0 for MagFace.

    Example:
        >>> model_baseline(load_backbone("mobilefacenet"))
        0.5
    """
    convention = getattr(model, "input", None)
    return 0.5 if convention is None else float(convention.mean) / 255


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
        >>> constants = quality_constants(load_card("mobilefacenet"), "uniform")
        >>> constants["center"]
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


def plq_function(
    constants: Mapping[str, Any], *, regression: plq.Regression, passes: int
) -> Callable[[FaceModel, PRNGKey, Image], plq.PixelQuality]:
    """PLQ of one face with a network's constants bound.

    Args:
        constants: From `quality_constants`.
        regression: "uniform" or "minimum_norm".
        passes: Stochastic passes T.

    Returns:
        Function of model, key and image.

    Example:
        >>> function = plq_function(constants, regression="uniform", passes=100)
        ... # doctest: +SKIP
    """
    return partial(plq.explain, regression=regression, passes=passes, **constants)


def quality_record(
    model: FaceModel, key: PRNGKey, image: Image, *, passes: int = 100
) -> dict[str, Any]:
    """What `fxai-jax quality` keeps of one face.

    Args:
        model: Face model whose head has dropout.
        key: Key of the image.
        image: Image with shape (h, w, c) in [0, 1].
        passes: Stochastic passes T.

    Returns:
        SER-FIQ quality and its standard error.

    Example:
        >>> quality_record(model, key, face)["quality"]  # doctest: +SKIP
    """
    return quality.ser_fiq(model, key, image, passes=passes)._asdict()


def attention_record(
    model: FaceModel,
    key: PRNGKey,
    image: Image,
    *,
    baseline: float,
    passes: int = 100,
    chunk_size: int | None = 64,
) -> dict[str, Any]:
    """What AMVA keeps of one face: 7x7 numbers and the quality that groups it.

    Args:
        model: Face model whose head has dropout.
        key: Key of the image.
        image: Image with shape (h, w, c) in [0, 1].
        baseline: From `model_baseline`.
        passes: Stochastic passes T of the quality.
        chunk_size: Feature channels embedded together.

    Returns:
        SER-FIQ quality, its standard error, and the activation before the ReLU.

    Example:
        >>> attention_record(model, key, face, baseline=0.5)["activation"].shape
        ... # doctest: +SKIP
        (7, 7)
    """
    activation = amva.activation(model, image, baseline=baseline, chunk_size=chunk_size)
    return quality_record(model, key, image, passes=passes) | {"activation": activation}


def compile_activation(
    model: FaceModel, size: tuple[int, int], *, chunk_size: int | None = 64
) -> Callable[[Image], np.ndarray]:
    """Compiles the activation of one face for one model and image size.

    Args:
        model: Network.
        size: Height and width of the faces in pixels.
        chunk_size: Feature channels embedded together.

    Returns:
        Function from an image to its activation before the ReLU, on the host.

    Example:
        >>> compile_activation(model, (112, 112))(face).shape  # doctest: +SKIP
        (7, 7)
    """
    function = partial(
        amva.activation, baseline=model_baseline(model), chunk_size=chunk_size
    )
    compiled, _ = compile_timed(function, model, face_shape(size))
    return lambda image: np.asarray(compiled(model, image))


def calibration_record(
    model: FaceModel,
    key: PRNGKey,
    image: Image,
    *,
    passes: int = 100,
) -> dict[str, Any]:
    """What `fxai-jax calibrate` keeps of one face.

    Args:
        model: Face model whose head has dropout.
        key: Key of the image.
        image: Image with shape (h, w, c) in [0, 1].
        passes: Stochastic passes T of the quality.

    Returns:
        SER-FIQ quality, its standard error, the embedding, and for both regressions
        the median over the pixels of the colours' mean gradient magnitude.

    Example:
        >>> calibration_record(model, key, face)["uniform"]  # doctest: +SKIP
    """
    record = quality_record(model, key, image, passes=passes)
    for regression in ("uniform", "minimum_norm"):
        gradient = plq.quality_gradient(
            model, image, jnp.float32(REFERENCE_QUALITY), regression=regression
        )
        magnitude = jnp.mean(jnp.abs(gradient), axis=-1)
        record[regression] = jnp.median(magnitude)
    return record | {"embedding": model(image)}


def quality_notices(scaled: np.ndarray, raw: np.ndarray) -> list[str]:
    """What a reader of qualities should be told before using them.

    Args:
        scaled: Scaled qualities Q with shape (n,).
        raw: SER-FIQ qualities with shape (n,).

    Returns:
        Sentences, none if all is well.

    Example:
        >>> quality_notices(np.array([0.0, 0.001]), np.array([0.6, 0.61]))[0][:31]
        'every scaled quality is below 0'
    """
    notices = []
    if (raw == 1).all():
        notices.append(
            "every quality is 1: the head of this network has no dropout, so its "
            "stochastic passes are all alike and SER-FIQ measures nothing"
        )
    for side, all_saturated in (
        ("below", (scaled < SATURATED).all()),
        ("above", (scaled > 1 - SATURATED).all()),
    ):
        if all_saturated:
            limit = SATURATED if side == "below" else 1 - SATURATED
            notices.append(
                f"every scaled quality is {side} {limit}: alpha and center do not fit "
                "this network; calibrate it with fxai-jax calibrate"
            )
    return notices


def plq_notices(result: plq.PixelQuality, regression: str) -> list[str]:
    """What a reader of a PLQ map should be told before looking at it.

    Args:
        result: Of one face, on the host.
        regression: The regression it was made with.

    Returns:
        Sentences, none if all is well.

    Raises:
        ValueError: If the result is not finite.

    Example:
        >>> plq_notices(result, "uniform")  # doctest: +SKIP
        []
    """
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result)):
        raise ValueError(
            "the explanation is not finite: the network overflows on this image; "
            "check the image and the checkpoint"
        )
    notices = []
    if not SATURATED < result.quality < 1 - SATURATED:
        notices.append(
            f"the scaled quality {float(result.quality):.2g} is saturated, so the map "
            "tells pixels apart badly: the image is far from the qualities the network "
            "was calibrated on, or the network needs fxai-jax calibrate"
        )
    if regression == "uniform" and math.fabs(result.embedding_sum) < SMALL_SUM:
        notices.append(
            f"the embedding sums to {float(result.embedding_sum):.3f}, near 0, where "
            "the uniform regression is ill-conditioned: use --regression minimum_norm"
        )
    return notices
