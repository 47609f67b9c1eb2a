"""Five landmarks a photograph, from a JSON file or from a caller, checked."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from fxai_jax.data.entries import assign
from fxai_jax.data.names import KEPT

Landmarks = Float32[np.ndarray, "5 2"]
"""Five checked landmarks on the host."""

_EXPECTED = (
    "expected five [x, y] in pixels: eye left in the image, eye right, nose, mouth "
    "corner left, mouth corner right"
)


def read_landmarks(
    path: str | Path, photographs: Sequence[Path], folders: Iterable[Path] = ()
) -> Callable[[Path], Landmarks]:
    """Reads the landmarks of the photographs of a run from a JSON file, once.

    The file holds a list of five ``[x, y]``; or ``{"landmarks": [...]}``, other keys
    ignored; or a mapping from names of photographs to either, read as
    `fxai_jax.data.entries.assign` says.

    Args:
        path: JSON file.
        photographs: All photographs of the run: a name that could mean several of them
            is ambiguous.
        folders: Folders that were given, to which names may be relative.

    Returns:
        A function from one of the photographs to its checked points with shape (5, 2),
        in its pixels. It raises a ValueError where the file lacks the photograph, is
        ambiguous, or holds points that `check_landmarks` refuses.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such JSON, describes one photograph where there are
            several, or knows none of them.

    Example:
        >>> import tempfile
        >>> from fxai_jax.data.alignment import ARCFACE_TEMPLATE
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path, photograph = Path(folder, "points.json"), Path(folder, "me.jpg")
        ...     _ = path.write_text(json.dumps({"me.jpg": ARCFACE_TEMPLATE.tolist()}))
        ...     read_landmarks(path, [photograph])(photograph).shape
        (5, 2)
    """
    path = Path(path)
    content = _read_json(path)
    if not isinstance(content, dict) or "landmarks" in content:
        _check_one(path, photographs)
        return lambda photograph: _points(path, photograph, content)
    names = assign(content, photographs, [path.parent, *folders])
    faults = [name for name in names.values() if isinstance(name, ValueError)]
    if len(faults) == len(names):
        raise ValueError(f"{path}: found no landmarks of any image; {faults[0]}")

    def landmarks_of(photograph: Path) -> Landmarks:
        name = names[photograph]
        if isinstance(name, ValueError):
            raise ValueError(f"{photograph}: {path}: {name}")
        return _points(path, photograph, content[name])

    return landmarks_of


def _check_one(path: Path, photographs: Sequence[Path]) -> None:
    count = len(set(photographs))
    if count > 1:
        raise ValueError(
            f"{path}: found the landmarks of one photograph, expected those of {count} "
            'by their names: {"folder/photo.jpg": [[x, y], ...], ...}'
        )


def _points(path: Path, photograph: Path, content: Any) -> Landmarks:
    if isinstance(content, dict):
        content = content.get("landmarks")
    try:
        return check_landmarks(content)
    except ValueError as error:
        raise ValueError(f"{path}: of {photograph}, {error}") from error


def _read_json(path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    if not path.is_file():
        raise ValueError(f"{path}: found a directory or device, expected a JSON file")
    try:
        text = path.read_bytes().decode("utf-8-sig", KEPT)
        return json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error}); {_EXPECTED}") from error


def _without_repeats(items: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(items)
    if len(content) < len(items):
        (name, count), *_ = Counter(name for name, _ in items).most_common(1)
        raise ValueError(f"found {name!r} {count} times, expected it once")
    return content


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
        >>> from fxai_jax.data.alignment import ARCFACE_TEMPLATE
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
