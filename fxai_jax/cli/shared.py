"""What the commands share: reading faces, thresholds, telling the user."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fxai_jax.cards import Card
from fxai_jax.command_line import STDERR
from fxai_jax.data.alignment import align, read_landmarks
from fxai_jax.data.images import Pixels, load_image

OUT = Path("fxai_out")
DEFAULT = "mobilefacenet"


def read_face(path: Path, landmarks: Path | None, card: Card) -> Pixels:
    """Reads one face for a network, aligning it where there are landmarks.

    Args:
        path: Image file.
        landmarks: JSON file with five points per image; None takes aligned faces.
        card: Card of the network, for the size.

    Returns:
        Face with shape (h, w, 3) in [0, 1].

    Raises:
        OSError: If a file cannot be read.
        ValueError: If it is no face of this size, or its landmarks are not usable.
    """
    if landmarks is None:
        return load_image(path, size=card.image_size)
    if not card.alignment.startswith("arcface"):
        raise ValueError(
            f"{card.name} was trained on {card.alignment} crops, which five landmarks "
            "do not give: crop the faces as its authors do and leave --landmarks out"
        )
    points = read_landmarks(landmarks, name=path.name)
    photograph = load_image(path, size=None)
    return np.asarray(align(photograph, points, size=card.image_size[0]))


def pair_threshold(threshold: float | None, card: Card) -> float:
    """The threshold a command uses: the one given, or the network's own.

    Args:
        threshold: Cosine in [-1, 1], or None.
        card: Card of the network.

    Returns:
        The threshold.

    Raises:
        ValueError: If it is no cosine, or the network has none.
    """
    chosen = card.threshold if threshold is None else threshold
    if chosen is None:
        raise ValueError(
            f"nobody measured a threshold for {card.name}: give --threshold, or "
            "measure it on labelled pairs with fxai-jax calibrate --pairs"
        )
    if not -1 <= chosen <= 1:
        raise ValueError(f"a threshold is a cosine in [-1, 1], got {chosen}")
    return chosen


def tell(notices: Iterable[str]) -> None:
    """Prints notes for the reader of a result.

    Args:
        notices: Sentences.
    """
    for notice in notices:
        STDERR.print(f"note: {notice}", markup=False, highlight=False, soft_wrap=True)
