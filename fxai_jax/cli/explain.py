"""The command ``fxai-jax``. Each command is a function; its signature is the help."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from fxai_jax import runners, visualize
from fxai_jax.array_types import FaceModel
from fxai_jax.checkpoints import Card, list_backbones, load_backbone, load_card
from fxai_jax.command_line import STDERR, Commands, File, run
from fxai_jax.data.alignment import align, read_landmarks
from fxai_jax.data.faces import sample_path
from fxai_jax.data.images import Pixels, load_image
from fxai_jax.methods.fggb import GradientForm

OUT = Path("fxai_out")
DEFAULT = "mobilefacenet"


def demo(*, out: Path = OUT) -> None:
    """Explain two pairs of the sample faces with the network that ships.

    A genuine pair (two photographs of one person) and an impostor pair: which pixels
    make them match, which make them differ. Writes a figure, the raw maps and a
    manifest for each.

    Args:
        out: Folder for the results.
    """
    card, model = load_card(DEFAULT), load_backbone(DEFAULT)
    pairs = {"genuine": ("a_1", "a_2"), "impostor": ("a_1", "b_1")}
    threshold = _threshold(None, card)
    explain, seconds = _compile_fggb(model, card, gradient="absolute", chunk_size=16)
    table = Table("pair", "cosine", "threshold", "decision", "compile s", "run s")
    for kind, names in pairs.items():
        paths = [sample_path(name) for name in names]
        faces = [load_image(path) for path in paths]
        result = explain(faces[0], faces[1], threshold)
        stem = out / f"demo_fggb_{kind}"
        options = {"method": "fggb", "gradient": "absolute", "threshold": threshold}
        _write_pair(stem, paths, faces, result, card, options)
        row = _verdict(result, threshold, seconds)
        table.add_row(f"{kind}: {names[0]}, {names[1]}", *row)
        seconds = 0.0  # compiled once, used for both pairs
    Console().print(table)
    print(f"figures, raw maps and manifests are in {out}")


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
    paths = [probe, gallery]
    card = load_card(backbone)
    threshold = _threshold(threshold, card)
    faces = [_read_face(path, landmarks, card) for path in paths]
    model = load_backbone(backbone)
    explain, seconds = _compile_fggb(
        model, card, gradient=gradient, chunk_size=chunk_size
    )
    with STDERR.status("explaining"):
        result = explain(faces[0], faces[1], threshold)
    options = {
        "method": "fggb",
        "gradient": gradient,
        "threshold": threshold,
        "chunk_size": chunk_size,
        "landmarks": None if landmarks is None else str(landmarks),
    }
    stem = out / f"fggb_{probe.stem}_{gallery.stem}"
    _write_pair(stem, paths, faces, result, card, options)
    table = Table("cosine", "threshold", "decision", "compile s", "run s")
    table.add_row(*_verdict(result, threshold, seconds))
    Console().print(table)
    print(f"wrote {stem}.png, .npz and .json")


def backbones() -> None:
    """List the networks that ship, with their input, threshold and licence."""
    table = Table("name", "network", "input", "d", "threshold", "licence")
    for name in list_backbones():
        card = load_card(name)
        height, width = card.image_size
        table.add_row(
            name,
            card.name,
            f"{height}x{width} {card.alignment}",
            str(card.embedding_size),
            f"{card.threshold}",
            card.licence,
        )
    Console().print(table)


COMMANDS: Commands = {
    "demo": demo,
    "explain": {"fggb": explain_fggb},
    "backbones": backbones,
}


def main(args: Sequence[str] | None = None) -> None:
    """Runs ``fxai-jax``.

    Args:
        args: Arguments without the program's name; None takes those of the process.
    """
    run(COMMANDS, "fxai-jax", args)


def _compile_fggb(model: FaceModel, card: Card, **options):
    with STDERR.status("compiling FGGB"):
        return runners.compile_fggb(model, card.image_size, **options)


def _write_pair(
    stem: Path,
    paths: Sequence[Path],
    faces: Sequence[Pixels],
    result: runners.PairExplanation,
    card: Card,
    options: Mapping,
) -> None:
    for notice in runners.pair_notices(result):
        STDERR.print(f"note: {notice}")
    inputs = dict(zip(("probe", "gallery"), paths, strict=True))
    runners.write_pair(stem, result, runners.make_manifest(card, inputs, options))
    figure = visualize.pair_figure(
        faces[0],
        faces[1],
        result.probe,
        result.gallery,
        threshold=options["threshold"],
        names=(paths[0].stem, paths[1].stem),
    )
    figure.savefig(f"{stem}.png", dpi=150)


def _read_face(path: Path, landmarks: Path | None, card: Card) -> Pixels:
    if landmarks is None:
        return load_image(path, size=card.image_size)
    points = read_landmarks(landmarks, name=path.name)
    photograph = load_image(path, size=None)
    return np.asarray(align(photograph, points, size=card.image_size[0]))


def _threshold(threshold: float | None, card: Card) -> float:
    chosen = card.threshold if threshold is None else threshold
    if chosen is None:
        raise ValueError(f"nobody measured a threshold for {card.name}: --threshold T")
    if not -1 <= chosen <= 1:
        raise ValueError(f"a threshold is a cosine in [-1, 1], got {chosen}")
    return chosen


def _verdict(
    result: runners.PairExplanation, threshold: float, compile_seconds: float
) -> list[str]:
    cosine = float(result.probe.cosine)
    return [
        f"{cosine:.3f}",
        f"{threshold:.3f}",
        visualize.decision(cosine, threshold),
        f"{compile_seconds:.1f}",
        f"{result.seconds:.2f}",
    ]
