"""The cosines of a list of pairs: every image is embedded once."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import Embedder, Image, PRNGKey
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

    def take(self, rows: Int[np.ndarray, " _"]) -> "Scores":
        """Some of the pairs with their cosines."""
        return self._replace(pairs=self.pairs.take(rows), cosine=self.cosine[rows])


def score_pairs(
    model: Embedder, pairs: Pairs, options: RunOptions, *, flip: bool = False
) -> Scores:
    """Embeds the images that the pairs use and compares them; tells what is left out.

    With `flip` an embedding is that of the image plus that of its mirror image.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> model, pairs = load_backbone("mobilefacenet"), open_pairs(sample_pairs())
        >>> score_pairs(model, pairs, RunOptions()).cosine.shape
        (30,)
    """
    task = over_images("embedding", embed_twice if flip else embed, model, pairs)
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


def embed(model: Embedder, key: PRNGKey, image: Image) -> dict[str, Array]:
    """One row of a run: the raw embedding of a face."""
    return {"embedding": model(image)}


def embed_twice(model: Embedder, key: PRNGKey, image: Image) -> dict[str, Array]:
    """The raw embeddings of a face and of its mirror image, added.

    As `test` of InsightFace's recognition/arcface_torch/eval/verification.py adds them
    before they are normalised.
    """
    return {"embedding": model(image) + model(image[:, ::-1])}


def label_doubts(scores: Scores) -> list[str]:
    """What the cosines say against the labels, in sentences.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> pairs = open_pairs(sample_pairs())
        >>> label_doubts(Scores(pairs, np.where(pairs.genuine, 0.1, 0.2), 0))[0][:10]
        'EER 100.0 '
    """
    genuine = scores.pairs.genuine
    if genuine.all() or not genuine.any():
        return []
    rate = equal_error(scores.cosine, genuine).rate
    if rate <= 0.5:
        return []
    return [
        f"EER {100 * rate:.1f} %: genuine pairs have lower cosines than impostor "
        "pairs; are the labels inverted?"
    ]


def chosen_threshold(threshold: float | None, scores: Scores) -> float:
    """The threshold that was given, or that of equal error rates on the list."""
    if threshold is not None:
        return check_threshold(threshold)
    check_labels(scores.pairs.genuine)
    found = equal_error(scores.cosine, scores.pairs.genuine)
    return between_cosines(found.threshold, scores.cosine)


def between_cosines(threshold: float, cosine: Float[np.ndarray, " n"]) -> float:
    """The middle between the lowest cosine that is accepted and the highest below it.

    It decides all pairs as the lowest accepted cosine would. That one is the cosine of
    a pair, which the last bits of another computation would accept or reject by chance.
    Where genuine and impostor pairs separate it is the middle of the gap.

    Example:
        >>> between_cosines(0.75, np.array([0.25, 0.75, 0.875]))
        0.5
    """
    accepted = float(cosine[cosine >= threshold].min(initial=1))
    rejected = float(cosine[cosine < threshold].max(initial=-1))
    return (accepted + rejected) / 2


def limited_rows(pairs: Pairs, limit: int | None, seed: int) -> Int[np.ndarray, " _"]:
    """Places of the pairs that `Pairs.limit` takes; of all of them without a limit.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> limited_rows(open_pairs(sample_pairs()), 5, 0).size
        5
    """
    everything = np.arange(len(pairs))
    if limit is None:
        return everything
    return dataclasses.replace(pairs, probe=everything).limit(limit, seed=seed).probe
