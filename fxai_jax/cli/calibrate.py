"""``fxai-jax calibrate``: a network's constants, measured on the user's faces."""

import json
import shutil
from functools import partial
from pathlib import Path

from fxai_jax.cards import checkpoint_folder, list_backbones, load_card, write_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.sets import Files, run_set
from fxai_jax.data.pairs import read_pairs
from fxai_jax.runners import faces
from fxai_jax.runners.calibration import calibrated_quality, calibrated_threshold
from fxai_jax.runners.streaming import find_images


def calibrate(
    images: Files,
    *,
    backbone: str,
    pairs: Path | None = None,
    passes: int = 100,
    seed: int = 0,
    batch_size: int = 16,
    landmarks: Path | None = None,
    out: Path | None = None,
) -> None:
    """Measure a network's constants on your own faces and write them into its card.

    PLQ needs the range of the network's qualities and the size of its gradients; with
    labelled pairs of the images, the threshold of equal error rates is measured too.
    Take 50 or more ordinary faces of many persons.

    Args:
        images: Aligned faces or folders of them, or photographs with --landmarks.
        backbone: Checkpoint folder to calibrate, or a shipped network with --out.
        pairs: CSV file of labelled pairs: two columns of paths and one of labels.
        passes: Stochastic passes of the quality.
        seed: Start of the random numbers.
        batch_size: Images alive together.
        landmarks: JSON file, five points (x, y) an image: eyes, nose, mouth corners.
        out: Folder for a calibrated copy; None writes into the checkpoint itself.
    """
    folder = checkpoint_folder(backbone)
    if out is None and backbone in list_backbones():
        raise ValueError("a shipped network is not changed: give --out for a copy")
    labelled = None if pairs is None else read_pairs(pairs)
    paths = find_images(images)
    card, model = load_card(folder), load_backbone(folder)
    records = run_set(
        partial(faces.calibration_record, passes=passes),
        model,
        card,
        paths,
        {"passes": passes, "seed": seed},
        landmarks=landmarks,
        batch_size=min(batch_size, len(paths)),
        journal=None,
    )
    card = calibrated_quality(card, records)
    if labelled is not None:
        card = calibrated_threshold(card, records, labelled)
    if out is not None:
        shutil.copytree(folder, out, dirs_exist_ok=True)
    write_card(out or folder, card)
    print(json.dumps({"threshold": card.threshold, "quality": card.quality}, indent=2))
    print(f"wrote {(out or folder) / 'card.json'}")
