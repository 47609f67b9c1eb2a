"""What every explanation leaves: a figure, raw arrays, a manifest, and a line."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fxai_jax import visualize
from fxai_jax.cards import Card
from fxai_jax.cli.options import FIGURES, FigureFiles
from fxai_jax.command_line import STDERR
from fxai_jax.data.names import printable
from fxai_jax.explain import both_sides
from fxai_jax.explain.both_sides import BothSides
from fxai_jax.runs.manifest import flat, make_manifest, write_result
from fxai_jax.runs.progress import tell

MAX_NAME = 100  # bytes of an image's name in that of a result, whose name has 255
PAIR_COLUMNS = ("cosine", "threshold", "decision", "compile s", "run s")


def write_explained(
    stem: Path,
    figure: Any,
    arrays: Mapping[str, np.ndarray],
    manifest: Mapping[str, Any],
    files: FigureFiles = FIGURES,
) -> None:
    """Writes the figure, ``stem.npz`` and ``stem.json``."""
    write_result(stem, arrays, manifest)
    print(printable(f"wrote {files.save(figure, stem)}, .npz and .json"))


def free_stem(out: Path, method: str, inputs: Mapping[str, Path]) -> Path:
    """Where the results of a method on some images go.

    That is ``out/method_name`` with the names of the images without their suffixes.
    Where results of other images lie there, suffixes are kept, and then as many folders
    of their paths as it takes.
    """
    paths = list(inputs.values())
    forms = [[path.stem for path in paths]]
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        forms.append(["_".join(path.parts[-count:]) for path in paths])
    told = {role: str(path) for role, path in inputs.items()}
    for names in forms:
        stem = out / "_".join([method, *map(_shortened, names)])
        if _is_free(stem, told):
            return stem
    raise ValueError(
        f"{out} has results of other images of these names; choose another --out"
    )


def _shortened(name: str) -> str:
    name = name.replace(os.sep, "")
    while len(os.fsencode(name)) > MAX_NAME:
        name = name[1:]
    return name


def _is_free(stem: Path, inputs: Mapping[str, str]) -> bool:
    manifest = stem.with_name(f"{stem.name}.json")
    if not manifest.exists():
        return True
    try:
        found = json.loads(manifest.read_bytes())["inputs"]
        return {role: each["path"] for role, each in found.items()} == inputs
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def write_pair(
    stem: Path,
    figure: Any,
    paths: Sequence[Path],
    result: BothSides,
    card: Card,
    options: Mapping[str, Any],
    layout: Mapping[str, Any] | None = None,
    files: FigureFiles = FIGURES,
) -> None:
    """Writes what a method says of both faces of a pair, and tells its notices."""
    tell(STDERR, both_sides.notices(result))
    inputs = dict(zip(("probe", "gallery"), paths, strict=True))
    arrays = flat("probe", result.probe) | flat("gallery", result.gallery)
    arrays |= {name: np.asarray(value) for name, value in (layout or {}).items()}
    manifest = make_manifest(card, inputs, options)
    write_explained(stem, figure, arrays, manifest, files)


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
