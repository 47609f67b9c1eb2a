"""One function over many image files: batches, devices, progress, resume.

A file that cannot be read is reported and skipped. Every finished image is a line in a
journal, so that a run that was cut off goes on where it stopped.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fxai_jax.array_types import PRNGKey
from fxai_jax.runners.compiling import PRECISION
from fxai_jax.runners.faces import image_key
from fxai_jax.sharding import data_mesh, pad_batch, replicate, shard_batch

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"}
"""Files taken from a folder; a file that is named itself is always tried."""

Loader = Callable[[Path], np.ndarray]


class Record(NamedTuple):
    """What a run found out about one image; no values where there is an error."""

    path: Path
    values: dict[str, np.ndarray]
    error: str | None


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
    load: Loader,
    *,
    batch_size: int = 32,
    journal: Path | None = None,
    fingerprint: Mapping[str, Any] | None = None,
    devices: Sequence[jax.Device] | None = None,
    precision: str = PRECISION,
    progress: Console | None = None,
) -> list[Record]:
    """Applies a function of one image to many files, on all devices.

    It is compiled once, for batches of `batch_size`; the last one is padded. The next
    batch is read while the devices work.

    Args:
        function: Function of model, key and image that returns a dict of arrays.
        model: Its first argument, a pytree: the network.
        key: Key of the run; each image gets `image_key` of it.
        paths: Image files.
        load: Reads one file as (h, w, 3), all of one size; what it raises is the
            file's error.
        batch_size: Images alive together, rounded up to a multiple of the devices.
        journal: File to note finished images in. Those of an earlier run that was cut
            off are not computed again.
        fingerprint: What the values depend on; a journal with another one is refused.
        devices: Devices to use; None takes all of this process.
        precision: Matrix precision, a value of ``jax_default_matmul_precision``.
        progress: Where to draw a progress bar; None draws none.

    Returns:
        One record per file, in the order of `paths`.

    Raises:
        ValueError: If the journal belongs to another run.

    Example:
        >>> records = run_images(
        ...     quality_record, model, jax.random.key(0), paths, load_image
        ... )  # doctest: +SKIP
    """
    mesh = data_mesh(devices or jax.local_devices())
    size = -(-batch_size // mesh.size) * mesh.size
    batched = jax.jit(jax.vmap(function, (None, 0, 0)))
    placed = replicate(model, mesh)
    done = _read_journal(journal, fingerprint or {})
    todo = [path for path in paths if str(path) not in done]

    def compute(images: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        keys = jax.vmap(jax.random.key_data)(
            jax.numpy.stack([image_key(key, image) for image in images])
        )
        (pixels, seeds), count = pad_batch((np.stack(images), np.asarray(keys)), size)
        pixels, seeds = shard_batch((pixels, seeds), mesh)
        with jax.default_matmul_precision(precision):
            values = batched(placed, jax.random.wrap_key_data(seeds), pixels)
        values = jax.device_get(values)
        return [{k: np.asarray(v[i]) for k, v in values.items()} for i in range(count)]

    with _progress_bar(progress) as bar:
        task = bar.add_task("", total=len(paths), completed=len(paths) - len(todo))
        for records in _batches(todo, load, compute, size):
            _append(journal, records)
            done |= {str(record.path): record for record in records}
            bar.update(task, advance=len(records))
    return [done[str(path)] for path in paths]


def _batches(
    paths: Sequence[Path], load: Loader, compute: Callable, size: int
) -> Iterator[list[Record]]:
    chunks = [paths[i : i + size] for i in range(0, len(paths), size)]
    with ThreadPoolExecutor() as pool:

        def read(chunk: Sequence[Path]) -> list:
            return [pool.submit(_try_load, load, path) for path in chunk]

        following = read(chunks[0]) if chunks else []
        for i in range(len(chunks)):
            loaded = [future.result() for future in following]
            following = read(chunks[i + 1]) if i + 1 < len(chunks) else []
            images = [image for image, error in loaded if error is None]
            values = iter(compute(images) if images else [])
            yield [
                _record(path, next(values) if error is None else {}, error)
                for path, (_, error) in zip(chunks[i], loaded, strict=True)
            ]


def _record(path: Path, values: dict, error: str | None) -> Record:
    if not all(np.isfinite(value).all() for value in values.values()):
        return Record(path, {}, f"{path}: the network's values are not finite")
    return Record(path, values, error)


def _try_load(load: Loader, path: Path) -> tuple[np.ndarray | None, str | None]:
    try:
        return np.asarray(load(path), np.float32), None
    except (OSError, ValueError) as error:
        return None, " ".join(str(error).split())


def _read_journal(
    journal: Path | None, fingerprint: Mapping[str, Any]
) -> dict[str, Record]:
    if journal is None:
        return {}
    if not journal.exists():
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text(json.dumps(fingerprint) + "\n", "utf-8")
        return {}
    text = journal.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]  # the last line may have been cut off
    if whole != text:
        journal.write_text(whole, "utf-8")
    first, *lines = whole.splitlines() or [""]
    if first != json.dumps(fingerprint):
        raise ValueError(
            f"{journal} belongs to a run with other options or another network; "
            "delete it or choose another folder for the results"
        )
    records = map(_parse_line, lines)
    return {str(r.path): r for r in records if r.error is None}


def _parse_line(line: str) -> Record:
    fields = json.loads(line)
    values = {k: np.asarray(v, np.float32) for k, v in fields["values"].items()}
    return Record(Path(fields["path"]), values, fields["error"])


def _append(journal: Path | None, records: Sequence[Record]) -> None:
    if journal is None:
        return
    with journal.open("a", encoding="utf-8") as stream:
        for path, values, error in records:
            plain = {name: value.tolist() for name, value in values.items()}
            line = {"path": str(path), "values": plain, "error": error}
            stream.write(json.dumps(line) + "\n")


def _progress_bar(console: Console | None) -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images,"),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console or Console(quiet=True),
        transient=True,
    )
