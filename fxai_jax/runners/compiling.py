"""Compiling a method for one model and image size, with the time it takes."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

PRECISION = "highest"
"""Matrix precision: TPUs and GPUs multiply in fewer bits unless told otherwise, and
gradient maps suffer most."""


def compile_timed(
    function: Callable[..., Any],
    *args: Any,
    precision: str = PRECISION,
    **options: Any,
) -> tuple[Callable[..., Any], float]:
    """Compiles a function for the shapes of its arguments.

    Args:
        function: A method with its static options bound.
        args: Arguments or their shapes, from `face_shape` for instance.
        precision: Matrix precision, a value of ``jax_default_matmul_precision``.
        options: Traced keyword arguments or their shapes.

    Returns:
        The compiled function of the same arguments, and the seconds it took.

    Example:
        >>> double, seconds = compile_timed(lambda x: 2 * x, np.float32(1))
        >>> float(double(np.float32(3)))
        6.0
    """
    start = time.perf_counter()
    with jax.default_matmul_precision(precision):
        compiled = jax.jit(function).lower(*args, **options).compile()
    return compiled, time.perf_counter() - start


def face_shape(size: tuple[int, int]) -> jax.ShapeDtypeStruct:
    """The shape of one face, to compile for.

    Args:
        size: Height and width in pixels.

    Returns:
        Shape (h, w, 3) in float32.

    Example:
        >>> face_shape((112, 112)).shape
        (112, 112, 3)
    """
    return jax.ShapeDtypeStruct((*size, 3), np.float32)


def number() -> jax.ShapeDtypeStruct:
    """The shape of a threshold or another traced number, to compile for.

    Returns:
        A float32 scalar.

    Example:
        >>> number().shape
        ()
    """
    return jax.ShapeDtypeStruct((), np.float32)
