"""What a run found out, one line per example, so that it can go on where it stopped."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int


class Record(NamedTuple):
    """What a run found out about one example."""

    name: str
    """Name of the example: the path of an image, or "17: a.png | b.png"."""

    values: dict[str, np.ndarray]
    """What the function returned, on the host; empty where there is an error."""

    error: str | None
    """What went wrong, in one line, or None."""


class Gathered(NamedTuple):
    """The values of the examples that went well, stacked."""

    rows: Int[np.ndarray, " n"]
    """Their places among all records."""

    values: dict[str, np.ndarray]
    """Arrays with a leading axis n, by name."""

    errors: list[str]
    """One sentence for each of the others."""


def gather(records: Sequence[Record], title: str) -> Gathered:
    """Stacks what a run found out.

    Args:
        records: Records whose values have the same names and shapes.
        title: What was run, for the message.

    Returns:
        The values; examples that failed are left out.

    Raises:
        ValueError: If all of them failed.

    Example:
        >>> gather([Record("a", {"x": np.ones(2)}, None)], "FGGB").values["x"].shape
        (1, 2)
    """
    rows = np.array([i for i, r in enumerate(records) if r.error is None], int)
    errors = [record.error for record in records if record.error is not None]
    if not rows.size:
        raise ValueError(f"{title} failed on every pair: {errors[0]}")
    names = records[rows[0]].values
    values = {name: np.stack([records[i].values[name] for i in rows]) for name in names}
    return Gathered(rows, values, errors)


def read_journal(
    journal: Path | None, fingerprint: Mapping[str, Any]
) -> dict[str, Record]:
    """The finished examples of an earlier run; starts a journal where there is none.

    A last line that was cut off is removed.

    Args:
        journal: File of the journal, or None.
        fingerprint: What the values depend on, ready for JSON.

    Returns:
        Records by their names, those with errors left out.

    Raises:
        ValueError: If the journal has another fingerprint.

    Example:
        >>> read_journal(None, {"passes": 100})
        {}
    """
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
    return {record.name: record for record in records if record.error is None}


def append_records(journal: Path | None, records: Sequence[Record]) -> None:
    """Notes finished examples.

    Args:
        journal: File that `read_journal` has read or started, or None.
        records: What to add to it.
    """
    if journal is None:
        return
    with journal.open("a", encoding="utf-8") as stream:
        for name, values, error in records:
            plain = {key: value.tolist() for key, value in values.items()}
            line = {"name": name, "values": plain, "error": error}
            stream.write(json.dumps(line) + "\n")


def _parse_line(line: str) -> Record:
    # By place: the first field was called "path" when only images had journals.
    name, values, error = json.loads(line).values()
    return Record(name, {key: _on_host(value) for key, value in values.items()}, error)


def _on_host(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
