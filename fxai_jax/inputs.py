"""What enters a function, converted exactly or refused in one sentence.

Shapes and types are looked at while a program is traced and cost nothing when it runs.
Values are looked at where they are concrete: under `jax.jit` and `jax.vmap` they are
not, and nothing is checked.
"""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from fxai_jax.array_types import Saliency, Score

Pixels = Float[Array, "h w c"]
"""An image on the device; its range is not known under a trace."""

SMALLEST_FACE = 32
"""Side in pixels below which no network takes an image for a face."""

LARGEST_EXACT = 2**24
"""Whole numbers up to it are exact in float32."""

_WARNED: set[str] = set()


def as_image(image: Any, what: str = "the image") -> Pixels:
    """One image as a floating-point array with shape (h, w, c), on the device."""
    pixels = as_array(image, what)
    if pixels.ndim == 3 and not _is_floating(pixels):
        todo = "divide it by 255" if pixels.dtype == np.uint8 else "convert it"
        raise ValueError(
            f"{what} has pixels of type {pixels.dtype}, expected floating point in "
            f"[0, 1]; {todo}"
        )
    _check_layout(pixels.shape, what)
    check_finite(pixels, what)
    return jnp.asarray(pixels)


def as_face(image: Any, what: str = "the image") -> Pixels:
    """The image that is explained; one that can be no face warns, once in a process."""
    pixels = as_image(image, what)
    _doubt(pixels)
    return pixels


def as_pair(probe: Any, gallery: Any) -> tuple[Pixels, Pixels]:
    """Both images of a pair, which have one size."""
    pair = as_image(probe, "the probe"), as_image(gallery, "the gallery image")
    first, second = (image.shape for image in pair)
    if first != second:
        raise ValueError(
            f"the probe has the shape {first} and the gallery image {second}, expected "
            "one size; align both faces alike"
        )
    return pair


def as_faces(probe: Any, gallery: Any) -> tuple[Pixels, Pixels]:
    """Both faces of a pair that is explained, as `as_pair` and `as_face`."""
    pair = as_pair(probe, gallery)
    for image in pair:
        _doubt(image)
    return pair


def as_map(
    saliency: Any, what: str = "the map", *, size: tuple[int, ...] | None = None
) -> Saliency:
    """A map with shape (h, w), that of its image if given, in floating point."""
    values = as_array(saliency, what)
    if values.ndim != 2:
        todo = "average its colours" if values.ndim == 3 else "pass one map at a time"
        raise ValueError(
            f"{what} has the shape {values.shape}, expected (h, w), one value per "
            f"pixel; {todo}"
        )
    _check_size(values.shape, size, what)
    check_finite(values, what)
    return as_float(values, what)


def as_region(
    mask: Any, what: str = "the mask", *, size: tuple[int, ...] | None = None
) -> Bool[Array, "*n h w"]:
    """A mask, or several along the first axis, as bool; exact 0 and 1 are taken."""
    values = as_array(mask, what)
    if values.ndim not in (2, 3):
        raise ValueError(
            f"{what} has the shape {values.shape}, expected one value per pixel"
        )
    _check_size(values.shape[-2:], size, what)
    return as_bool(values, what)


def as_bool(values: Any, what: str) -> Bool[Array, "*shape"]:
    """Truth values; exact 0 and 1 of any type are taken."""
    given = as_array(values, what)
    known = given.dtype != bool and is_concrete(given)
    if known and not np.isin(np.asarray(given), (0, 1)).all():
        raise ValueError(
            f"{what} has values beside 0 and 1, expected true and false; compare it "
            "with a threshold"
        )
    return jnp.asarray(given).astype(bool)


def as_float(values: Any, what: str = "the array") -> Float[Array, "*shape"]:
    """Numbers in floating point: bool and whole numbers exactly, or not at all."""
    given = as_array(values, what)
    if _is_floating(given):
        return jnp.asarray(given)
    if given.dtype != bool and not jnp.issubdtype(given.dtype, jnp.integer):
        raise ValueError(f"{what} has the type {given.dtype}, expected real numbers")
    if given.dtype.itemsize > 2 and is_concrete(given) and given.size:
        largest = int(np.abs(np.asarray(given, np.float64)).max())
        if largest > LARGEST_EXACT:
            raise ValueError(
                f"{what} has whole numbers up to {largest}, which float32 does not "
                "hold exactly; pass its ranks or scale it"
            )
    return jnp.asarray(given).astype(jnp.float32)


def as_array(value: Any, what: str) -> Shaped[Array | np.ndarray, "*shape"]:
    """Anything that NumPy reads as numbers, such as a tensor of PyTorch on the CPU."""
    array = as_read(value, what)
    if is_key(array):
        raise ValueError(
            f"{what} is a random key; the key comes before the arrays: "
            "callables, key, arrays"
        )
    if array.dtype.kind in "OUSMm":
        raise ValueError(
            f"{what} is a {type(value).__name__} of {array.dtype}, expected an array "
            "of numbers"
        )
    return array


def as_read(value: Any, what: str) -> Shaped[Array | np.ndarray, "*shape"]:
    """Anything that NumPy reads, of any type; masked entries would lose their mask."""
    if np.ma.is_masked(value):
        raise ValueError(f"{what}: {np.ma.count_masked(value)} masked; leave these out")
    try:
        return value if isinstance(value, jax.Array) else np.asarray(value)
    except Exception as error:
        raise ValueError(
            f"{what} is a {type(value).__name__} that NumPy cannot read ({error}); "
            "pass an array on the CPU that is detached from its gradient"
        ) from error


def as_threshold(threshold: Any, like: Float[Array, "..."]) -> Score:
    """A cosine in the type of others; what is none, up to rounding, is refused."""
    number = as_number(threshold, like, "a threshold")
    if is_concrete(threshold) and not np.abs(np.asarray(threshold)) <= 1 + 1e-6:
        raise ValueError(f"a threshold is a cosine in [-1, 1], got {threshold}")
    return number


def as_number(value: Any, like: Float[Array, "..."], what: str) -> Score:
    """One number in the type of others, which it would widen."""
    given = as_array(value, what)
    if given.shape != ():
        raise ValueError(
            f"{what} is one number, got the shape {given.shape}; map over it with "
            "jax.vmap"
        )
    return jnp.asarray(given, like.dtype)


def check_finite(values: Shaped[Array | np.ndarray, "*shape"], what: str) -> None:
    """Refuses NaN and infinity where the values are known."""
    # On the host: inside a trace `jax.numpy` would trace what is known as well.
    if is_concrete(values) and (bad := np.sum(~np.isfinite(np.asarray(values)))):
        raise ValueError(
            f"{what} has {bad} values that are NaN or infinite, expected finite numbers"
        )


def check_key(key: Any) -> None:
    """Refuses what is not one typed key."""
    if is_key(key) and key.ndim == 0:
        return
    todo = "make one with jax.random.key(seed)"
    shape = getattr(key, "shape", None)
    if is_key(key):
        found, todo = f"keys with the shape {shape}", "pass one, or map over them"
    elif shape == (2,) and key.dtype == np.uint32:
        found, todo = "a legacy key", "wrap it with jax.random.wrap_key_data(key)"
    elif shape is not None and len(shape) == 3:
        found, todo = "an image", "the key comes first: callables, key, arrays"
    else:
        found = f"{type(key).__name__} {key}" if shape is None else f"shape {shape}"
    raise ValueError(f"expected a typed key, got {found}; {todo}")


def is_concrete(values: Any) -> bool:
    """Whether the values are known, not traced."""
    return not isinstance(values, jax.core.Tracer)


def is_key(value: Any) -> bool:
    """Whether it is a typed key, or an array of them."""
    dtype = getattr(value, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def _is_floating(values: Shaped[Array | np.ndarray, "*shape"]) -> bool:
    return jnp.issubdtype(values.dtype, jnp.floating)


def _check_layout(shape: tuple[int, ...], what: str) -> None:
    todo = "pass one image, with its colours in the last axis"
    if len(shape) == 4:
        todo = "pass one image, and map over a batch: jax.vmap or chunking.batched"
    elif len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) > 4:
        todo = "channels come last: image.transpose(1, 2, 0)"
    elif len(shape) == 3 and min(shape) > 0:
        return
    raise ValueError(f"{what} has the shape {shape}, expected (h, w, c); {todo}")


def _check_size(
    found: tuple[int, ...], size: tuple[int, ...] | None, what: str
) -> None:
    if size is not None and tuple(found) != tuple(size[:2]):
        raise ValueError(
            f"{what} has {found[0]} x {found[1]} values and the image {size[0]} x "
            f"{size[1]} pixels, expected one size; resize it with "
            "fxai_jax.filters.resize_bilinear, or make it for this image"
        )


def _doubt(pixels: Pixels) -> None:
    if not is_concrete(pixels) or min(pixels.shape[:2]) < SMALLEST_FACE:
        return
    known = np.asarray(pixels)
    if (known == known[:1, :1]).all():
        _warn("the image has one colour; there is no face to explain")
    if not -0.1 <= known.min() <= known.max() <= 1.1:
        _warn(
            "the pixels of the image lie far outside [0, 1]; networks expect [0, 1] "
            "and normalise it themselves: divide 0..255 by 255, and undo [-1, 1]"
        )


def _warn(text: str) -> None:
    # The filters cannot show it once: JAX resets what they remember while it traces.
    if text not in _WARNED:
        warnings.warn(text, stacklevel=5)  # the caller of the method
        _WARNED.add(text)
