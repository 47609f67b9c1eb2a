"""``fxai-jax explain fggb`` and ``frequency``: both faces of one pair."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.shared import DEFAULT, OUT, pair_threshold, read_face, tell
from fxai_jax.command_line import STDERR, File
from fxai_jax.data.images import Pixels
from fxai_jax.methods.fggb import GradientForm
from fxai_jax.methods.frequency import Bands, Corners, Perturb, Shape, radial_bands
from fxai_jax.runners import pairs
from fxai_jax.runners.results import flat, make_manifest, write_result


def explain_fggb(
    probe: File,
    gallery: File,
    *,
    backbone: str = DEFAULT,
    threshold: float | None = None,
    gradient: GradientForm = "absolute",
    landmarks: Path | None = None,
    chunk_size: int = 16,
    out: Path = OUT,
) -> None:
    """Show which pixels make two faces match, and which make them differ (FGGB).

    Writes a figure, the raw maps (.npz) and a manifest (.json). With --gradient
    absolute all channels' maps are alike, so one of the two maps is nearly empty;
    split fills both for every pair; signed maps are to be ranked by magnitude.

    Args:
        probe: Image of an aligned face, or a photograph with --landmarks.
        gallery: Image of the face to compare with.
        backbone: Name of a shipped network, or a checkpoint folder.
        threshold: Cosine at which pairs are accepted; None takes the network's own.
        gradient: How a channel's gradient becomes a map.
        landmarks: JSON file, five points (x, y) an image: eyes, nose, mouth corners.
        chunk_size: Embedding channels pulled back together; more takes more memory.
        out: Folder for the results.
    """
    card = load_card(backbone)
    threshold = pair_threshold(threshold, card)
    images = [read_face(path, landmarks, card) for path in (probe, gallery)]
    with STDERR.status("compiling FGGB"):
        explain, seconds = pairs.compile_fggb(
            load_backbone(backbone),
            card.image_size,
            gradient=gradient,
            chunk_size=chunk_size,
        )
    with STDERR.status("explaining"):
        result = explain(images[0], images[1], threshold)
    stem = out / f"fggb_{probe.stem}_{gallery.stem}"
    options = {
        "method": "fggb",
        "gradient": gradient,
        "threshold": threshold,
        "chunk_size": chunk_size,
        "landmarks": landmarks and str(landmarks),
    }
    write_fggb(stem, [probe, gallery], images, result, card, options)
    table = Table("cosine", "threshold", "decision", "compile s", "run s")
    table.add_row(*pair_row(result, threshold, seconds))
    Console().print(table)
    print(f"wrote {stem}.png, .npz and .json")


def explain_frequency(
    probe: File,
    gallery: File,
    *,
    backbone: str = DEFAULT,
    width: int = 4,
    shape: Shape = "radial",
    corners: Corners = "own",
    perturb: Perturb = "probe",
    threshold: float | None = None,
    landmarks: Path | None = None,
    out: Path = OUT,
) -> None:
    """Show which spatial frequencies carry the decision on a pair.

    Each band of the probe's spectrum is removed in turn; what the cosine loses, the
    band had contributed. Writes a figure of the probe, the influences on both faces
    (.npz) and a manifest (.json).

    Args:
        probe: Image of an aligned face, or a photograph with --landmarks.
        gallery: Image of the face to compare with.
        backbone: Name of a shipped network, or a checkpoint folder.
        width: Width of a band in cycles per image.
        shape: Bands as rings (radial) or square frames.
        corners: Frequencies above the last whole band: own band, merged or dropped.
        perturb: Remove the band from the probe alone, or from both images.
        threshold: Cosine at which pairs are accepted; None takes the network's own.
        landmarks: JSON file, five points (x, y) an image: eyes, nose, mouth corners.
        out: Folder for the results.
    """
    card = load_card(backbone)
    threshold = pair_threshold(threshold, card)
    images = [read_face(path, landmarks, card) for path in (probe, gallery)]
    bands = radial_bands(card.image_size, width=width, shape=shape, corners=corners)
    with STDERR.status("explaining"):
        explain, seconds = pairs.compile_frequency(
            load_backbone(backbone), bands, perturb=perturb
        )
        result = explain(images[0], images[1])
    options = {"method": "frequency", "width": width, "shape": shape}
    options |= {"corners": corners, "perturb": perturb, "threshold": threshold}
    options |= {"landmarks": landmarks and str(landmarks)}
    stem = out / f"frequency_{probe.stem}_{gallery.stem}"
    write_frequency(stem, [probe, gallery], images, result, bands, card, options)
    table = Table("cosine", "threshold", "decision", "compile s", "run s")
    table.add_row(*pair_row(result, threshold, seconds))
    Console().print(table)
    print(f"wrote {stem}.png, .npz and .json")


def write_fggb(
    stem: Path,
    paths: Sequence[Path],
    images: Sequence[Pixels],
    result: pairs.PairExplanation,
    card: Card,
    options: Mapping[str, Any],
) -> None:
    """Writes what FGGB says of a pair: figure, maps, manifest.

    Args:
        stem: Target without suffix.
        paths: Files of probe and gallery.
        images: Their pixels.
        result: Explanation of both.
        card: Card of the network.
        options: Options of the run, with the threshold.
    """
    _write_pair(stem, paths, result, card, options)
    figure = visualize.pair_figure(
        images[0],
        images[1],
        result.probe,
        result.gallery,
        threshold=options["threshold"],
        names=(paths[0].stem, paths[1].stem),
    )
    figure.savefig(f"{stem}.png", dpi=150)


def write_frequency(
    stem: Path,
    paths: Sequence[Path],
    images: Sequence[Pixels],
    result: pairs.PairExplanation,
    bands: Bands,
    card: Card,
    options: Mapping[str, Any],
) -> None:
    """Writes what the frequencies say of a pair: figure, influences, manifest.

    Args:
        stem: Target without suffix.
        paths: Files of probe and gallery.
        images: Their pixels.
        result: Explanation of both.
        bands: Bands of the spectrum.
        card: Card of the network.
        options: Options of the run, with the threshold.
    """
    layout = {"edges": bands.edges, "coefficients": bands.coefficients}
    _write_pair(stem, paths, result, card, options, layout)
    figure = visualize.frequency_figure(
        images[0],
        images[1],
        result.probe,
        jax.device_get(bands),
        names=(paths[0].stem, paths[1].stem),
        threshold=options["threshold"],
    )
    figure.savefig(f"{stem}.png", dpi=150)


def pair_row(
    result: pairs.PairExplanation, threshold: float, compile_seconds: float
) -> list[str]:
    """Cells of a table: cosine, threshold, decision, seconds to compile and to run.

    Args:
        result: Explanation of a pair.
        threshold: Cosine at which pairs are accepted.
        compile_seconds: Seconds that compiling took.

    Returns:
        Five cells.
    """
    cosine = float(result.probe.cosine)
    return [
        f"{cosine:.3f}",
        f"{threshold:.3f}",
        visualize.decision(cosine, threshold),
        f"{compile_seconds:.1f}",
        f"{result.seconds:.2f}",
    ]


def _write_pair(
    stem: Path,
    paths: Sequence[Path],
    result: pairs.PairExplanation,
    card: Card,
    options: Mapping[str, Any],
    layout: Mapping[str, Any] | None = None,
) -> None:
    tell(pairs.pair_notices(result))
    inputs = dict(zip(("probe", "gallery"), paths, strict=True))
    arrays = flat("probe", result.probe) | flat("gallery", result.gallery)
    arrays |= {name: np.asarray(value) for name, value in (layout or {}).items()}
    write_result(stem, arrays, make_manifest(card, inputs, options))
