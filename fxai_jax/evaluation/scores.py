"""The cosines of a list of pairs: every image is embedded once."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.cards import check_threshold
from fxai_jax.data.pairs import Pairs
from fxai_jax.metrics.verification import check_labels, equal_error
from fxai_jax.numerics import pair_cosines
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.progress import tell
from fxai_jax.runs.running import run
from fxai_jax.runs.tasks import over_images

MOST_TOLD = 20  # images that cannot be used are named up to this number


class Scores(NamedTuple):
    """The pairs of a list whose images could be read, and their cosines."""

    pairs: Pairs
    cosine: Float[np.ndarray, " n"]
    """In [-1, 1], float64."""

    skipped: int
    """Pairs that were left out because of an image."""


def score_pairs(model: FaceModel, pairs: Pairs, options: RunOptions) -> Scores:
    """Embeds the images that the pairs use and compares them; tells what is left out.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> model, pairs = load_backbone("mobilefacenet"), open_pairs(sample_pairs())
        >>> score_pairs(model, pairs, RunOptions()).cosine.shape
        (30,)
    """
    task = over_images("embedding", embed, model, pairs)
    found = run(task, dataclasses.replace(options, resume=None))
    place = np.full(len(pairs.images), -1)
    place[pairs.used()[found.rows]] = np.arange(found.rows.size)
    probe, gallery = place[pairs.probe], place[pairs.gallery]
    rows = np.flatnonzero((probe >= 0) & (gallery >= 0))
    if not rows.size:
        raise ValueError(
            f"no pair of {len(pairs)} can be used; the first error: {found.errors[0]}"
        )
    skipped = len(pairs) - rows.size
    told = [f"skipped {error}" for error in found.errors[:MOST_TOLD]]
    if skipped:
        told.append(
            f"{len(found.errors)} images cannot be used; {skipped} of {len(pairs)} "
            "pairs were skipped"
        )
    tell(options.console, told)
    embeddings = found.values["embedding"]
    cosine = pair_cosines(embeddings[probe[rows]], embeddings[gallery[rows]])
    return Scores(pairs.take(rows), cosine, skipped)


def embed(model: FaceModel, key: PRNGKey, image: Image) -> dict[str, Array]:
    """One row of a run: the raw embedding of a face."""
    return {"embedding": model(image)}


def chosen_threshold(threshold: float | None, scores: Scores) -> float:
    """The threshold that was given, or that of equal error rates on the list."""
    if threshold is not None:
        return check_threshold(threshold)
    check_labels(scores.pairs.genuine)
    return equal_error(scores.cosine, scores.pairs.genuine).threshold
