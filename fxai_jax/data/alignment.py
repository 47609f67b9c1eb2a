"""Faces turned to the pose that networks were trained on, by five landmarks.

Landmarks are x, y in pixels, in the order of the template: eye on the left of the
image, eye on its right, tip of the nose, corner of the mouth on the left, on the
right. The centre of the first pixel is (0, 0), as in OpenCV.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float

Points = Float[Array | np.ndarray, "n 2"]
"""Points as x, y in pixels."""

ARCFACE_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)
"""Where the five landmarks lie in an aligned face of 112x112 pixels."""

MAX_RESIDUAL = 0.5
"""Root mean square distance of aligned landmarks from the template, in distances
between its eyes. The sample faces have 0.06 to 0.22, a rigid head turned by 45 degrees
0.17, by 90 degrees 0.44 to 0.50; of random points the median is 0.59."""

MAX_OUTSIDE = 0.5
"""Share of a crop that may lie outside the photograph."""

_QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width


def similarity_transform(source: Points, target: Points) -> Float[Array, "2 3"]:
    """Rotation, scale and shift that best map one set of points to another.

    Least squares over ``m z + t`` with points as complex numbers z: with both sets
    centred, ``m = sum(conj(z) w) / sum(|z|^2)``. In the plane this is Umeyama's
    solution, guard against reflections included, without his singular value
    decomposition; so it has gradients everywhere.

    Args:
        source: Points with shape (n, 2), in pixels.
        target: Points with shape (n, 2), in pixels.

    Returns:
        Matrix with shape (2, 3): ``target = matrix[:, :2] @ source + matrix[:, 2]``.
        Where all source points coincide, the scale is 0.

    Example:
        >>> points = jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> similarity_transform(points, 2 * points + 1)[:, 2].tolist()
        [1.0, 1.0]

    References:
        Umeyama, "Least-squares estimation of transformation parameters between two
        point patterns", IEEE TPAMI 13(4), 1991, equations 40 to 43.
    """
    z, w = jnp.asarray(source, jnp.float32), jnp.asarray(target, jnp.float32)
    z_mean, w_mean = jnp.mean(z, axis=0), jnp.mean(w, axis=0)
    z, w = z - z_mean[None, :], w - w_mean[None, :]
    power = jnp.sum(jnp.square(z))
    power = jnp.where(power > 0, power, 1.0)
    a = jnp.sum(z * w) / power
    b = jnp.sum(z[:, 0] * w[:, 1] - z[:, 1] * w[:, 0]) / power
    x, y = z_mean
    shift_x, shift_y = w_mean[0] - (a * x - b * y), w_mean[1] - (b * x + a * y)
    return jnp.array([[a, -b, shift_x], [b, a, shift_y]])


def align(
    image: Float[Array | np.ndarray, "h w c"],
    landmarks: Float[Array | np.ndarray, "5 2"],
    *,
    size: int = 112,
) -> Float[Array, "{size} {size} c"]:
    """Cuts a face out of a photograph, in the pose of the ArcFace template.

    Each pixel of the result is read from the photograph by bilinear interpolation
    between pixel centres; outside the photograph lies black. Nothing is low-passed
    first, since the networks' own training data were made this way.

    Args:
        image: Photograph with shape (h, w, c), in [0, 1].
        landmarks: Five points with shape (5, 2), in pixels of the photograph, from
            `fxai_jax.data.landmarks`.
        size: Height and width of the result, a multiple of 112 or of 128. The latter
            keeps 8/128 of the width as margin on the left and on the right.

    Returns:
        Face with shape (size, size, c), in the range of the photograph and 0.

    Raises:
        ValueError: If the size is not a positive multiple of 112 or 128.

    Example:
        >>> align(jnp.ones((200, 200, 3)), 1.5 * ARCFACE_TEMPLATE).shape
        (112, 112, 3)

    References:
        OpenCV's ``warpAffine`` with ``INTER_LINEAR`` and ``borderValue=0``, as
        insightface calls it.

    Differs from the reference in:
        OpenCV 4 rounds the places it reads from to 1/32 pixel; here they are exact, as
        in OpenCV 5.
    """
    matrix = similarity_transform(landmarks, _template(size))
    a, b = matrix[0, 0], matrix[1, 0]
    power = jnp.square(a) + jnp.square(b)
    power = jnp.where(power > 0, power, 1.0)
    pixel = jnp.arange(size, dtype=jnp.float32)
    x, y = jnp.meshgrid(pixel - matrix[0, 2], pixel - matrix[1, 2])
    places = [(a * y - b * x) / power, (a * x + b * y) / power]
    return jax.vmap(
        lambda colour: map_coordinates(colour, places, order=1), in_axes=2, out_axes=2
    )(jnp.asarray(image))


def _template(size: int) -> np.ndarray:
    if size > 0 and size % 112 == 0:
        return ARCFACE_TEMPLATE * np.float32(size / 112)
    if size > 0 and size % 128 == 0:
        margin = np.array([[8, 0]], np.float32)
        return (ARCFACE_TEMPLATE + margin) * np.float32(size / 128)
    raise ValueError(
        f"found size={size}, expected a multiple of 112 or 128 pixels; align to 112 "
        "and resize the result"
    )


def crop_fault(
    landmarks: Float[np.ndarray, "5 2"],
    shape: tuple[int, int],
    *,
    size: int = 112,
    orientation: int = 1,
) -> str | None:
    """What shows that landmarks are not those of a face in a photograph.

    Args:
        landmarks: Checked points with shape (5, 2), in pixels.
        shape: Height and width of the photograph, upright, in pixels.
        size: Height and width of the crop.
        orientation: EXIF orientation of the file, 1 for none.

    Returns:
        A reason where the points depart from the template by more than `MAX_RESIDUAL`,
        where more than `MAX_OUTSIDE` of the crop lies outside the photograph, or where
        they were measured before the photograph was turned upright; else None.

    Example:
        >>> crop_fault(ARCFACE_TEMPLATE, (112, 112)) is None
        True
        >>> crop_fault(ARCFACE_TEMPLATE + 100, (112, 112))[:43]
        '99 % of the face lies outside the 112 x 112'
    """
    template = _template(size)
    turn, shift, residual = _fit(landmarks, template)
    if orientation in _QUARTER_TURNS and abs(turn.imag) > abs(turn.real):
        return (
            "the eyes lie above each other, and the file is turned by its EXIF "
            "orientation: the points were measured before that; measure them in the "
            "upright photograph"
        )
    if residual > MAX_RESIDUAL:
        return (
            f"the points depart from a face's by {residual:.2f} of the distance of the "
            f"eyes, at most {MAX_RESIDUAL} is usual; check their order and pixels"
        )
    outside = _outside((turn, shift), shape, size)
    if outside > MAX_OUTSIDE:
        return (
            f"{100 * outside:.0f} % of the face lies outside the {shape[0]} x "
            f"{shape[1]} photograph (height x width): were the points measured on a "
            "larger copy, or before its EXIF orientation?"
        )
    return None


def _fit(points: np.ndarray, template: np.ndarray) -> tuple[complex, complex, float]:
    """`similarity_transform` as numbers, and what it leaves between the points."""
    z, w = (x.astype(np.float64) @ [1, 1j] for x in (points, template))
    centred = z - z.mean()
    turn = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred)
    shift = w.mean() - turn * z.mean()
    residual = np.sqrt(np.mean(np.abs(turn * z + shift - w) ** 2))
    return turn, shift, float(residual / abs(w[1] - w[0]))


def _outside(fit: tuple[complex, complex], shape: tuple[int, int], size: int) -> float:
    """Share of the pixels of a crop that lie outside the photograph."""
    turn, shift = fit
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    places = (x + 1j * y - shift) / turn
    height, width = shape
    inside = (abs(places.real - (width - 1) / 2) <= width / 2) & (
        abs(places.imag - (height - 1) / 2) <= height / 2
    )
    return 1 - float(inside.mean())
