"""The influence of the bands on both faces of a pair."""

from collections.abc import Callable
from functools import partial

from fxai_jax.array_types import Embedder, Image, Perturb
from fxai_jax.explain.both_sides import BothSides, explain_both
from fxai_jax.methods import frequency
from fxai_jax.runs.compiling import compile_timed, face_shape


def compile_frequency(
    model: Embedder,
    bands: frequency.Bands,
    *,
    perturb: Perturb = "probe",
    chunk_size: int | None = 5,
) -> tuple[Callable[[Image, Image], BothSides], float]:
    """A function of probe and gallery; and the seconds to compile it.

    Few bands at a time fit a CPU's caches.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> bands = frequency.radial_bands((112, 112), width=28)
        >>> explain, seconds = compile_frequency(model, bands)
        >>> explain(sample_face("a_1"), sample_face("a_2")).probe.directed.shape
        (3,)
    """
    _, height, width = bands.masks.shape
    face = face_shape((height, width))
    function = partial(frequency.explain, perturb=perturb, chunk_size=chunk_size)
    compiled, seconds = compile_timed(function, model, face, face, bands.masks)

    def explain(probe: Image, gallery: Image) -> BothSides:
        one_side = lambda a, b: compiled(model, a, b, bands.masks)  # noqa: E731
        return explain_both(one_side, probe, gallery)

    return explain, seconds
