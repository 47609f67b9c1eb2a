"""One function over many examples: batches, devices, progress, resume.

An example is one image or several arrays. One that cannot be read is reported and left
out, and costs nothing else.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, UInt32

from fxai_jax.array_types import PRNGKey
from fxai_jax.runs.compiling import PRECISION
from fxai_jax.runs.journal import Record, append_records, read_journal
from fxai_jax.runs.keys import digest, randomness, run_key
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.placing import data_mesh, pad_batch, replicate, shard_batch
from fxai_jax.runs.progress import progress, tell
from fxai_jax.runs.reading import Arrays, Loaded, read_ahead

BATCH_SIZE = 32

Values = dict[str, np.ndarray]
Function = Callable[..., Mapping[str, Any]]
"""``function(shared, key, *arrays, **static)`` of one example gives arrays by name."""


class Task(NamedTuple):
    """What is run, over which examples."""

    title: str
    """What the progress line calls it."""

    function: Function
    """What is computed of one example; a function that lives on, so that a second run
    of it finds its program compiled."""

    shared: Any
    """Its first argument, a traced pytree: the network, thresholds, masks."""

    names: Sequence[str]
    """Name of each example, all different."""

    load: Callable[[int], Arrays]
    """Reads the arrays of example i, called in threads. All examples have as many, of
    the same shapes and types. An OSError or ValueError is the error of this example."""

    static: Mapping[str, Hashable] = {}
    """Its static keyword arguments."""

    depends: Mapping[str, Any] = {}
    """What the values depend on beside examples and seed, ready for JSON: a run that
    goes on must share it with the one that was cut off."""

    stamp: Callable[[int], str] = lambda i: ""
    """Which files example i is read from, and their state; asked where a run is noted.
    An example whose files changed since an earlier run is computed again."""

    file: str = "run"
    """Name of the journal in the folder of `RunOptions.resume`."""

    unit: str = "images"
    """What the progress line calls the examples."""

    batch_size: int = BATCH_SIZE
    """Examples alive together where the options do not say."""


class Results(NamedTuple):
    """What a run found out."""

    rows: Int[np.ndarray, " n"]
    """Places of the examples that went well, ascending."""

    values: Values
    """Their values on the host, with a leading axis n, by name."""

    errors: list[str]
    """One sentence for each of the others."""

    seconds: float = 0.0
    """How long all of it took, what an earlier run had noted among it."""


def run(task: Task, options: RunOptions) -> Results:
    """Applies the function of a task to all its examples, on all devices.

    It is compiled once, for one size of batch; the last batch is padded. The next batch
    is read while the devices work.

    Args:
        task: What is run.
        options: How.

    Returns:
        The values, which do not depend on the options but for the seed.

    Raises:
        ValueError: If all examples failed, two have one name, the batch size is not
            positive, or the journal belongs to another run.

    Example:
        >>> def mean(scale, key, image):
        ...     return {"mean": scale * image.mean()}
        >>> image = np.ones((2, 2), np.float32)
        >>> task = Task("means", mean, np.float32(3), ["a", "b"], lambda i: (image,))
        >>> run(task, RunOptions()).values["mean"].tolist()
        [3.0, 3.0]
    """
    _check_names(task.names)
    mesh = data_mesh(options.devices or jax.local_devices())
    size = _whole_batch(task, options, mesh.size)
    key, shared = run_key(options.seed), replicate(task.shared, mesh)
    static = tuple(sorted(task.static.items()))

    def compute(examples: Sequence[Arrays]) -> list[Values]:
        digests = np.array([digest(*arrays) for arrays in examples], np.uint32)
        columns = tuple(np.stack(column) for column in zip(*examples, strict=True))
        padded, count = pad_batch((digests, columns), size)
        batch = shard_batch(padded, mesh)
        with jax.default_matmul_precision(PRECISION):
            found = _batch(task.function, static, shared, key, *batch)
        values = jax.device_get(found)
        return [{k: np.asarray(v[i]) for k, v in values.items()} for i in range(count)]

    return _gathered(task, _records(task, options, size, compute))


@partial(jax.jit, static_argnums=(0, 1))
def _batch(
    function: Function,
    static: tuple[tuple[str, Hashable], ...],
    shared: Any,
    key: PRNGKey,
    digests: UInt32[Array, " n"],
    columns: tuple[Array, ...],
) -> dict[str, Array]:
    def one(shared: Any, digest: UInt32[Array, ""], arrays: tuple[Array, ...]) -> dict:
        example_key = jax.random.fold_in(key, digest)
        return dict(function(shared, example_key, *arrays, **dict(static)))

    return jax.vmap(one, (None, 0, 0))(shared, digests, columns)


def _check_names(names: Sequence[str]) -> None:
    name, count = (Counter(names).most_common(1) or [("", 0)])[0]
    if count != 1:
        raise ValueError(
            f"found {count} examples with the name {name!r}, expected 1"
            if count
            else "found no examples, expected at least 1"
        )


def _whole_batch(task: Task, options: RunOptions, devices: int) -> int:
    wanted = task.batch_size if options.batch_size is None else options.batch_size
    if wanted < 1:
        raise ValueError(f"a batch holds at least 1 example, got {wanted}")
    return -(-min(wanted, len(task.names)) // devices) * devices


def _records(
    task: Task, options: RunOptions, size: int, compute: Callable
) -> list[Record]:
    journal = None
    if options.resume is not None:
        options.resume.mkdir(parents=True, exist_ok=True)
        journal = options.resume / f"{task.file}.jsonl"
    told = {"seed": options.seed, "randomness": randomness(), **task.depends}
    stamps = [task.stamp(i) if journal else "" for i in range(len(task.names))]
    done = read_journal(journal, told)
    todo = [
        i for i, name in enumerate(task.names) if not _is_done(done, name, stamps[i])
    ]
    total, finished = len(task.names), len(task.names) - len(todo)
    tell(options.console, _resumed(task, finished, todo, done))
    with progress(options.console, task.title, task.unit, total, finished) as advance:
        start = time.perf_counter()
        for batch in read_ahead(task.names, todo, task.load, size):
            found = _computed(task.names, batch, compute)
            share = (time.perf_counter() - start) / len(found)
            records = [
                record._replace(seconds=share, stamp=stamps[i])
                for record, (i, _, _) in zip(found, batch, strict=True)
            ]
            append_records(journal, records)
            done |= {record.name: record for record in records}
            advance(len(records))
            start = time.perf_counter()
    return [done[name] for name in task.names]


def _is_done(done: Mapping[str, Record], name: str, stamp: str) -> bool:
    return name in done and done[name].stamp == stamp


def _resumed(
    task: Task, finished: int, todo: Sequence[int], done: Mapping[str, Record]
) -> list[str]:
    if not done:
        return []
    changed = sum(task.names[i] in done for i in todo)
    again = f"; {changed} changed since and are computed again" if changed else ""
    return [
        f"{task.title}: {finished} of {len(task.names)} {task.unit} are those of an "
        f"earlier run{again}"
    ]


def _computed(
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


def _gathered(task: Task, records: Sequence[Record]) -> Results:
    rows = np.array([i for i, r in enumerate(records) if r.error is None], int)
    errors = [record.error for record in records if record.error is not None]
    if not rows.size:
        raise ValueError(
            f"{task.title}: none of the {len(records)} {task.unit} can be used; the "
            f"first: {errors[0]}"
        )
    names = records[rows[0]].values
    values = {name: np.stack([records[i].values[name] for i in rows]) for name in names}
    return Results(rows, values, errors, sum(record.seconds for record in records))
