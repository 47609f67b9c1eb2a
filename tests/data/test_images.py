import io
import struct
import zlib

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from fxai_jax.data.images import MAX_PIXELS, check_image, image_size, load_image


def chunk(kind, data):
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png(width, height, depth, colour_type, rows=b"", extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def png16(pixels, colour_type, extra=b""):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(pixels.shape[1], pixels.shape[0], 16, colour_type, rows, extra)


def saved(tmp_path, pixels, mode, suffix="png", **options):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


@pytest.fixture
def colours(rng):
    return rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm"])
def test_lossless_rgb_is_exact(tmp_path, colours, suffix):
    loaded = load_image(saved(tmp_path, colours, "RGB", suffix))
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, colours.astype(np.float32) / 255)


def test_text_path_equals_path(tmp_path, colours):
    path = saved(tmp_path, colours, "RGB")
    np.testing.assert_array_equal(load_image(str(path)), load_image(path))


def test_grey_becomes_three_equal_colours(tmp_path, colours):
    loaded = load_image(saved(tmp_path, colours[..., 0], "L"))
    expected = np.stack([colours[..., 0]] * 3, axis=-1).astype(np.float32) / 255
    np.testing.assert_array_equal(loaded, expected)


def test_one_bit_is_black_and_white(tmp_path, rng):
    bits = rng.integers(0, 2, (112, 112)).astype(bool)
    path = tmp_path / "bits.png"
    Image.fromarray(bits).save(path)
    np.testing.assert_array_equal(load_image(path)[..., 1], bits.astype(np.float32))


def test_palette_equals_its_colours(tmp_path, colours):
    path = tmp_path / "palette.png"
    palette = Image.fromarray(colours).quantize(16)
    palette.save(path)
    expected = np.asarray(palette.convert("RGB")).astype(np.float32) / 255
    np.testing.assert_array_equal(load_image(path), expected)


def test_alpha_is_laid_over_black(tmp_path, rng):
    rgba = rng.integers(0, 256, (112, 112, 4), dtype=np.uint8)
    path = tmp_path / "alpha.png"
    Image.fromarray(rgba).save(path)
    expected = rgba[..., :3] / 255.0 * rgba[..., 3:] / 255.0
    np.testing.assert_allclose(load_image(path), expected, atol=1e-6)


def test_grey_alpha_is_laid_over_black(tmp_path, rng):
    pixels = rng.integers(0, 256, (112, 112, 2), dtype=np.uint8)
    path = tmp_path / "alpha.png"
    grey, alpha = (Image.fromarray(pixels[..., i].copy()) for i in range(2))
    Image.merge("LA", [grey, alpha]).save(path)
    expected = pixels[..., 0] / 255.0 * pixels[..., 1] / 255.0
    np.testing.assert_allclose(load_image(path)[..., 2], expected, atol=1e-6)


def test_transparent_palette_entry_is_black(tmp_path):
    indices = np.tile(np.arange(112, dtype=np.uint8) % 2, (112, 1))
    image = Image.fromarray(indices).convert("L")
    image.putpalette([200, 100, 50, 10, 20, 30])
    image.save(tmp_path / "p.png", transparency=0)
    loaded = load_image(tmp_path / "p.png")
    np.testing.assert_array_equal(loaded[:, 0::2], 0)
    np.testing.assert_allclose(loaded[0, 1] * 255, [10, 20, 30], rtol=1e-6)


def test_16_bit_grey_keeps_its_depth(tmp_path, rng):
    grey = rng.integers(0, 65536, (112, 112), dtype=np.uint16)
    for path in (tmp_path / "deep.png", tmp_path / "deep.tiff"):
        Image.fromarray(grey).save(path)
        loaded = load_image(path)
        np.testing.assert_allclose(loaded[..., 0] * 65535, grey, atol=0.01)
        np.testing.assert_array_equal(loaded[..., 0], loaded[..., 2])


def test_16_bit_grey_pgm_and_transparency(tmp_path):
    grey = np.arange(112 * 112, dtype=np.uint16).reshape(112, 112)
    (tmp_path / "a.pgm").write_bytes(
        b"P5 112 112 65535\n" + grey.astype(">u2").tobytes()
    )
    expected = grey.astype(np.float32) / 65535
    np.testing.assert_allclose(load_image(tmp_path / "a.pgm")[..., 0], expected)
    transparent = chunk(b"tRNS", struct.pack(">H", 7000))
    (tmp_path / "b.png").write_bytes(png16(grey, 0, transparent))
    expected[grey == 7000] = 0
    np.testing.assert_allclose(load_image(tmp_path / "b.png")[..., 0], expected)


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_has_the_right_scale(tmp_path, rng, colour_type, channels):
    pixels = rng.integers(0, 65536, (112, 112, channels), dtype=np.uint16)
    if channels % 2 == 0:
        pixels[..., -1] = 65535
    path = tmp_path / "deep.png"
    path.write_bytes(png16(pixels, colour_type))
    np.testing.assert_allclose(
        load_image(path)[..., 0], pixels[..., 0] / 65535, atol=0.004
    )


def test_32_bit_grey_is_refused(tmp_path):
    path = tmp_path / "deep.tiff"
    Image.fromarray(np.full((112, 112), 70000, np.int32)).save(path)
    with pytest.raises(ValueError, match=r"deep\.tiff.*70000.*16 bits.*8-bit PNG"):
        load_image(path)


def test_float_pixels_are_refused(tmp_path):
    path = tmp_path / "float.tiff"
    Image.fromarray(np.ones((112, 112), np.float32)).save(path)
    with pytest.raises(ValueError, match=r"type F.*save it as PNG"):
        load_image(path)


def test_cmyk_jpeg_is_read_as_rgb(tmp_path):
    red = np.broadcast_to(np.array([220, 30, 40], np.uint8), (112, 112, 3))
    loaded = load_image(saved(tmp_path, red, "CMYK", "jpg", quality=95))
    np.testing.assert_allclose(loaded[50, 50] * 255, [220, 30, 40], atol=4)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, np.rot90),
    ],
)
def test_exif_orientation_is_applied(tmp_path, rng, orientation, turn):
    pixels = rng.integers(0, 256, (80, 112, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, pixels, "RGB", exif=exif)
    upright = turn(pixels)
    loaded = load_image(path, size=upright.shape[:2])
    np.testing.assert_array_equal(loaded, upright.astype(np.float32) / 255)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_first_frame_is_read(tmp_path, suffix):
    frames = [
        Image.new("RGB", (112, 112), c) for c in ("#ff0000", "#00ff00", "#0000ff")
    ]
    path = tmp_path / f"frames.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    expected = np.broadcast_to(np.float32([1, 0, 0]), (112, 112, 3))
    np.testing.assert_array_equal(load_image(path), expected)


def test_any_size_when_asked(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 9, 3), dtype=np.uint8)
    path = saved(tmp_path, pixels, "RGB")
    assert load_image(path, size=None).shape == (5, 9, 3)
    assert load_image(path, size=(5, 9)).shape == (5, 9, 3)
    with pytest.raises(ValueError, match=r"image\.png.*5 x 9.*112 x 112.*--landmarks"):
        load_image(path)
    with pytest.raises(ValueError, match="5 x 9"):
        load_image(path, size=(9, 5))


def encoded(pixels, kind):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.parametrize("part", [0.002, 0.1, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path, colours, kind, part):
    content = encoded(colours, kind)
    path = tmp_path / "cut"
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ValueError, match="cut: "):
        load_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damaged_files_are_read_or_refused(tmp_path, rng, colours, kind):
    content = np.frombuffer(encoded(colours[:16, :16], kind), np.uint8)
    path = tmp_path / "damaged"
    for _ in range(40):
        damaged = content.copy()
        places = rng.integers(0, min(content.size, 200), 4)
        damaged[places] = rng.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        try:
            pixels = load_image(path, size=None)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert pixels.min() >= 0
            assert pixels.max() <= 1


@pytest.mark.parametrize(
    "content",
    [b"this is no image\n" * 50, b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0\n", b"\0" * 99],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "face.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"face\.png: this is not an image.*save it"):
        load_image(path)


@pytest.mark.parametrize("kind", ["EPS", "PCX"])
def test_formats_that_nobody_needs_are_not_opened(tmp_path, colours, kind):
    path = tmp_path / "face"
    path.write_bytes(encoded(colours, kind))
    with pytest.raises(ValueError, match="this is not an image that can be read"):
        load_image(path)


def test_empty_missing_and_folder(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(ValueError, match=r"empty\.png: found an empty file"):
        load_image(tmp_path / "empty.png")
    with pytest.raises(FileNotFoundError, match=r"no\.png: there is no such file"):
        load_image(tmp_path / "no.png")
    with pytest.raises(ValueError, match="directory"):
        load_image(tmp_path)


def test_image_without_pixels_is_refused(tmp_path):
    (tmp_path / "zero.png").write_bytes(png(0, 5, 8, 2))
    with pytest.raises(ValueError, match=r"zero\.png: "):
        load_image(tmp_path / "zero.png", size=None)


@pytest.mark.parametrize("side", [60000, 12000, 10001])
def test_bombs_are_refused_without_decoding(tmp_path, side):
    assert side * side > MAX_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2))
    with pytest.raises(ValueError, match=r"bomb\.png.*100 megapixels.*shrink"):
        load_image(path, size=None)


def test_large_headers_do_not_warn(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png(9900, 9900, 8, 2))
    with pytest.raises(ValueError, match="truncated"):
        load_image(path, size=None)


def test_the_size_is_read_from_the_header_alone(tmp_path):
    content = png(9900, 9800, 8, 2)
    path = tmp_path / "large.png"
    path.write_bytes(content)
    assert image_size(path, "x") == image_size(content, "x") == (9800, 9900)
    for bad in (b"", b"text", png(60000, 60000, 8, 2), png(10001, 10001, 8, 2)):
        with pytest.raises(ValueError, match="the face: "):
            image_size(bad, "the face")
    with pytest.raises(FileNotFoundError):
        image_size(tmp_path / "no.png", "no.png")


def test_arrays_pass_unchanged(rng):
    pixels = rng.random((112, 112, 3), dtype=np.float32)
    np.testing.assert_array_equal(check_image(pixels), pixels)
    np.testing.assert_array_equal(check_image(jnp.asarray(pixels)), pixels)
    wide = check_image(pixels.astype(np.float64))
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, pixels)
    half = check_image(pixels.astype(np.float16))
    np.testing.assert_allclose(half, pixels, atol=1e-3)


def test_bytes_are_divided(colours):
    expected = colours.astype(np.float32) / 255
    np.testing.assert_array_equal(check_image(colours), expected)


def test_grey_arrays_are_repeated(colours):
    grey = check_image(colours[..., 0])
    np.testing.assert_array_equal(grey, check_image(colours[..., :1].repeat(3, axis=2)))


def test_the_callers_array_is_not_changed(rng):
    pixels = rng.random((112, 112, 3), dtype=np.float32)
    before = pixels.copy()
    result = check_image(pixels)
    result[:] = 0
    np.testing.assert_array_equal(pixels, before)


def test_rounding_outside_is_clipped(rng):
    pixels = rng.random((112, 112, 3), dtype=np.float32)
    pixels[0, 0] = [-0.0009, 1.0009, 0.5]
    np.testing.assert_array_equal(check_image(pixels)[0, 0], np.float32([0, 1, 0.5]))


@pytest.mark.parametrize("high", [0.5, 1.0, 1.09])
def test_normalised_arrays_warn_and_pass_unchanged(rng, high):
    pixels = rng.uniform(-1, high, (112, 112, 3)).astype(np.float32)
    with pytest.warns(UserWarning, match=r"already normalised to \[-1, 1\]"):
        np.testing.assert_array_equal(check_image(pixels), pixels)


def test_constant_arrays_warn():
    with pytest.warns(UserWarning, match=r"every pixel of the image is 0\.5"):
        check_image(np.full((112, 112, 3), 0.5, np.float32))


def test_arrays_divided_twice_warn(rng, colours):
    pixels = rng.random((112, 112, 3)) / 255
    with pytest.warns(UserWarning, match="divided by 255 twice"):
        check_image(pixels)
    with pytest.warns(UserWarning, match="divided by 255 twice"):
        check_image(colours // 255)


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (0, 255, "looks like 0..255: divide it by 255"),
        (0, 1.51, "divide it by 255"),
        (0, 1.4, r"clip it to \[0, 1\]"),
        (-0.005, 1, r"clip it to \[0, 1\]"),
        (-2.1, 2.6, "normalised or standardised: undo"),
        (-1.2, 1.0, "normalised or standardised: undo"),
        (-127.5, 127.5, "normalised or standardised: undo"),
        (0, 1e300, "divide it by 255"),
    ],
)
def test_values_outside_are_refused(low, high, message):
    pixels = np.linspace(low, high, 112 * 112 * 3).reshape(112, 112, 3)
    with pytest.raises(ValueError, match=message):
        check_image(pixels)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(rng, bad):
    pixels = rng.random((112, 112, 3))
    pixels[3, 4, 1:] = bad
    with pytest.raises(ValueError, match="found 2 pixels that are NaN or infinite"):
        check_image(pixels)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((112, 112, 4), r"drop the alpha channel: image\[\.\.\., :3\]"),
        ((3, 112, 112), r"channels come last: image\.transpose\(1, 2, 0\)"),
        ((112, 112, 1), r"image\[\.\.\., 0\]"),
        ((2, 112, 112, 3), r"one image at a time: images\[0\]"),
        ((112, 112, 7), "colours in the last axis"),
        ((112,), "one image"),
        ((), "one image"),
        ((112, 0, 3), "no pixels"),
        ((0, 0), "no pixels"),
        ((112, 96, 3), "112 x 96.*112 x 112"),
        ((96, 112), "96 x 112.*112 x 112"),
    ],
)
def test_other_shapes_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        check_image(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint16, np.complex64, object])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match=r"expected uint8 in 0\.\.255 or float32"):
        check_image(np.zeros((112, 112, 3), dtype))


def test_array_of_any_size_when_asked(rng):
    pixels = rng.random((5, 9, 3))
    assert check_image(pixels, size=None).shape == (5, 9, 3)
    assert check_image(pixels, size=(5, 9)).shape == (5, 9, 3)
