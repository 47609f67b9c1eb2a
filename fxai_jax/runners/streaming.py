"""One function over many examples: batches, devices, progress, resume.

An example is one image or several arrays. One that cannot be read is reported and
skipped. Every finished example is a line in a journal, so that a run that was cut off
goes on where it stopped.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from fxai_jax.array_types import PRNGKey
from fxai_jax.runners.compiling import PRECISION
from fxai_jax.runners.faces import image_key
from fxai_jax.runners.journal import Record, append_records, read_journal
from fxai_jax.runners.progress import progress_bar
from fxai_jax.runners.reading import Arrays, Loaded, read_ahead
from fxai_jax.sharding import data_mesh, pad_batch, replicate, shard_batch

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"}
"""Files taken from a folder; a file that is named itself is always tried."""

Values = dict[str, np.ndarray]


def find_images(paths: Iterable[Path]) -> list[Path]:
    """The image files among files and, at any depth, in folders.

    Args:
        paths: Files and folders.

    Returns:
        Files without repetition, those of each folder sorted.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If there is no image at all.

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
        raise ValueError(f"no images ({', '.join(sorted(SUFFIXES))}) in what was given")
    return list(found)


def run_images(
    function: Callable[[Any, PRNGKey, Any], dict[str, Any]],
    model: Any,
    key: PRNGKey,
    paths: Sequence[Path],
    load: Callable[[Path], np.ndarray],
    **options: Any,
) -> list[Record]:
    """Applies a function of one image to many files, on all devices.

    Args:
        function: Function of model, key and image that returns a dict of arrays.
        model: Its first argument, a pytree: the network.
        key: Key of the run; each image gets `image_key` of it.
        paths: Image files.
        load: Reads one file as (h, w, 3), all of one size; what it raises is the
            file's error.
        options: Those of `run_examples`.

    Returns:
        One record per file, in the order of `paths` and named by them.

    Raises:
        ValueError: If the journal belongs to another run.

    Example:
        >>> records = run_images(
        ...     quality_record, model, jax.random.key(0), paths, load_image
        ... )  # doctest: +SKIP
    """
    distinct = {str(path): path for path in paths}
    names = list(distinct)

    def load_one(i: int) -> Arrays:
        return (np.asarray(load(distinct[names[i]]), np.float32),)

    records = run_examples(function, model, key, names, load_one, **options)
    found = {record.name: record for record in records}
    return [found[str(path)] for path in paths]


def run_examples(
    function: Callable[..., dict[str, Any]],
    model: Any,
    key: PRNGKey,
    names: Sequence[str],
    load: Callable[[int], Arrays],
    *,
    batch_size: int = 32,
    journal: Path | None = None,
    fingerprint: Mapping[str, Any] | None = None,
    devices: Sequence[jax.Device] | None = None,
    precision: str = PRECISION,
    progress: Console | None = None,
    unit: str = "images",
    title: str = "",
) -> list[Record]:
    """Applies a function of one example to many, on all devices.

    It is compiled once, for batches of `batch_size`; the last one is padded. The next
    batch is read while the devices work.

    Args:
        function: Function of model, key and the arrays of an example that returns a
            dict of arrays.
        model: Its first argument, a pytree: the network.
        key: Key of the run; each example gets `image_key` of it and all its arrays.
        names: Name of each example, all different.
        load: Reads the arrays of example i, called in threads. All examples have as
            many, of the same shapes and types. An OSError or ValueError is the error
            of this example.
        batch_size: Examples alive together, rounded up to a multiple of the devices.
        journal: File to note finished examples in. Those of an earlier run that was
            cut off are not computed again.
        fingerprint: What the values depend on; a journal with another one is refused.
        devices: Devices to use; None takes all of this process.
        precision: Matrix precision, a value of ``jax_default_matmul_precision``.
        progress: Where to draw a progress bar; None draws none.
        unit: What the bar calls the examples.
        title: What the bar calls the run.

    Returns:
        One record per example, in the order of `names`.

    Raises:
        ValueError: If the journal belongs to another run, two examples have one name,
            or the batch size is not positive.

    Example:
        >>> def mean(model, key, image, mask):
        ...     return {"mean": (image * mask).mean()}
        >>> arrays = np.eye(2, dtype=np.float32), np.ones((2, 2), np.float32)
        >>> key = jax.random.key(0)
        >>> run_examples(mean, None, key, ["a", "b"], lambda i: arrays)[1].values
        {'mean': array(0.5, dtype=float32)}
    """
    _check_run(names, batch_size)
    mesh = data_mesh(devices or jax.local_devices())
    size = -(-batch_size // mesh.size) * mesh.size
    compute = _compiled(function, model, key, mesh, size, precision)
    done = read_journal(journal, fingerprint or {})
    todo = [i for i, name in enumerate(names) if name not in done]
    with progress_bar(progress, unit) as bar:
        finished = len(names) - len(todo)
        task = bar.add_task(title, total=len(names), completed=finished)
        for batch in read_ahead(names, todo, load, size):
            records = _records(names, batch, compute)
            append_records(journal, records)
            done |= {record.name: record for record in records}
            bar.update(task, advance=len(records))
    return [done[name] for name in names]


def _check_run(names: Sequence[str], batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"a batch holds at least 1 example, got {batch_size}")
    name, count = (Counter(names).most_common(1) or [("", 0)])[0]
    if count > 1:
        raise ValueError(f"found {count} examples with the name {name!r}, expected 1")


def _compiled(
    function: Callable[..., dict[str, Any]],
    model: Any,
    key: PRNGKey,
    mesh: Mesh,
    size: int,
    precision: str,
) -> Callable[[Sequence[Arrays]], list[Values]]:
    batched = jax.jit(
        jax.vmap(lambda model, key, arrays: function(model, key, *arrays), (None, 0, 0))
    )
    placed = replicate(model, mesh)

    def compute(examples: Sequence[Arrays]) -> list[Values]:
        keys = jnp.stack([image_key(key, *arrays) for arrays in examples])
        columns = tuple(np.stack(column) for column in zip(*examples, strict=True))
        batch, count = pad_batch((np.asarray(jax.random.key_data(keys)), columns), size)
        seeds, columns = shard_batch(batch, mesh)
        keys = jax.random.wrap_key_data(seeds, impl=jax.random.key_impl(key))
        with jax.default_matmul_precision(precision):
            values = jax.device_get(batched(placed, keys, columns))
        return [{k: np.asarray(v[i]) for k, v in values.items()} for i in range(count)]

    return compute


def _records(
    names: Sequence[str], batch: Sequence[Loaded], compute: Callable
) -> list[Record]:
    good = [arrays for _, arrays, error in batch if error is None]
    values = iter(compute(good) if good else [])
    return [
        _record(names[i], next(values) if error is None else {}, error)
        for i, _, error in batch
    ]


def _record(name: str, values: Values, error: str | None) -> Record:
    if not all(np.isfinite(value).all() for value in values.values()):
        return Record(name, {}, f"{name}: the network's values are not finite")
    return Record(name, values, error)
