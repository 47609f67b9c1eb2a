"""Compiling a method for one model and image size, with the time it takes."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

PRECISION = "highest"
"""Matrix precision of every run: TPUs and GPUs multiply in fewer bits unless told
otherwise, and gradient maps suffer most."""

NUMBER = jax.ShapeDtypeStruct((), np.float32)
"""The shape of a threshold or another traced number, to compile for."""


def compile_timed(
    function: Callable[..., Any], *args: Any, **options: Any
) -> tuple[Callable[..., Any], float]:
    """Compiles a function for the shapes of its arguments; says how long it took.

    Example:
        >>> double, seconds = compile_timed(lambda x: 2 * x, np.float32(1))
        >>> float(double(np.float32(3)))
        6.0
    """
    start = time.perf_counter()
    with jax.default_matmul_precision(PRECISION):
        compiled = jax.jit(function).lower(*args, **options).compile()
    return compiled, time.perf_counter() - start


def face_shape(size: tuple[int, int]) -> jax.ShapeDtypeStruct:
    """The shape (h, w, 3) of one face, to compile for."""
    return jax.ShapeDtypeStruct((*size, 3), np.float32)
