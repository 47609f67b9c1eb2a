"""FGGB of both faces of a pair."""

from collections.abc import Callable
from functools import partial

import numpy as np

from fxai_jax.array_types import Embedder, Image
from fxai_jax.explain.both_sides import BothSides, explain_both
from fxai_jax.methods import fggb
from fxai_jax.runs.compiling import NUMBER, compile_timed, face_shape


def compile_fggb(
    model: Embedder,
    size: tuple[int, int],
    *,
    gradient: fggb.GradientForm = "absolute",
    chunk_size: int | None = 16,
) -> tuple[Callable[[Image, Image, float], BothSides], float]:
    """A function of probe, gallery and threshold; and the seconds to compile it.

    One program explains both faces, at every threshold.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> explain, seconds = compile_fggb(model, (112, 112))
        >>> both = explain(sample_face("a_1"), sample_face("a_2"), 0.45)
        >>> round(float(both.gallery.cosine), 3)
        0.8
    """
    face = face_shape(size)
    function = partial(fggb.explain, gradient=gradient, chunk_size=chunk_size)
    compiled, seconds = compile_timed(function, model, face, face, threshold=NUMBER)

    def explain(probe: Image, gallery: Image, threshold: float) -> BothSides:
        one_side = partial(compiled, model, threshold=np.float32(threshold))
        return explain_both(one_side, probe, gallery)

    return explain, seconds
