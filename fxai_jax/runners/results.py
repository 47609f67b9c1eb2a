"""What a run leaves behind: raw arrays, and a manifest to make them again."""

import datetime
import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fxai_jax.cards import Card
from fxai_jax.runners.compiling import PRECISION


def write_result(
    path: Path, arrays: Mapping[str, np.ndarray], manifest: Mapping[str, Any]
) -> None:
    """Writes raw arrays as ``path.npz`` and the manifest as ``path.json``.

    Args:
        path: Target without suffix; its folder is made.
        arrays: Arrays by name.
        manifest: From `make_manifest`.

    Example:
        >>> write_result(Path("out/map"), arrays, manifest)  # doctest: +SKIP
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path.with_name(f"{path.name}.npz"), allow_pickle=False, **arrays)
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    path.with_name(f"{path.name}.json").write_text(text + "\n", "utf-8")


def flat(prefix: str, result: Any) -> dict[str, np.ndarray]:
    """The arrays of a (nested) NamedTuple, on the host, by joined field names.

    Args:
        prefix: First part of every name, may be empty.
        result: NamedTuple of arrays and NamedTuples.

    Returns:
        Arrays by names such as ``probe_similarity``.

    Example:
        >>> sorted(flat("probe", saliency))[0]  # doctest: +SKIP
        'probe_cosine'
    """
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
    *,
    precision: str = PRECISION,
) -> dict[str, Any]:
    """Everything needed to make a result again, ready for JSON.

    Args:
        card: Card of the network.
        inputs: Files by their role, such as "probe".
        options: What the command was told.
        precision: Matrix precision the method was compiled with.

    Returns:
        Versions, network, sha256 of inputs and weights, options, precision, device.

    Raises:
        OSError: If an input cannot be read.

    Example:
        >>> make_manifest(card, {"probe": path}, {})["precision"]  # doctest: +SKIP
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
        "precision": precision,
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
        },
    }


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
