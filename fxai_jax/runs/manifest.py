"""What a run leaves behind: raw arrays, and a manifest to make them again."""

import datetime
import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fxai_jax.cards import Card
from fxai_jax.data.names import json_bytes
from fxai_jax.runs.compiling import PRECISION
from fxai_jax.runs.keys import randomness
from fxai_jax.writing import write_whole, written


def write_result(
    stem: Path, arrays: Mapping[str, np.ndarray], manifest: Mapping[str, Any]
) -> None:
    """Writes raw arrays as ``stem.npz`` and the manifest as ``stem.json``."""
    with written(stem.with_name(f"{stem.name}.npz")) as beside:
        np.savez(beside, allow_pickle=False, **arrays)
    write_json(stem, manifest)


def write_json(stem: Path, content: Mapping[str, Any]) -> None:
    """Writes ``stem.json``."""
    write_whole(stem.with_name(f"{stem.name}.json"), json_bytes(content))


def flat(prefix: str, result: Any) -> dict[str, np.ndarray]:
    """The arrays of a (nested) NamedTuple by names such as ``probe_similarity``."""
    arrays = {}
    for field, value in result._asdict().items():
        name = f"{prefix}_{field}" if prefix else field
        nested = hasattr(value, "_asdict")
        arrays |= flat(name, value) if nested else {name: np.asarray(value)}
    return arrays


def make_manifest(
    card: Card,
    inputs: Mapping[str, Path],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything needed to make a result again, ready for JSON.

    Example:
        >>> card = load_card("mobilefacenet")
        >>> make_manifest(card, {"probe": sample_path("a_1")}, {})["precision"]
        'highest'
    """
    device = jax.devices()[0]
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("fxai-jax", "jax", "jaxlib", "flax", "numpy")
            },
        },
        "backbone": {
            "name": card.name,
            "family": card.family,
            "options": card.options,
            "weights_sha256": card.weights_sha256,
        },
        "inputs": {
            role: {"path": str(path), "sha256": _file_sha256(path)}
            for role, path in inputs.items()
        },
        "options": dict(options),
        "precision": PRECISION,
        "randomness": randomness(),
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
        },
    }


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
