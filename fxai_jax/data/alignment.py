"""Faces turned to the pose that networks were trained on, by five landmarks.

Landmarks are x, y in pixels, in the order of the template: eye on the left of the
image, eye on its right, tip of the nose, corner of the mouth on the left, on the
right. The centre of the first pixel is (0, 0), as in OpenCV.
"""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Float32

Points = Float[Array | np.ndarray, "n 2"]
"""Points as x, y in pixels."""

Landmarks = Float32[np.ndarray, "5 2"]
"""Five checked landmarks on the host."""

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

_EXPECTED = (
    "expected five [x, y] in pixels: eye left in the image, eye right, nose, mouth "
    "corner left, mouth corner right"
)


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
            `read_landmarks` or `check_landmarks`.
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
        OpenCV rounds the places it reads from to 1/32 pixel; here they are exact.
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


def read_landmarks(path: str | Path, *, name: str | None = None) -> Landmarks:
    """Reads the five landmarks of one photograph from a JSON file.

    The file holds a list of five ``[x, y]``; or ``{"landmarks": [...]}``, other keys
    ignored; or a mapping from file names, with or without their suffix, to either.

    Args:
        path: JSON file.
        name: Photograph, as a path, file name or stem; needed to choose from a
            mapping, and ignored where the file describes one photograph.

    Returns:
        Checked points with shape (5, 2), in pixels of the photograph.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such JSON, lacks the photograph, or holds points
            that `check_landmarks` refuses.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "landmarks.json")
        ...     _ = path.write_text(json.dumps({"me.jpg": ARCFACE_TEMPLATE.tolist()}))
        ...     read_landmarks(path, name="me").shape
        (5, 2)
    """
    path = Path(path)
    content = _read_json(path)
    if isinstance(content, dict) and "landmarks" not in content:
        content = _choose(content, name, path)
    if isinstance(content, dict):
        content = content.get("landmarks")
    try:
        return check_landmarks(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_json(path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    if not path.is_file():
        raise ValueError(f"{path}: found a directory or device, expected a JSON file")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error}); {_EXPECTED}") from error


def _choose(content: dict[str, Any], name: str | None, path: Path) -> Any:
    known = ", ".join(list(content)[:10]) or "none"
    if not name:
        raise ValueError(
            f"{path}: found landmarks by photograph ({known}), expected to be told "
            "which; give its name"
        )
    wanted = Path(name)
    exact = [key for key in (name, wanted.name, wanted.stem) if key in content]
    found = exact[:1] or [key for key in content if Path(key).stem == wanted.name]
    if len(found) != 1:
        raise ValueError(
            f"{path}: found {len(found)} entries for {name}, expected one; the "
            f"photographs listed are {known}"
        )
    return content[found[0]]


def check_landmarks(landmarks: Any) -> Landmarks:
    """Checks that five points can be the landmarks of a face.

    Args:
        landmarks: Array or nested list with shape (5, 2): x, y in pixels, in the
            order of the template.

    Returns:
        float32 array with shape (5, 2).

    Raises:
        ValueError: If they are not five finite points, span less than 2 pixels
            (fractions of the width, mostly), coincide, lie on one line, or are in
            mirrored order (left and right as the person sees them, mostly).

    Example:
        >>> check_landmarks(ARCFACE_TEMPLATE.tolist()).dtype
        dtype('float32')
    """
    try:
        points = np.asarray(landmarks)
    except ValueError:
        raise ValueError(f"found points of unequal length; {_EXPECTED}") from None
    if points.shape != (5, 2) or points.dtype.kind not in "iuf":
        raise ValueError(
            f"found {points.dtype} values with shape {points.shape}; {_EXPECTED}"
        )
    if not np.all(np.abs(points) < 1e6):
        raise ValueError(f"found points that are NaN or beyond 1e6; {_EXPECTED}")
    fault = _fault(points.astype(np.float64))
    if fault:
        raise ValueError(f"found {fault}: {points.tolist()}; {_EXPECTED}")
    return points.astype(np.float32)


def _fault(points: np.ndarray) -> str | None:
    if np.ptp(points, axis=0).max() < 2:
        return "points within 2 pixels of each other, such as fractions of the width"
    if len(np.unique(points, axis=0)) < 5:
        return "points that coincide"
    long, short = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if short < 0.02 * long:
        return "points on one line"
    eyes, mouth = points[1] - points[0], points[4] - points[3]
    down = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    if max(_cross(eyes, down), _cross(mouth, down)) < 0:
        return "left and right exchanged"
    return None


def _cross(u: np.ndarray, v: np.ndarray) -> float:
    return float(u[0] * v[1] - u[1] * v[0])
