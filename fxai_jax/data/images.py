"""Pixels from files and from callers, checked where they enter.

Everything here returns RGB as float32 in [0, 1] with shape (h, w, 3), or says what
was found, what was expected and what to do.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Array, Float32
from PIL import Image, ImageOps

Pixels = Float32[np.ndarray, "h w 3"]
"""One RGB image in [0, 1] on the host."""

SIZE = (112, 112)
"""Height and width of an aligned face."""

MAX_PIXELS = 100_000_000
"""Largest image that is decoded, in pixels."""

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Image files that are taken from folders; a file that is named itself is tried."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}

_ORIENTATION = 0x0112  # the number of the tag in EXIF


def load_image(path: str | Path, *, size: tuple[int, int] | None = SIZE) -> Pixels:
    """Reads an image file as RGB in [0, 1].

    The first frame is read, and turned upright as its EXIF orientation says. Grey
    becomes three equal colours. Transparent pixels are laid over black, the value
    that alignment puts outside a photograph. 16-bit grey keeps its 16 bits; Pillow
    reduces 16-bit colour, and 16-bit grey with alpha, to 8.

    Args:
        path: PNG, JPEG, WebP, BMP, GIF, TIFF or PPM file.
        size: Expected height and width in pixels; None accepts any size.

    Returns:
        float32 array with shape (h, w, 3) in [0, 1].

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a readable image, is damaged, holds more than
            `MAX_PIXELS` pixels (it is then not decoded) or has another size.

    Example:
        >>> from fxai_jax.data.samples import sample_path
        >>> load_image(sample_path("a_1")).shape
        (112, 112, 3)
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    if not path.is_file():
        raise ValueError(f"{path}: found a directory or device, expected an image file")
    if path.stat().st_size == 0:
        raise ValueError(
            f"{path}: found an empty file, expected an image; copy it again"
        )
    with path.open("rb") as stream:
        return _read(stream, str(path), size)


def decode_image(
    content: bytes, name: str, *, size: tuple[int, int] | None = SIZE
) -> Pixels:
    """Reads an encoded image as `load_image` reads its file; messages call it `name`.

    Example:
        >>> from fxai_jax.data.samples import sample_path
        >>> decode_image(sample_path("a_1").read_bytes(), "a_1").shape
        (112, 112, 3)
    """
    if not content:
        raise ValueError(f"{name}: found no bytes, expected an image; copy it again")
    return _read(io.BytesIO(content), name, size)


def image_size(source: Path | bytes, name: str) -> tuple[int, int]:
    """Height and width of an image as its header states them; no pixel is decoded.

    They stand before an EXIF orientation is applied. Messages call the image `name`.

    Example:
        >>> from fxai_jax.data.samples import sample_path
        >>> image_size(sample_path("a_1"), "a_1")
        (112, 112)
    """
    is_file = isinstance(source, Path)
    if is_file and not source.exists():
        raise FileNotFoundError(f"{name}: there is no such file; check the path")
    with source.open("rb") if is_file else io.BytesIO(source) as stream:
        with warnings.catch_warnings(action="ignore"):
            image = _open(stream, name)
        return image.height, image.width


def image_orientation(path: Path) -> int:
    """The EXIF orientation of an image file, 1 where it states none.

    Example:
        >>> from fxai_jax.data.samples import sample_path
        >>> image_orientation(sample_path("a_1"))
        1
    """
    with path.open("rb") as stream, warnings.catch_warnings(action="ignore"):
        return int(_open(stream, str(path)).getexif().get(_ORIENTATION, 1))


def _read(
    stream: io.BufferedReader | io.BytesIO, name: str, size: tuple[int, int] | None
) -> Pixels:
    with warnings.catch_warnings(action="ignore"):
        pixels = _pixels(_decode(stream, name), name)
    _check_size(name, pixels.shape, size)
    return pixels


def _decode(stream: io.BufferedReader | io.BytesIO, name: str) -> Image.Image:
    image = _open(stream, name)
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:
        raise ValueError(
            f"{name}: the {image.format} image is truncated or corrupt ({error}); "
            "copy or export it again"
        ) from error


def _open(stream: io.BufferedReader | io.BytesIO, name: str) -> Image.Image:
    # Damaged bytes make Pillow's decoders raise nearly any type, hence `Exception`.
    too_large = (
        f"{name}: found more than {MAX_PIXELS // 10**6} megapixels, which is refused "
        "as a decompression bomb; shrink the image"
    )
    try:
        image = Image.open(stream, formats=_FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(too_large) from None
    except Exception as error:
        raise ValueError(
            f"{name}: this is not an image that can be read, expected one of "
            f"{', '.join(_FORMATS)}; save it as PNG"
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(too_large)
    return image


def _pixels(image: Image.Image, name: str) -> Pixels:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _deep_grey(image, name)
    if image.mode not in _MODES:
        raise ValueError(
            f"{name}: found pixels of type {image.mode}, which have no fixed range, "
            "expected 8-bit or 16-bit grey or RGB; save it as PNG"
        )
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB")) / np.float32(255)
    colours = np.asarray(image.convert("RGBA")) / np.float32(255)
    return colours[..., :3] * colours[..., 3:]


def _deep_grey(image: Image.Image, name: str) -> Pixels:
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65535:
        raise ValueError(
            f"{name}: found grey values from {grey.min()} to {grey.max()}, expected "
            "at most 16 bits, 0 to 65535; save it as 8-bit PNG"
        )
    grey = np.where(grey == image.info.get("transparency", -1), 0, grey)
    return _three_colours(grey.astype(np.float32) / np.float32(65535))


def check_image(
    image: np.ndarray | Array, *, size: tuple[int, int] | None = SIZE
) -> Pixels:
    """Checks an array that should hold one image, and returns it as RGB in [0, 1].

    uint8 is divided by 255; a 2-D array is grey and becomes three equal colours.
    Floats may leave [0, 1] by 0.001, as resampling does, and are clipped. Floats
    from [-1.1, -0.01) up to at most 1.1 look already normalised to [-1, 1]: they
    are returned unchanged, with a warning. A warning is also given for an image of
    one single value, and for one that no value above 1/255 lights, which was
    probably divided by 255 twice. All else outside [0, 1] is an error.

    Args:
        image: Array with shape (h, w, 3) or (h, w), uint8 in 0..255 or floating
            point in [0, 1].
        size: Expected height and width in pixels; None accepts any size.

    Returns:
        float32 array with shape (h, w, 3), in [0, 1] unless a warning said otherwise.

    Raises:
        ValueError: If the layout, type, size or values cannot be those of an image.

    Example:
        >>> check_image(np.eye(112)).shape
        (112, 112, 3)
    """
    pixels = np.asarray(image)
    _check_layout(pixels.shape)
    _check_size("the array", pixels.shape, size)
    if pixels.dtype == np.uint8:
        pixels = pixels / np.float32(255)
    elif not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(
            f"found pixels of type {pixels.dtype}, expected uint8 in 0..255 or float32 "
            "in [0, 1]; convert them with .astype"
        )
    _check_range(pixels)
    pixels = _three_colours(pixels) if pixels.ndim == 2 else pixels
    doubt = _doubt(pixels)
    if doubt:
        warnings.warn(doubt, stacklevel=2)
    if pixels.min() >= -0.01:
        pixels = np.clip(pixels, 0, 1)
    return pixels.astype(np.float32)


def _check_layout(shape: tuple[int, ...]) -> None:
    if len(shape) == 2 or (len(shape) == 3 and shape[2] == 3):
        return
    todo = "pass one image, with its colours in the last axis"
    if len(shape) == 3 and shape[2] == 4:
        todo = "drop the alpha channel: image[..., :3]"
    elif len(shape) == 3 and shape[0] == 3:
        todo = "channels come last: image.transpose(1, 2, 0)"
    elif len(shape) == 3 and shape[2] == 1:
        todo = "drop the last axis of a grey image: image[..., 0]"
    elif len(shape) == 4:
        todo = "pass one image at a time: images[0]"
    raise ValueError(
        f"found an array with shape {shape}, expected (h, w, 3) RGB or (h, w) grey; "
        f"{todo}"
    )


def _check_size(
    what: str, shape: tuple[int, ...], size: tuple[int, int] | None
) -> None:
    height, width = shape[:2]
    if height == 0 or width == 0:
        raise ValueError(f"{what}: found no pixels (shape {shape}), expected an image")
    if size is not None and (height, width) != size:
        raise ValueError(
            f"{what}: found {height} x {width} pixels (height x width), expected "
            f"{size[0]} x {size[1]}; align a photograph with its five landmarks "
            "(fxai_jax.data.alignment.align, or --landmarks of explain, quality and "
            "calibrate; evaluate takes aligned faces), or resize a face that "
            f"is already aligned to {size[0]} x {size[1]}"
        )


def _check_range(pixels: np.ndarray) -> None:
    bad = int(np.sum(~np.isfinite(pixels)))
    if bad:
        raise ValueError(
            f"found {bad} pixels that are NaN or infinite, expected values in [0, 1]"
        )
    low, high = float(pixels.min()), float(pixels.max())
    if (low >= -1e-3 and high <= 1 + 1e-3) or (-1.1 <= low < -0.01 and high <= 1.1):
        return
    todo = "clip it to [0, 1]"
    if low < -0.01:
        todo = "it looks normalised or standardised: undo that"
    elif high > 1.5:
        todo = "it looks like 0..255: divide it by 255"
    raise ValueError(
        f"found values from {low:g} to {high:g}, expected RGB in [0, 1]; {todo}"
    )


def _doubt(pixels: np.ndarray) -> str | None:
    low, high = float(pixels.min()), float(pixels.max())
    if low < -0.01:
        return (
            f"the image looks already normalised to [-1, 1] (values from {low:g} to "
            f"{high:g}); models expect RGB in [0, 1] and normalise it themselves"
        )
    if low == high:
        return f"every pixel of the image is {low:g}; there is no face to explain"
    if high <= 1.001 / 255:
        return (
            f"the brightest pixel of the image is {high:g}; it looks divided by 255 "
            "twice, expected RGB in [0, 1]"
        )
    return None


def _three_colours(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)
