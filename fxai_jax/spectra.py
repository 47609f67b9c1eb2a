"""Spectra of images as matrix products, which split over devices where FFTs do not.

XLA gathers the whole batch on every device for a Fourier transform. The discrete
transform of a face is two small products; they cost a few milliseconds for all bands
and need no communication. The products are taken at the highest precision, with sines
and cosines that were made in float64, and never in less than float32.
"""

from functools import cache

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from fxai_jax.array_types import Image, widened

HalfSpectrum = Float[Array, "c v 2 u"]
"""Real and imaginary parts of a colour at the horizontal frequencies v from 0 to
``w // 2`` and the vertical ones u in the order of FFTs. A real image has the conjugate
values at the others."""


def half_spectrum(image: Image) -> HalfSpectrum:
    """The spectrum of an image, the half of it that determines the other.

    Args:
        image: Image with shape (h, w, c).

    Returns:
        Spectrum with shape (c, w // 2 + 1, 2, h), in float32 at least.

    Example:
        >>> spectrum = half_spectrum(jnp.ones((4, 4, 1)))
        >>> spectrum.shape, round(float(spectrum[0, 0, 0, 0]), 4)
        ((1, 3, 2, 4), 16.0)
    """
    height, width, colours = image.shape
    half = width // 2 + 1
    cos, sin = _waves(width)
    across = np.concatenate([cos[:, :half], -sin[:, :half]], axis=1)
    cos, sin = _waves(height)
    down = np.block([[cos, -sin], [sin, cos]])
    pixels = jnp.moveaxis(widened(image), -1, 0)
    rows = _product(pixels, across).reshape(colours, height, 2, half)
    columns = rows.transpose(0, 3, 2, 1).reshape(colours, half, 2 * height)
    return _product(columns, down).reshape(colours, half, 2, height)


def image_without(
    spectrum: HalfSpectrum, removed: Bool[Array, "h w"]
) -> Float[Array, "h w c"]:
    """The image of a spectrum without some frequencies.

    Args:
        spectrum: From `half_spectrum`.
        removed: Shifted spectrum with the shape (h, w) of the image, true where
            removed; frequency 0 is at row h // 2 and column w // 2. Where it differs at
            u, v and -u, -v, half of that wave goes, as in the real part of the inverse
            transform.

    Returns:
        Image with shape (h, w, c) and the type of the spectrum, not clipped.

    Example:
        >>> image = jnp.eye(4)[..., None]
        >>> nothing = jnp.zeros((4, 4), bool)
        >>> same = image_without(half_spectrum(image), nothing)
        >>> bool(jnp.allclose(same, image, atol=1e-6))
        True
    """
    height, width = removed.shape
    colours, half = spectrum.shape[:2]
    cos, sin = _waves(height)
    up = np.block([[cos, sin], [-sin, cos]]) / height
    cos, sin = _waves(width)
    twice = np.where(2 * np.arange(half) % width, 2, 1)[:, None]  # and its conjugate
    back = np.concatenate([twice * cos[:half], -twice * sin[:half]]) / width
    kept = _kept(removed)[:, :half].T.astype(spectrum.dtype)
    left = (spectrum * kept[None, :, None]).reshape(colours, half, 2 * height)
    columns = _product(left, up).reshape(colours, half, 2, height)
    rows = columns.transpose(0, 3, 2, 1).reshape(colours, height, 2 * half)
    return jnp.moveaxis(_product(rows, back), 0, -1)


def _kept(removed: Bool[Array, "h w"]) -> Float[Array, "h w"]:
    """Share of each frequency that stays, in the order of FFTs."""
    gone = jnp.fft.ifftshift(removed).astype(jnp.float32)
    opposite = jnp.roll(gone[::-1, ::-1], (1, 1), (0, 1))
    return 1 - (gone + opposite) / 2


def _product(
    x: Float[Array, "*batch n"], matrix: Float[np.ndarray, "n m"]
) -> Float[Array, "*batch m"]:
    axes = (((x.ndim - 1,), (0,)), ((), ()))
    waves = jnp.asarray(matrix, x.dtype)
    return lax.dot_general(x, waves, axes, precision=lax.Precision.HIGHEST)


@cache
def _waves(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of every frequency at every place."""
    steps = np.arange(size)
    angles = 2 * np.pi / size * (np.outer(steps, steps) % size)
    return np.cos(angles), np.sin(angles)
