"""Image filters that the methods share, each equal to the function of PyTorch named."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fxai_jax.array_types import Saliency
from fxai_jax.inputs import as_float


def gaussian_kernel(size: int, sigma: float) -> Float[Array, " size"]:
    """Sampled Gaussian of odd `size`, in pixels, with sum 1, as torchvision samples it.

    Args:
        size: Number of taps, odd.
        sigma: Standard deviation in pixels.

    Returns:
        Taps with shape (size,).

    Raises:
        ValueError: If the size is not odd and positive.

    Example:
        >>> gaussian_kernel(3, 1.0).shape
        (3,)
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"a Gaussian kernel needs an odd size, got {size}")
    offsets = jnp.arange(size, dtype=jnp.float32) - (size - 1) / 2
    taps = jnp.exp(-0.5 * jnp.square(offsets / sigma))
    return taps / jnp.sum(taps)


def gaussian_blur(image: Saliency, *, size: int = 25, sigma: float = 5.0) -> Saliency:
    """Gaussian blur with mirrored borders, as torchvision's ``gaussian_blur``.

    Args:
        image: Map with shape (h, w), both larger than ``size // 2``.
        size: Kernel size in pixels, odd.
        sigma: Standard deviation in pixels.

    Returns:
        Blurred map with shape (h, w); a constant map stays constant.

    Raises:
        ValueError: If it is no map, or too small to be mirrored.

    Example:
        >>> gaussian_blur(jnp.ones((112, 112))).shape
        (112, 112)
    """
    image = as_float(image, "the map")
    half = size // 2
    if image.ndim != 2 or min(image.shape) <= half:
        raise ValueError(
            f"a {size}-pixel blur needs a map larger than {half} pixels on each side, "
            f"got {image.shape}"
        )
    taps = gaussian_kernel(size, sigma).astype(image.dtype)
    blur = jax.vmap(lambda row: jnp.convolve(row, taps, mode="valid"))
    return blur(blur(jnp.pad(image, half, mode="reflect")).T).T


def resize_bilinear(
    image: Float[Array, "h w *c"], size: tuple[int, int]
) -> Float[Array, "y x *c"]:
    """Bilinear resize with half-pixel centres.

    Equals ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)``
    in both directions; `jax.image.resize` would low-pass before shrinking.

    Args:
        image: Array with shape (h, w) or (h, w, c).
        size: Target height and width in pixels.

    Returns:
        Array with shape `size`, and colours where the input has them.

    Example:
        >>> resize_bilinear(jnp.ones((7, 7)), (112, 112)).shape
        (112, 112)
    """
    image = as_float(image)
    shape = (*size, *image.shape[2:])
    return jax.image.resize(image, shape, method="bilinear", antialias=False)
