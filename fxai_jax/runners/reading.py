"""Reading examples in threads, one batch ahead of the devices."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

Arrays = tuple[np.ndarray, ...]
"""The arrays of one example: an image, the two of a pair, an image and a mask."""

Loaded = tuple[int, Arrays, str | None]
"""Place of an example, its arrays, and what went wrong or None."""


def read_ahead(
    names: Sequence[str],
    todo: Sequence[int],
    load: Callable[[int], Arrays],
    size: int,
) -> Iterator[list[Loaded]]:
    """Reads examples batch by batch, the next one while the caller has the last.

    Args:
        names: Names of all examples, for messages.
        todo: Places of the examples to read.
        load: Reads one of them, called in threads.
        size: Examples in a batch.

    Returns:
        Batches in the order of `todo`. An example that raised an OSError or ValueError,
        or whose arrays are not of the shapes and types of the first one, has an error.

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
