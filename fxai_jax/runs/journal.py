"""What a run found out, one line per example, so that it can go on where it stopped."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from fxai_jax.data.names import printable
from fxai_jax.writing import naming

LAYOUT = 3
"""Changes when the lines do: a journal of another layout is refused."""


class Record(NamedTuple):
    """What a run found out about one example."""

    name: str
    """Name of the example: the path of an image, or "17: a.png | b.png"."""

    values: dict[str, np.ndarray]
    """What the function returned, on the host; empty where there is an error."""

    error: str | None
    """What went wrong, in one line, or None."""

    seconds: float = 0.0
    """Its share of the time of its batch."""

    stamp: str = ""
    """Which files it was found out of, as they were then."""


def read_journal(
    journal: Path | None, fingerprint: Mapping[str, Any]
) -> dict[str, Record]:
    """The finished examples of an earlier run, by name; starts a journal otherwise.

    Examples with errors are left out, and so are lines that were cut off or damaged. A
    journal with another fingerprint is refused.
    """
    if journal is None:
        return {}
    fingerprint = {"layout": LAYOUT, **fingerprint}
    if not journal.exists():
        with naming(journal):
            journal.write_text(json.dumps(fingerprint) + "\n", "utf-8")
        return {}
    text = journal.read_text("utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]  # the last line may have been cut off
    if whole != text:
        journal.write_text(whole, "utf-8")
    first, *lines = whole.splitlines() or [""]
    if not first and not lines:
        journal.write_text(json.dumps(fingerprint) + "\n", "utf-8")
    elif first != json.dumps(fingerprint):
        raise ValueError(
            f"{journal} belongs to a run with other options or another network "
            f"({_differences(first, fingerprint)}); delete it or choose another folder "
            "for the results"
        )
    return {record.name: record for record in _finished(lines)}


def append_records(journal: Path | None, records: Sequence[Record]) -> None:
    """Notes finished examples in a journal that `read_journal` has started."""
    if journal is None:
        return
    with naming(journal), journal.open("a", encoding="utf-8") as stream:
        for record in records:
            plain = {key: value.tolist() for key, value in record.values.items()}
            line = {**record._asdict(), "values": plain}
            stream.write(json.dumps(line) + "\n")


def _differences(first: str, fingerprint: Mapping[str, Any]) -> str:
    try:
        earlier = dict(json.loads(first))
    except (ValueError, TypeError):
        return "its first line is damaged"
    then, now = _flat(earlier), _flat(json.loads(json.dumps(fingerprint)))
    names = [k for k in {**now, **then} if now.get(k) != then.get(k)]
    return "; ".join(
        f"{name} was {printable(then.get(name), 20)}, is {printable(now.get(name), 20)}"
        for name in names
    )


def _flat(fields: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in fields.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{before}{name} ") if nested else {before + name: value}
    return flat


def _finished(lines: Sequence[str]) -> Iterator[Record]:
    for line in lines:
        try:
            record = _parse_line(line)
        except (ValueError, TypeError, KeyError):
            continue  # damaged: the example is computed again
        if record.error is None:
            yield record


def _parse_line(line: str) -> Record:
    fields = json.loads(line)
    values = {name: _on_host(value) for name, value in fields["values"].items()}
    rest = (fields[name] for name in ("error", "seconds", "stamp"))
    return Record(fields["name"], values, *rest)


def _on_host(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
