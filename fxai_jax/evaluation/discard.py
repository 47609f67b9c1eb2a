"""Whether the quality of images tells which comparisons fail: error against discard.

Pairs are discarded by their quality, worst first. The quality stands between a random
one, drawn for each image, and an oracle that knows the scores and discards the genuine
pairs of lowest score first, which no quality of images can do.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from fxai_jax.evaluation.estimates import groups_of
from fxai_jax.evaluation.persons import drawn_persons
from fxai_jax.evaluation.report import RATE, Chart, Estimate, Line, Panel, Row
from fxai_jax.evaluation.scores import Scores, between_cosines
from fxai_jax.metrics.quality_curves import (
    Counted,
    DiscardCurve,
    discard_curve,
    error_at,
    pair_quality,
    partial_area,
)
from fxai_jax.metrics.resampling import bootstrap
from fxai_jax.metrics.verification import check_labels, fmr_at_fnmr, fnmr_at_fmr
from fxai_jax.runs.running import Results

ENDS = {"to 20 %": 0.2, "to 30 %": 0.3, "to 100 %": 1.0}
"""Discarded fractions at which the areas end."""

ORACLE, QUALITY, RANDOM = "oracle", "SER-FIQ", "random"
GRID = np.linspace(0, 1, 201)
"""Discarded fractions at which curves are drawn."""

ZOOM = 0.3  # discarded fraction at which the second panel ends


class Rated(NamedTuple):
    """Pairs with everything that they can be discarded by."""

    scores: Scores
    """The n pairs whose images have a quality."""

    qualities: dict[str, Float[np.ndarray, "r n"]]
    """Quality of each pair: of the images, of the oracle, and r random ones."""

    image: Float[np.ndarray, " i"]
    """Quality of the images that the pairs use."""


def clean_threshold(
    scores: Scores, *, fmr: float, starting_error: float | None = None
) -> float:
    """The threshold that stays while pairs are discarded or pixels deleted.

    It lies in the middle between the lowest cosine that is accepted at the false match
    rate (or at the false non-match rate `starting_error`, where given) and the highest
    that is not: it decides all pairs as the former would, and a pair just above does
    not fail at the first pixel.

    Raises:
        ValueError: If there is only one kind of pair, or no genuine pair would be
            accepted.
    """
    check_labels(scores.pairs.genuine)
    rate = fmr if starting_error is None else starting_error
    labelled = scores.cosine, scores.pairs.genuine
    point = (
        fnmr_at_fmr(*labelled, fmr=fmr)
        if starting_error is None
        else fmr_at_fnmr(*labelled, fnmr=starting_error)
    )
    if point.tar == 0:
        raise ValueError(
            f"no genuine pair is accepted at an error rate of {rate:g}, so every curve "
            "would be flat: choose a higher --fmr, or a lower --starting-error"
        )
    return between_cosines(point.threshold, scores.cosine)


def rate_pairs(scores: Scores, found: Results, draws: int, seed: int) -> Rated:
    """The pairs both of whose images have a quality, each with that of the worse one.

    Args:
        scores: Cosines of labelled pairs.
        found: Qualities of the images that the pairs use, in their order.
        draws: Random qualities, drawn for each image.
        seed: Start of the random numbers.
    """
    pairs, rng = scores.pairs, np.random.default_rng(seed)
    image = np.full(len(pairs.images), np.nan)
    image[pairs.used()[found.rows]] = found.values["quality"]
    rows = np.flatnonzero(np.isfinite(image[pairs.probe] + image[pairs.gallery]))
    if not rows.size:
        raise ValueError(
            f"no pair has a quality of both images; the first error: {found.errors[0]}"
        )
    kept = scores.take(rows)
    by_image = np.stack([image, *rng.random((draws, image.size), np.float32)])
    worse = pair_quality(by_image[:, kept.pairs.probe], by_image[:, kept.pairs.gallery])
    oracle = np.where(kept.pairs.genuine, kept.cosine, 2.0)
    qualities = {QUALITY: worse[:1], RANDOM: worse[1:], ORACLE: oracle[None]}
    return Rated(kept, qualities, image[np.isfinite(image)])


def discard_rows(
    rated: Rated, *, threshold: float, counted: Counted = "genuine", seed: int = 0
) -> list[Row]:
    """A row for each group and quality.

    Mean FNMR up to each discarded fraction (area over range) in per cent, and how much
    of it is gained over the mean of the random qualities. The threshold is kept in all
    groups and resamples. Groups without genuine pairs have no rows.
    """
    rows, scores = [], rated.scores
    for group, members in groups_of(scores.pairs).items():
        genuine = scores.pairs.genuine[members]
        if not genuine.any():
            continue
        estimates = _estimates(rated, members, threshold, counted, seed)
        failed = scores.cosine[members][genuine] < threshold
        place: Row = {"group": group, "pairs": len(members), "genuine": failed.size}
        place |= {"FNMR": 100 * float(failed.mean())}
        rows += [{"quality": name} | place | estimates[name] for name in estimates]
    return rows


def discard_chart(
    rated: Rated, *, threshold: float, counted: Counted = "genuine"
) -> Chart:
    """FNMR in per cent of all pairs; of random qualities the mean and the range."""
    everybody = np.arange(rated.scores.cosine.size)
    lines = {}
    for name, curve_of in _curves(rated, everybody, threshold, counted).items():
        errors = 100 * np.stack([error_at(curve(None), GRID) for curve in curve_of])
        band = (errors.min(0), errors.max(0)) if name == RANDOM else None
        other = name != QUALITY
        lines[name] = Line(100 * GRID, errors.mean(0), band, other, stairs=True)
    near = int(np.sum(GRID <= ZOOM))
    label = f"discarded {'genuine pairs' if counted == 'genuine' else 'pairs'} / %"
    closer = {name: _until(line, near) for name, line in lines.items()}
    panels = [
        Panel("error against discard", label, "FNMR / %", lines, y_range=RATE),
        Panel(f"up to {100 * ZOOM:.0f} %", label, "FNMR / %", closer, y_range=RATE),
    ]
    return Chart("Image quality", panels, columns=2)


def threshold_note(
    scores: Scores, threshold: float, fmr: float, starting_error: float | None
) -> str:
    """Where the threshold comes from."""
    note = f"Threshold {threshold:.3f}, "
    if starting_error is not None:
        return note + f"where the FNMR of all pairs is {starting_error:g}."
    note += f"where the FMR of all pairs is at most {fmr:g}"
    impostors = int((~scores.pairs.genuine).sum())
    if impostors * fmr < 1:
        note += f"; with {impostors} impostor pairs this is none of them"
    return note + ". It lies in the middle between two cosines of the list."


def discard_notes(rated: Rated, counted: Counted, draws: int) -> list[str]:
    """What a reader of the table has to know."""
    notes = [
        "Mean FNMR in per cent while up to 20, 30 or 100 % of the "
        f"{'genuine' if counted == 'genuine' else 'genuine and impostor'} pairs are "
        "discarded, those with the worst image first; gain: how much lower than for a "
        "random quality of each image. Brackets: 95 % bootstrap intervals at "
        "this threshold.",
        f"random: mean of {draws} draws, band: all of them. oracle: genuine pairs of "
        "lowest cosine first, which no quality of images can do.",
    ]
    if np.ptp(rated.image) == 0:
        notes.append(
            f"Every image has the quality {rated.image[0]:.3f}, which tells none "
            "apart: are they copies of one?"
        )
    return notes


def _curves(
    rated: Rated, members: Int[np.ndarray, " m"], threshold: float, counted: Counted
) -> dict[str, list[Any]]:
    """For each quality functions from the counts of a resample to its curve."""

    def curve_of(quality: Float[np.ndarray, " n"]):
        # Sorted once: what is sorted already takes linear time in every resample.
        order = np.argsort(quality[members], kind="stable")
        rows = members[order]
        columns = rated.scores.cosine[rows], rated.scores.pairs.genuine[rows]

        def curve(counts: Int[np.ndarray, " m"] | None) -> DiscardCurve:
            counts = None if counts is None else counts[order]
            options = {"threshold": threshold, "counted": counted, "counts": counts}
            return discard_curve(*columns, quality[rows], **options)

        return curve

    return {
        name: [curve_of(each) for each in values]
        for name, values in rated.qualities.items()
    }


def _estimates(
    rated: Rated,
    members: Int[np.ndarray, " m"],
    threshold: float,
    counted: Counted,
    seed: int,
) -> dict[str, Row]:
    curves = _curves(rated, members, threshold, counted)

    def statistic(counts: Int[np.ndarray, " m"] | None) -> Float[np.ndarray, "v k"]:
        own, random, oracle = (
            100 * np.mean([_areas(curve(counts)) for curve in curves[name]], axis=0)
            for name in (QUALITY, RANDOM, ORACLE)
        )
        return np.stack([own, random, oracle, random - own, random - oracle])

    pairs = rated.scores.pairs.take(members)
    persons = drawn_persons(pairs)
    interval = bootstrap(statistic, pairs.genuine, persons=persons, seed=seed)
    found = np.stack([statistic(None), *interval], axis=-1).tolist()

    def cells(place: int, prefix: str = "") -> Row:
        numbers = zip(ENDS, found[place], strict=True)
        return {prefix + end: Estimate(*number) for end, number in numbers}

    return {
        QUALITY: cells(0) | cells(3, "gain "),
        RANDOM: cells(1),
        ORACLE: cells(2) | cells(4, "gain "),
    }


def _areas(curve: DiscardCurve) -> list[float]:
    return [partial_area(curve, up_to=end) / end for end in ENDS.values()]


def _until(line: Line, count: int) -> Line:
    band = line.band and (line.band[0][:count], line.band[1][:count])
    return line._replace(x=line.x[:count], y=line.y[:count], band=band)
