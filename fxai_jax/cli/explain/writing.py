"""What every explanation leaves: a figure, raw arrays, a manifest, and a line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fxai_jax import visualize
from fxai_jax.cards import Card
from fxai_jax.command_line import STDERR
from fxai_jax.explain import both_sides
from fxai_jax.explain.both_sides import BothSides
from fxai_jax.runs.manifest import flat, make_manifest, write_result
from fxai_jax.runs.progress import tell

PAIR_COLUMNS = ("cosine", "threshold", "decision", "compile s", "run s")


def write_explained(
    stem: Path,
    figure: Any,
    arrays: Mapping[str, np.ndarray],
    manifest: Mapping[str, Any],
) -> None:
    """Writes ``stem.png``, ``stem.npz`` and ``stem.json``."""
    write_result(stem, arrays, manifest)
    figure.savefig(f"{stem}.png", dpi=150)
    print(f"wrote {stem}.png, .npz and .json")


def write_pair(
    stem: Path,
    figure: Any,
    paths: Sequence[Path],
    result: BothSides,
    card: Card,
    options: Mapping[str, Any],
    layout: Mapping[str, Any] | None = None,
) -> None:
    """Writes what a method says of both faces of a pair, and tells its notices."""
    tell(STDERR, both_sides.notices(result))
    inputs = dict(zip(("probe", "gallery"), paths, strict=True))
    arrays = flat("probe", result.probe) | flat("gallery", result.gallery)
    arrays |= {name: np.asarray(value) for name, value in (layout or {}).items()}
    write_explained(stem, figure, arrays, make_manifest(card, inputs, options))


def pair_cells(
    result: BothSides, threshold: float, compile_seconds: float
) -> list[str]:
    """Cells under `PAIR_COLUMNS`."""
    cosine = float(result.probe.cosine)
    return [
        f"{cosine:.3f}",
        f"{threshold:.3f}",
        visualize.decision(cosine, threshold),
        f"{compile_seconds:.1f}",
        f"{result.seconds:.2f}",
    ]
