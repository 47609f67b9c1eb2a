"""Which files are read, as faces of a network, and ahead of the work on them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np

from fxai_jax.cards import Card
from fxai_jax.data.alignment import align, read_landmarks
from fxai_jax.data.images import SUFFIXES, Pixels, load_image

Arrays = tuple[np.ndarray, ...]
"""The arrays of one example: an image, the two of a pair, an image and a mask."""

Loaded = tuple[int, Arrays, str | None]
"""Place of an example, its arrays, and what went wrong or None."""


def find_images(paths: Iterable[Path]) -> list[Path]:
    """The image files among files and, at any depth, in folders, each once.

    Example:
        >>> len(find_images([sample_path("a_1").parent]))
        6
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            found.update(dict.fromkeys(inside))
        elif path.exists():
            found[path] = None
        else:
            raise FileNotFoundError(f"{path}: there is no such file or folder")
    if not found:
        raise ValueError(f"no images ({', '.join(SUFFIXES)}) in what was given")
    return list(found)


def read_face(path: Path, card: Card, landmarks: Path | None = None) -> Pixels:
    """Reads one face for a network, aligning it where there are landmarks.

    Example:
        >>> read_face(sample_path("a_1"), load_card("mobilefacenet")).shape
        (112, 112, 3)
    """
    if landmarks is None:
        return load_image(path, size=card.image_size)
    if not card.alignment.startswith("arcface"):
        raise ValueError(
            f"{card.name} was trained on {card.alignment} crops, which five landmarks "
            "do not give: crop the faces as its authors do and leave --landmarks out"
        )
    points = read_landmarks(landmarks, name=path.name)
    photograph = load_image(path, size=None)
    return np.asarray(align(photograph, points, size=card.image_size[0]))


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
