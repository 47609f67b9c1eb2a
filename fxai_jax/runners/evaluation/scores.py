"""The cosines of a list of pairs: every image is embedded once."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.data.pair_sets import PairSet, take_pairs
from fxai_jax.metrics.verification import check_labels, equal_error
from fxai_jax.runners.streaming import run_examples


class Scores(NamedTuple):
    """Pairs whose images could be read, and their cosines."""

    pairs: PairSet
    """The n usable pairs."""

    cosine: Float[np.ndarray, " n"]
    """Cosine of each pair, in [-1, 1]."""

    errors: list[str]
    """One sentence per image that could not be used."""

    skipped: int
    """Pairs that were left out because of them."""


def embedding_record(model: FaceModel, key: PRNGKey, image: Image) -> dict[str, Any]:
    """The embedding of one face.

    Args:
        model: The network.
        key: Not used; every function of a run takes one.
        image: Image with shape (h, w, c) in [0, 1].

    Returns:
        The raw embedding.

    Example:
        >>> embedding_record(model, key, face)["embedding"].shape  # doctest: +SKIP
        (192,)
    """
    return {"embedding": model(image)}


def score_pairs(model: FaceModel, pairs: PairSet, **options: Any) -> Scores:
    """Embeds the distinct images of a list and compares its pairs.

    Args:
        model: The network.
        pairs: Labelled pairs.
        options: Those of `fxai_jax.runners.streaming.run_examples`.

    Returns:
        Cosines of the pairs whose two images could be read, embeddings not zero.

    Raises:
        ValueError: If no pair is left.

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> from fxai_jax.data.pair_sets import open_pairs
        >>> score_pairs(
        ...     load_backbone("mobilefacenet"), open_pairs(sample_pairs())
        ... ).cosine.shape
        (30,)
    """
    used = np.unique(np.concatenate([pairs.probe, pairs.gallery]))
    names = [pairs.images[i] for i in used]
    records = run_examples(
        embedding_record,
        model,
        jax.random.key(0),
        names,
        lambda i: (pairs.read(int(used[i])),),
        title="embedding",
        **options,
    )
    values = {
        int(i): record.values["embedding"]
        for i, record in zip(used, records, strict=True)
        if record.error is None
    }
    errors = [record.error for record in records if record.error is not None]
    return _compared(pairs, values, errors)


def chosen_threshold(threshold: float | None, scores: Scores) -> float:
    """The threshold of an evaluation: the one given, or that of equal error rates.

    Args:
        threshold: Cosine in [-1, 1], or None.
        scores: Cosines of labelled pairs.

    Returns:
        The threshold.

    Raises:
        ValueError: If it is no cosine, or there is only one kind of pair.

    Example:
        >>> chosen_threshold(0.4, scores)  # doctest: +SKIP
        0.4
    """
    if threshold is None:
        check_labels(scores.pairs.genuine)
        return float(equal_error(scores.cosine, scores.pairs.genuine).threshold)
    if not -1 <= threshold <= 1:
        raise ValueError(f"a threshold is a cosine in [-1, 1], got {threshold}")
    return threshold


def groups_of(pairs: PairSet) -> dict[str, np.ndarray]:
    """The groups of a list by name, "all" first.

    Args:
        pairs: Pairs with further columns. Columns of which most values are their own,
            such as names, make no groups, and neither do folds, which are parts at
            random and say nothing about faces.

    Returns:
        Places of the pairs of each group, named as "column=value".

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> from fxai_jax.data.pair_sets import open_pairs
        >>> list(groups_of(open_pairs(sample_pairs())))
        ['all', 'crop=partial', 'crop=whole']
    """
    found = {"all": np.arange(pairs.genuine.size)}
    for column, texts in pairs.groups.items():
        values = sorted(set(texts))
        if column != "fold" and 1 < len(values) <= len(texts) / 2:
            for value in values:
                found[f"{column}={value}"] = np.flatnonzero(np.array(texts) == value)
    return found


def common_rows(rows: Iterable[Int[np.ndarray, " m"]]) -> Int[np.ndarray, " n"]:
    """The pairs that went well in every one of several runs.

    Args:
        rows: Places of the pairs of each run that went well.

    Returns:
        Places that are in all of them, ascending.

    Raises:
        ValueError: If there is none.

    Example:
        >>> common_rows([np.array([0, 1, 3]), np.array([1, 2, 3])]).tolist()
        [1, 3]
    """
    common = reduce(np.intersect1d, rows)
    if not common.size:
        raise ValueError("no pair is left that went well in every run")
    return common


def _compared(
    pairs: PairSet, values: Mapping[int, np.ndarray], errors: list[str]
) -> Scores:
    both = zip(pairs.probe.tolist(), pairs.gallery.tolist(), strict=True)
    rows = np.array([i for i, (a, b) in enumerate(both) if a in values and b in values])
    if not rows.size:
        reason = f"; the first error: {errors[0]}" if errors else ""
        raise ValueError(f"no pair of {pairs.genuine.size} can be used{reason}")
    usable = take_pairs(pairs, rows)
    a, b = (
        np.stack([values[i] / np.linalg.norm(values[i]).clip(1e-8) for i in side])
        for side in (usable.probe.tolist(), usable.gallery.tolist())
    )
    skipped = pairs.genuine.size - rows.size
    return Scores(usable, np.sum(a * b, axis=1), errors, skipped)
