"""Explaining both faces of one pair: FGGB and frequency."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from fxai_jax.array_types import FaceModel, Image
from fxai_jax.methods import fggb, frequency
from fxai_jax.runners.compiling import compile_timed, face_shape, number


class PairExplanation(NamedTuple):
    """Both faces of a pair, explained, on the host."""

    probe: Any  # PairSaliency of FGGB or BandInfluence of the frequencies
    gallery: Any
    seconds: float


PixelExplainer = Callable[[Image, Image, float], PairExplanation]
BandExplainer = Callable[[Image, Image], PairExplanation]


def compile_fggb(
    model: FaceModel,
    size: tuple[int, int],
    *,
    gradient: fggb.GradientForm = "absolute",
    chunk_size: int | None = 16,
) -> tuple[PixelExplainer, float]:
    """Compiles FGGB for one model and image size.

    Args:
        model: From `fxai_jax.checkpoints.load_backbone`.
        size: Height and width of the faces in pixels.
        gradient: Form of FGGB, see `fxai_jax.methods.fggb.explain`.
        chunk_size: Channels pulled back together.

    Returns:
        A function of probe, gallery and threshold that explains both faces, and the
        seconds that compiling took.

    Example:
        >>> explain, seconds = compile_fggb(model, (112, 112))  # doctest: +SKIP
        >>> explain(a, b, 0.45).probe.cosine  # doctest: +SKIP
        Array(0.8000383, dtype=float32)
    """
    face = face_shape(size)
    function = partial(fggb.explain, gradient=gradient, chunk_size=chunk_size)
    compiled, seconds = compile_timed(function, model, face, face, threshold=number())

    def explain(probe: Image, gallery: Image, threshold: float):
        one_side = partial(compiled, model, threshold=np.float32(threshold))
        return _both_sides(one_side, probe, gallery)

    return explain, seconds


def compile_frequency(
    model: FaceModel,
    bands: frequency.Bands,
    *,
    perturb: frequency.Perturb = "probe",
    chunk_size: int | None = 5,
) -> tuple[BandExplainer, float]:
    """Compiles the frequency explanation for one model and its bands.

    Args:
        model: From `fxai_jax.checkpoints.load_backbone`.
        bands: From `fxai_jax.methods.frequency.radial_bands`, of the image size.
        perturb: "probe" or "both", see `fxai_jax.methods.frequency.explain`.
        chunk_size: Bands embedded together; few fit a CPU's caches.

    Returns:
        A function of probe and gallery that explains both faces, and the seconds that
        compiling took.

    Example:
        >>> explain, seconds = compile_frequency(model, bands)  # doctest: +SKIP
    """
    _, height, width = bands.masks.shape
    face = face_shape((height, width))
    function = partial(frequency.explain, perturb=perturb, chunk_size=chunk_size)
    compiled, seconds = compile_timed(function, model, face, face, bands.masks)

    def explain(probe: Image, gallery: Image):
        return _both_sides(
            lambda a, b: compiled(model, a, b, bands.masks), probe, gallery
        )

    return explain, seconds


def pair_notices(explanation: PairExplanation) -> list[str]:
    """What a reader of the result should be told before looking at it.

    Args:
        explanation: From a compiled function of this module.

    Returns:
        Sentences, none if all is well.

    Raises:
        ValueError: If a value is not finite.

    Example:
        >>> pair_notices(explain(a, b, 0.45))  # doctest: +SKIP
        []
    """
    notices = []
    for side in ("probe", "gallery"):
        fields = getattr(explanation, side)
        if not all(np.isfinite(field).all() for field in fields):
            raise ValueError(
                f"the explanation of the {side} is not finite: the network overflows "
                "on this image; check the image and the checkpoint"
            )
        if not np.any(fields.signed if hasattr(fields, "signed") else fields.directed):
            notices.append(
                f"the explanation of the {side} is zero everywhere: the embedding does "
                "not depend on this image, as for a network without weights"
            )
    if explanation.probe.cosine > 1 - 1e-6:
        notices.append("both images have the same embedding: are they the same file?")
    return notices


def _both_sides(one_side: Callable, probe: Image, gallery: Image) -> PairExplanation:
    start = time.perf_counter()
    both = jax.device_get((one_side(probe, gallery), one_side(gallery, probe)))
    return PairExplanation(*both, seconds=time.perf_counter() - start)
