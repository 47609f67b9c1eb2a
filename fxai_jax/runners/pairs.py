"""The drivers: the only place that compiles, times, places and writes results.

A method is a pure function of one example; here it meets a model, a device, a matrix
precision and a folder, and each of them is written into the manifest.
"""

import datetime
import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from fxai_jax.array_types import FaceModel, Image
from fxai_jax.checkpoints import Card
from fxai_jax.methods import fggb

PRECISION = "highest"
"""Matrix precision: TPUs and GPUs multiply in fewer bits unless told otherwise, and
gradient maps suffer most."""


class PairExplanation(NamedTuple):
    """Both faces of a pair, explained, on the host."""

    probe: fggb.PairSaliency
    gallery: fggb.PairSaliency
    seconds: float


PairExplainer = Callable[[Image, Image, float], PairExplanation]


def compile_fggb(
    model: FaceModel,
    size: tuple[int, int],
    *,
    gradient: fggb.GradientForm = "absolute",
    chunk_size: int | None = 16,
    precision: str = PRECISION,
) -> tuple[PairExplainer, float]:
    """Compiles FGGB for one model and image size.

    Args:
        model: From `fxai_jax.checkpoints.load_backbone`.
        size: Height and width of the faces in pixels.
        gradient: Form of FGGB, see `fxai_jax.methods.fggb.explain`.
        chunk_size: Channels pulled back together.
        precision: Matrix precision, a value of ``jax_default_matmul_precision``.

    Returns:
        A function of probe, gallery and threshold that explains both faces, and the
        seconds that compiling took.

    Example:
        >>> explain, seconds = compile_fggb(model, (112, 112))  # doctest: +SKIP
        >>> explain(a, b, 0.45).probe.cosine  # doctest: +SKIP
        Array(0.8000383, dtype=float32)
    """
    start = time.perf_counter()
    face = jax.ShapeDtypeStruct((*size, 3), np.float32)
    threshold = jax.ShapeDtypeStruct((), np.float32)
    function = partial(fggb.explain, gradient=gradient, chunk_size=chunk_size)
    with jax.default_matmul_precision(precision):
        lowered = jax.jit(function).lower(model, face, face, threshold=threshold)
        compiled = lowered.compile()
    seconds = time.perf_counter() - start

    def explain(probe: Image, gallery: Image, threshold: float) -> PairExplanation:
        started = time.perf_counter()
        limit = np.float32(threshold)
        of_probe, of_gallery = jax.device_get(
            (
                compiled(model, probe, gallery, threshold=limit),
                compiled(model, gallery, probe, threshold=limit),
            )
        )
        elapsed = time.perf_counter() - started
        return PairExplanation(of_probe, of_gallery, elapsed)

    return explain, seconds


def pair_notices(explanation: PairExplanation) -> list[str]:
    """What a reader of the maps should be told before looking at them.

    Args:
        explanation: From `compile_fggb`'s function.

    Returns:
        Sentences, none if all is well.

    Raises:
        ValueError: If a map is not finite.

    Example:
        >>> pair_notices(explain(a, b, 0.45))  # doctest: +SKIP
        []
    """
    notices = []
    for side in ("probe", "gallery"):
        maps = getattr(explanation, side)
        if not all(np.isfinite(field).all() for field in maps):
            raise ValueError(
                f"the maps of the {side} are not finite: the network overflows on "
                "this image; check the image and the checkpoint"
            )
        if not np.any(maps.signed):
            notices.append(
                f"the maps of the {side} are zero everywhere: the embedding does not "
                "depend on this image's pixels, as for a network without weights"
            )
    if explanation.probe.cosine > 1 - 1e-6:
        notices.append("both images have the same embedding: are they the same file?")
    return notices


def write_pair(
    path: Path, explanation: PairExplanation, manifest: Mapping[str, Any]
) -> None:
    """Writes the raw maps as ``path.npz`` and the manifest as ``path.json``.

    Args:
        path: Target without suffix; its folder is made.
        explanation: The maps to write; keys are such as ``probe_similarity``.
        manifest: From `make_manifest`.

    Example:
        >>> write_pair(Path("out/pair"), explanation, manifest)  # doctest: +SKIP
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{side}_{field}": value
        for side in ("probe", "gallery")
        for field, value in getattr(explanation, side)._asdict().items()
    }
    np.savez(path.with_name(f"{path.name}.npz"), **arrays)
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    path.with_name(f"{path.name}.json").write_text(text + "\n", "utf-8")


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
