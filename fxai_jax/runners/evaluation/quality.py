"""Whether the quality of images tells which comparisons fail: error against discard.

Pairs are discarded by their quality, worst first. The quality stands between a random
one, drawn for each image, and an oracle that knows the scores and discards the genuine
pairs of lowest score first, which no quality of images can do.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from fxai_jax.array_types import FaceModel
from fxai_jax.data.pair_sets import take_pairs
from fxai_jax.metrics.quality_curves import (
    Counted,
    discard_curve,
    error_at,
    pair_quality,
    partial_area,
)
from fxai_jax.metrics.resampling import bootstrap
from fxai_jax.metrics.verification import (
    check_labels,
    fmr_at_fnmr,
    fnmr_at_fmr,
)
from fxai_jax.runners.evaluation.scores import Scores, groups_of
from fxai_jax.runners.evaluation.tables import Estimate, Row
from fxai_jax.runners.faces import quality_record
from fxai_jax.runners.streaming import run_examples

ENDS = {"to 20 %": 0.2, "to 30 %": 0.3, "to 100 %": 1.0}
"""Discarded fractions at which the areas end."""

ORACLE, QUALITY, RANDOM = "oracle", "SER-FIQ", "random"
GRID = np.linspace(0, 1, 201)
"""Discarded fractions at which curves are drawn."""


class Qualities(NamedTuple):
    """Pairs with everything that they can be discarded by."""

    scores: Scores
    """The n pairs whose images have a quality."""

    columns: Float[np.ndarray, "n m"]
    """Quality of each pair: SER-FIQ, the oracle, then one column for each random
    draw."""

    image: Float[np.ndarray, " i"]
    """SER-FIQ of the images that the pairs use."""

    errors: list[str]
    """One sentence per image without a quality."""


def clean_threshold(
    scores: Scores, *, fmr: float = 1e-3, starting_error: float | None = None
) -> float:
    """The threshold that stays while pairs are discarded or pixels deleted.

    Args:
        scores: Cosines of labelled pairs.
        fmr: False match rate of all pairs, in [0, 1].
        starting_error: False non-match rate of all pairs in [0, 1), used instead.

    Returns:
        The middle between the lowest cosine that is accepted and the highest that is
        not: it decides all pairs as the former would, and a pair just above does not
        fail at the first pixel.

    Raises:
        ValueError: If a rate is none, there is only one kind of pair, or no genuine
            pair would be accepted.

    Example:
        >>> clean_threshold(scores, fmr=0.01)  # doctest: +SKIP
        0.31
    """
    check_labels(scores.pairs.genuine)
    rate = fmr if starting_error is None else starting_error
    if not 0 <= rate <= 1:
        raise ValueError(f"an error rate is in [0, 1], got {rate}")
    labelled = scores.cosine.astype(np.float32), scores.pairs.genuine
    if starting_error is None:
        point = fnmr_at_fmr(*labelled, fmr=fmr)
    else:
        point = fmr_at_fnmr(*labelled, fnmr=starting_error)
    if float(point.tar) == 0:
        raise ValueError(
            f"no genuine pair is accepted at an error rate of {rate:g}, so every curve "
            "would be flat: choose a higher --fmr, or a lower --starting-error"
        )
    lowest = float(point.threshold)
    rejected = labelled[0][labelled[0] < lowest]
    return (lowest + float(rejected.max(initial=-1))) / 2


def rate_pairs(
    model: FaceModel,
    scores: Scores,
    *,
    passes: int = 100,
    draws: int = 10,
    seed: int = 0,
    **options: Any,
) -> Qualities:
    """The quality of every image once, and of the pairs by the worse image.

    Args:
        model: Face model whose head has dropout.
        scores: Cosines of labelled pairs.
        passes: Stochastic passes T.
        draws: Random qualities.
        seed: Start of the random numbers.
        options: Those of `fxai_jax.runners.streaming.run_examples`.

    Returns:
        Qualities of the pairs whose two images have one.

    Raises:
        ValueError: If there is no draw, or no pair is left.

    Example:
        >>> rate_pairs(model, scores, passes=100).columns.shape  # doctest: +SKIP
        (30, 12)
    """
    if draws < 1:
        raise ValueError(f"a random quality takes at least 1 draw, got {draws}")
    pairs = scores.pairs
    used = np.unique(np.concatenate([pairs.probe, pairs.gallery]))

    def record(model, key, image) -> dict[str, Any]:
        return quality_record(model, key, image, passes=passes)

    records = run_examples(
        record,
        model,
        jax.random.key(seed),
        [pairs.images[i] for i in used],
        lambda i: (pairs.read(int(used[i])),),
        title="quality",
        **options,
    )
    quality = np.full(len(pairs.images), np.nan, np.float32)
    for i, found in zip(used, records, strict=True):
        quality[i] = found.values.get("quality", np.nan)
    errors = [found.error for found in records if found.error is not None]
    return _rated(scores, quality, errors, draws, seed)


def discard_rows(
    rated: Qualities, *, threshold: float, counted: Counted = "genuine", seed: int = 0
) -> list[Row]:
    """The table: a row for each group and quality.

    Args:
        rated: From `rate_pairs`.
        threshold: Cosine at which pairs are accepted, kept in all groups and
            resamples.
        counted: Pairs of which a fraction is discarded.
        seed: Start of the random numbers of the bootstrap.

    Returns:
        Mean FNMR up to each discarded fraction (area over range) in per cent, and how
        much of it is gained over the mean of the random qualities. Groups without
        genuine pairs have no rows.

    Example:
        >>> discard_rows(rated, threshold=0.4)  # doctest: +SKIP
    """
    rows, scores = [], rated.scores
    genuine = scores.pairs.genuine
    for group, members in groups_of(scores.pairs).items():
        if not genuine[members].any():
            continue
        inside = scores.cosine[members], genuine[members], rated.columns[members]
        estimates = _estimates(*inside, threshold, counted, seed)
        failed = scores.cosine[members][genuine[members]] < threshold
        place: Row = {"group": group, "pairs": len(members), "genuine": failed.size}
        place |= {"FNMR": 100 * float(failed.mean())}
        rows += [{"quality": name} | place | estimates[name] for name in estimates]
    return rows


def discard_curves(
    rated: Qualities, *, threshold: float, counted: Counted = "genuine"
) -> dict[str, Float[np.ndarray, "r f"]]:
    """The curves of all pairs at `GRID`, to draw.

    Args:
        rated: From `rate_pairs`.
        threshold: Cosine at which pairs are accepted.
        counted: Pairs of which a fraction is discarded.

    Returns:
        FNMR in per cent by quality; one row, for random qualities one for each draw.

    Example:
        >>> discard_curves(rated, threshold=0.4)["SER-FIQ"].shape  # doctest: +SKIP
        (1, 201)
    """
    labelled = rated.scores.cosine.astype(np.float32), rated.scores.pairs.genuine
    options = {"threshold": threshold, "counted": counted}

    def at_grid(quality: Float[Array, " n"]) -> Float[Array, " f"]:
        return error_at(
            discard_curve(*labelled, quality, **options), GRID.astype(np.float32)
        )

    errors = 100 * np.asarray(jax.vmap(at_grid, in_axes=1)(jnp.asarray(rated.columns)))
    return {QUALITY: errors[:1], RANDOM: errors[2:], ORACLE: errors[1:2]}


def _rated(
    scores: Scores,
    quality: Float[np.ndarray, " i"],
    errors: list[str],
    draws: int,
    seed: int,
) -> Qualities:
    pairs, rng = scores.pairs, np.random.default_rng(seed)
    rows = np.flatnonzero(np.isfinite(quality[pairs.probe] + quality[pairs.gallery]))
    if not rows.size:
        raise ValueError(f"no image has a quality; the first error: {errors[0]}")
    kept = scores._replace(pairs=take_pairs(pairs, rows), cosine=scores.cosine[rows])
    random = rng.random((draws, quality.size), np.float32)
    probe, gallery = kept.pairs.probe, kept.pairs.gallery
    oracle = np.where(kept.pairs.genuine, kept.cosine, 2.0).astype(np.float32)
    by_images = [
        np.asarray(pair_quality(image[probe], image[gallery]))
        for image in (quality, *random)
    ]
    columns = np.stack([by_images[0], oracle, *by_images[1:]], axis=1)
    return Qualities(kept, columns, quality[np.isfinite(quality)], errors)


def _estimates(
    cosine: Float[np.ndarray, " n"],
    genuine: Bool[np.ndarray, " n"],
    columns: Float[np.ndarray, "n m"],
    threshold: float,
    counted: Counted,
    seed: int,
) -> dict[str, Row]:
    def statistic(
        scores: Float[Array, " n"],
        genuine: Bool[Array, " n"],
        columns: Float[Array, "n m"],
    ) -> Float[Array, "v k"]:
        def areas(quality: Float[Array, " n"]) -> Float[Array, " k"]:
            options = {"threshold": threshold, "counted": counted}
            curve = discard_curve(scores, genuine, quality, **options)
            return jnp.stack([partial_area(curve, up_to=e) / e for e in ENDS.values()])

        values = 100 * jax.vmap(areas, in_axes=1)(columns)
        random = jnp.mean(values[2:], axis=0)
        own, oracle = values[0], values[1]
        return jnp.stack([own, random, oracle, random - own, random - oracle])

    pairs = tuple(map(jnp.asarray, (cosine.astype(np.float32), genuine, columns)))
    chunk = min(100, max(1, 10**6 // columns.size))
    ends = bootstrap(statistic, jax.random.key(seed), *pairs, chunk_size=chunk)
    found = np.stack([statistic(*pairs), *ends], axis=-1).tolist()

    def cells(place: int, prefix: str = "") -> Row:
        numbers = zip(ENDS, found[place], strict=True)
        return {prefix + end: Estimate(*number) for end, number in numbers}

    return {
        QUALITY: cells(0) | cells(3, "gain "),
        RANDOM: cells(1),
        ORACLE: cells(2) | cells(4, "gain "),
    }
