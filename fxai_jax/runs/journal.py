"""What a run found out, one line per example, so that it can go on where it stopped."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np


class Record(NamedTuple):
    """What a run found out about one example."""

    name: str
    """Name of the example: the path of an image, or "17: a.png | b.png"."""

    values: dict[str, np.ndarray]
    """What the function returned, on the host; empty where there is an error."""

    error: str | None
    """What went wrong, in one line, or None."""


def read_journal(
    journal: Path | None, fingerprint: Mapping[str, Any]
) -> dict[str, Record]:
    """The finished examples of an earlier run, by name; starts a journal otherwise.

    Examples with errors are left out, and so is a last line that was cut off. A journal
    with another fingerprint is refused.
    """
    if journal is None:
        return {}
    if not journal.exists():
        journal.write_text(json.dumps(fingerprint) + "\n", "utf-8")
        return {}
    text = journal.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]  # the last line may have been cut off
    if whole != text:
        journal.write_text(whole, "utf-8")
    first, *lines = whole.splitlines() or [""]
    if first != json.dumps(fingerprint):
        raise ValueError(
            f"{journal} belongs to a run with other options or another network "
            f"({_differences(first, fingerprint)}); delete it or choose another folder "
            "for the results"
        )
    records = map(_parse_line, lines)
    return {record.name: record for record in records if record.error is None}


def append_records(journal: Path | None, records: Sequence[Record]) -> None:
    """Notes finished examples in a journal that `read_journal` has started."""
    if journal is None:
        return
    with journal.open("a", encoding="utf-8") as stream:
        for name, values, error in records:
            plain = {key: value.tolist() for key, value in values.items()}
            line = {"name": name, "values": plain, "error": error}
            stream.write(json.dumps(line) + "\n")


def _differences(first: str, fingerprint: Mapping[str, Any]) -> str:
    try:
        earlier = dict(json.loads(first))
    except (ValueError, TypeError):
        return "its first line is damaged"
    now = json.loads(json.dumps(fingerprint))
    names = [k for k in {**now, **earlier} if now.get(k) != earlier.get(k)]
    return f"not the same: {', '.join(names)}"


def _parse_line(line: str) -> Record:
    fields = json.loads(line)
    values = {name: _on_host(value) for name, value in fields["values"].items()}
    return Record(fields["name"], values, fields["error"])


def _on_host(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
