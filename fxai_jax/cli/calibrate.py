"""``fxai-jax calibrate``: a network's constants, measured on the user's faces."""

import json
import shutil
from pathlib import Path
from typing import Annotated

import jax.numpy as jnp
import tyro

from fxai_jax.cards import checkpoint_folder, list_backbones, load_card, write_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.options import Files, Landmarks, Passes, Seed
from fxai_jax.cli.sets import found_images, run_set
from fxai_jax.command_line import STDERR
from fxai_jax.data.names import printable
from fxai_jax.data.pairs import open_pairs
from fxai_jax.data.pairs.doubts import doubts
from fxai_jax.evaluation.scores import chosen_threshold, label_doubts, score_pairs
from fxai_jax.explain import calibration
from fxai_jax.own.importing import is_code
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.progress import tell
from fxai_jax.runs.reading import face_reader
from fxai_jax.writing import new_folder

Copy = Annotated[
    Path | None,
    tyro.conf.arg(
        help="Folder for a calibrated copy; None writes into the checkpoint itself."
    ),
]


def calibrate(
    images: Files,
    *,
    backbone: str,
    pairs: Path | None = None,
    passes: Passes = 100,
    seed: Seed = 0,
    batch_size: int = 16,
    landmarks: Landmarks = None,
    out: Copy = None,
) -> None:
    """Measure a network's constants on your own faces and write them into its card.

    PLQ needs the range of the network's qualities and the size of its gradients; with
    labelled pairs, the threshold of equal error rates is measured too. Take 50 or more
    ordinary faces of many persons.

    Args:
        backbone: Checkpoint folder to calibrate, or a shipped network with --out.
        pairs: List of labelled pairs (CSV, LFW's pairs.txt, InsightFace .bin).
        batch_size: Images alive together.
    """
    if is_code(backbone):
        raise ValueError(
            f"{backbone} has no card to write into: save its model as a folder with "
            "fxai_jax.save_backbone, and calibrate that"
        )
    folder = checkpoint_folder(backbone)
    if out is None and backbone in list_backbones():
        raise ValueError("a shipped network is not changed: give --out for a copy")
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"--out {out} is there already: name a new folder for the copy, or "
            "calibrate a checkpoint in its place with --backbone alone"
        )
    paths, card = found_images(images), load_card(folder)
    calibration.check_enough(len(paths))
    faces, folders, listed = list(paths), list(images), None
    if pairs is not None:  # its images are read later, when all names are known
        listed = open_pairs(pairs, size=card.image_size, read=lambda path: read(path))
        faces += [Path(name) for name in listed.images]
        folders.append(pairs.parent)
    read = face_reader(card, landmarks, faces, folders)
    model = load_backbone(folder, dtype=jnp.float32)
    options = RunOptions(seed, batch_size, console=STDERR)
    names = {"title": "calibration", "file": "calibration"}
    found = run_set(
        calibration.measure,
        model,
        card,
        paths,
        read,
        {"passes": passes},
        options,
        **names,
    )
    card = calibration.with_quality(card, found.values)
    if listed is not None:
        scores = score_pairs(model, listed, options)
        tell(STDERR, [*doubts(listed), *label_doubts(scores)])
        card = calibration.with_threshold(
            card,
            scores.cosine,
            scores.pairs.genuine,
            threshold=chosen_threshold(None, scores),
        )
    if out is None:
        write_card(folder, card)
    else:
        with new_folder(out, lambda _: False) as made:
            shutil.copytree(folder, made, dirs_exist_ok=True)
            write_card(made, card)
    print(json.dumps({"threshold": card.threshold, "quality": card.quality}, indent=2))
    print(printable(f"wrote {(out or folder) / 'card.json'}"))
