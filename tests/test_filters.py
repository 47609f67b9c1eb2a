import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from fxai_jax import filters


def test_gaussian_blur_equals_scipy(rng):
    image = jnp.asarray(rng.normal(size=(40, 31)), jnp.float32)
    offsets = np.arange(-12, 13)
    taps = np.exp(-(offsets**2) / 50.0)
    taps /= taps.sum()
    expected = np.asarray(image, np.float64)
    for axis in (0, 1):
        expected = ndimage.correlate1d(expected, taps, axis=axis, mode="mirror")
    np.testing.assert_allclose(filters.gaussian_blur(image), expected, atol=1e-6)


def test_gaussian_blur_keeps_a_constant_and_refuses_small_maps():
    flat = jnp.full((30, 30), 0.3)
    np.testing.assert_allclose(filters.gaussian_blur(flat), 0.3, rtol=1e-6)
    with pytest.raises(ValueError, match="larger than 12 pixels"):
        filters.gaussian_blur(jnp.ones((12, 30)))
    with pytest.raises(ValueError, match="odd size"):
        filters.gaussian_kernel(4, 1.0)


def bilinear_oracle(image, size):
    """Half-pixel centres, clamped at the borders, pixel by pixel."""
    out = np.empty(size)
    for y, x in np.ndindex(*size):
        corner = []
        for position, old, new in (
            (y, image.shape[0], size[0]),
            (x, image.shape[1], size[1]),
        ):
            source = max((position + 0.5) * old / new - 0.5, 0)
            low = min(int(source), old - 1)
            corner.append((low, min(low + 1, old - 1), source - low))
        (y0, y1, v), (x0, x1, u) = corner
        out[y, x] = (1 - v) * ((1 - u) * image[y0, x0] + u * image[y0, x1]) + v * (
            (1 - u) * image[y1, x0] + u * image[y1, x1]
        )
    return out


@pytest.mark.parametrize("size", [(28, 21), (3, 4), (7, 7)])
def test_resize_bilinear_equals_the_oracle_both_ways(rng, size):
    image = rng.normal(size=(7, 7)).astype(np.float32)
    result = filters.resize_bilinear(jnp.asarray(image), size)
    np.testing.assert_allclose(result, bilinear_oracle(image, size), atol=1e-5)
