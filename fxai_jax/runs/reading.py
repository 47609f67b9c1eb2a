"""How files are read: as faces of a network, and ahead of the work on them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax
import numpy as np

from fxai_jax.cards import Card
from fxai_jax.data.alignment import align, crop_fault
from fxai_jax.data.images import Pixels, image_orientation, load_image
from fxai_jax.data.landmarks import Landmarks, read_landmarks

Arrays = tuple[np.ndarray, ...]
"""The arrays of one example: an image, the two of a pair, an image and a mask."""

Loaded = tuple[int, Arrays, str | None]
"""Place of an example, its arrays, and what went wrong or None."""


def face_reader(
    card: Card,
    landmarks: Path | None,
    photographs: Sequence[Path],
    folders: Iterable[Path] = (),
) -> Callable[[Path], Pixels]:
    """How the faces of a run are read for a network: aligned where there are landmarks.

    Args:
        card: Card of the network.
        landmarks: File of `fxai_jax.data.landmarks.read_landmarks`, read once; None
            where the faces are aligned already.
        photographs: All images of the run.
        folders: Folders that were given, to which names of landmarks may be relative.

    Returns:
        A function that reads one of the images. It raises an OSError or ValueError
        where the image or its landmarks cannot be used.

    Raises:
        OSError: If the landmarks are missing.
        ValueError: If the landmarks are not such a file, or the network wants another
            crop than they give.

    Example:
        >>> path = sample_path("a_1")
        >>> face_reader(load_card("mobilefacenet"), None, [path])(path).shape
        (112, 112, 3)
    """
    if landmarks is None:
        return partial(load_image, size=card.image_size)
    if not card.alignment.startswith("arcface"):
        raise ValueError(
            f"{card.name} was trained on {card.alignment} crops, which five landmarks "
            "do not give: crop the faces as its authors do and leave --landmarks out"
        )
    points_of = read_landmarks(landmarks, photographs, folders)
    return lambda path: _aligned(path, points_of(path), card.image_size[0])


def _aligned(path: Path, points: Landmarks, size: int) -> Pixels:
    photograph = load_image(path, size=None)
    turned = {"size": size, "orientation": image_orientation(path)}
    fault = crop_fault(points, photograph.shape[:2], **turned)
    if fault:
        raise ValueError(f"{path}: {fault}")
    return np.asarray(align(photograph, points, size=size))


def read_ahead(
    names: Sequence[str],
    todo: Sequence[int],
    load: Callable[[int], Arrays],
    size: int,
) -> Iterator[list[Loaded]]:
    """Reads examples batch by batch, the next one while the caller has the last.

    An example that raised an OSError or ValueError, or whose arrays are not of the
    shapes and types of the first one, has an error.

    Example:
        >>> batches = read_ahead("abc", range(3), lambda i: (np.eye(2),), 2)
        >>> [len(batch) for batch in batches]
        [2, 1]
    """
    return _of_one_layout(names, _batches(todo, load, size))


def _batches(
    todo: Sequence[int], load: Callable[[int], Arrays], size: int
) -> Iterator[list[Loaded]]:
    chunks = [todo[i : i + size] for i in range(0, len(todo), size)]
    with ThreadPoolExecutor() as pool:

        def read(chunk: Sequence[int]) -> list:
            return [pool.submit(_try_load, load, i) for i in chunk]

        following = read(chunks[0]) if chunks else []
        for place in range(len(chunks)):
            loaded = [future.result() for future in following]
            following = read(chunks[place + 1]) if place + 1 < len(chunks) else []
            yield loaded


def _try_load(load: Callable[[int], Arrays], i: int) -> Loaded:
    try:
        arrays = [np.asarray(array) for array in load(i)]
    except (OSError, ValueError) as error:
        return i, (), " ".join(str(error).split())
    types = [jax.dtypes.canonicalize_dtype(array.dtype) for array in arrays]
    return i, tuple(map(np.asarray, arrays, types)), None


def _of_one_layout(
    names: Sequence[str], batches: Iterable[list[Loaded]]
) -> Iterator[list[Loaded]]:
    # An array of another shape would end the run, or compile it once more.
    expected = None
    for batch in batches:
        checked = []
        for i, arrays, error in batch:
            found = [f"{array.dtype}{list(array.shape)}" for array in arrays]
            expected = expected or found
            if error is None and found != expected:
                error = (
                    f"{names[i]}: found arrays {', '.join(found)}, expected "
                    f"{', '.join(expected)} as in the first example"
                )
            checked.append((i, arrays, error))
        yield checked
