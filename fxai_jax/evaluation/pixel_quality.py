"""Whether pixel qualities tell which pixels recognition needs: DEC and IEC.

The pixels of the images of genuine pairs are deleted (DEC) or inserted (IEC) in the
order of their quality, and the false non-matches at the threshold of the clean pairs
are counted. Deleting what has low quality should keep them few, deleting what has high
quality should make them many.

Where both images of a pair lose most of their pixels, what is left of them grows alike
whoever they show, and false non-matches become few for that reason. Watch the cosine,
or perturb the probe alone.

References:
    Huber, Terhörst, Kirchbuchner, Damer, Kuijper: On Evaluating Pixel-Level Face Image
    Quality Assessment, EUSIPCO 2022.

Differs from the paper in:
    The fillings, the steps, the threshold of the clean pairs, the blurred maps and the
    references beside the random order are our own choices.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Float

from fxai_jax.array_types import FaceModel, Image, PRNGKey, Saliency
from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.estimates import common_rows, estimate_rows, groups_of
from fxai_jax.evaluation.perturbation import (
    MARGINS,
    Curve,
    Preset,
    drawn,
    perturbed_cosines,
    share_lines,
)
from fxai_jax.evaluation.registry import PixelMap
from fxai_jax.evaluation.report import RATE, Chart, Panel, Row
from fxai_jax.metrics.faithfulness import area, error_curves
from fxai_jax.runs.running import Results


def measure(
    model: FaceModel,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    entry: PixelMap,
    preset: Preset,
    draws: int,
) -> dict[str, Float[Array, "r s"]]:
    """One row of a run: the curves of one pair under one map."""

    def map_of(map_key: PRNGKey, image: Image, other: Image) -> Saliency:
        return entry.quality(model, map_key, image)

    def one_draw(draw_key: PRNGKey) -> dict[str, Float[Array, " s"]]:
        options = {"map_of": map_of, "preset": preset}
        return perturbed_cosines(model, draw_key, probe, gallery, **options)

    return drawn(one_draw, key, entry, draws)


def meant(found: Results, curve: Curve, preset: Preset) -> Float[np.ndarray, "n r s"]:
    """The cosines of a curve, but for the step at which two black images are equal."""
    cosines = found.values[curve.name]
    both_black = preset.perturb == "both" and curve.mode == "deletion"
    return cosines[..., :-1] if both_black else cosines


def pixel_rows(
    results: Mapping[str, Results],
    titles: Mapping[str, str],
    pairs: Pairs,
    preset: Preset,
    *,
    threshold: float,
    seed: int = 0,
) -> list[Row]:
    """A row for each curve, group and map: means over the curve in per cent.

    A margin is the difference of the mean FNMR on the same pairs, positive where the
    map is better than the reference. Pairs that failed under one map are left out of
    all.
    """
    common = common_rows(found.rows for found in results.values())
    kept = pairs.take(common)
    groups, rows = groups_of(kept), []
    for curve in preset.curves:
        measures = {
            name: pair_means(
                meant(found, curve, preset)[np.isin(found.rows, common)], threshold
            )
            for name, found in results.items()
        }
        for group, members in groups.items():
            order = f"{curve.first} {curve.verb}"
            place: Row = {"order": order, "group": group, "pairs": len(members)}
            better = 1 if curve.harms else -1
            cells = _cells(measures, members, better, kept, seed)
            rows += [{"map": titles[name]} | place | cells[name] for name in results]
    return rows


def pair_means(
    cosines: Float[np.ndarray, "n r s"], threshold: float
) -> Float[np.ndarray, "n two"]:
    """Mean cosine of each genuine pair and share of the curve on which it is rejected.

    In per cent, averaged over the draws; the mean of the latter over pairs is the area
    under the FNMR.

    Example:
        >>> pair_means(np.array([[[1.0, 0.5, 0.0]]]), 0.4).tolist()
        [[50.0, 25.0]]
    """
    rejected = (cosines < threshold).astype(np.float64)
    means = [area(curves).mean(-1) for curves in (cosines, rejected)]
    return 100 * np.stack(means, axis=1)


def pixel_chart(
    results: Mapping[str, Results],
    titles: Mapping[str, str],
    preset: Preset,
    threshold: float,
) -> Chart:
    """Mean cosine, and below it FNMR, at each step of each curve."""

    def fnmr(cosines: Float[np.ndarray, "n r s"]) -> Float[np.ndarray, " s"]:
        flat = cosines.reshape(-1, cosines.shape[-1])
        genuine = np.ones(len(flat), bool)
        return 100 * error_curves(flat, genuine, threshold=threshold).fnmr

    heights = {"mean cosine": lambda cosines: cosines.mean((0, 1)), "FNMR / %": fnmr}
    panels = [
        Panel(
            curve.name,
            f"pixels {curve.verb} / %",
            label,
            share_lines(
                {k: height(meant(r, curve, preset)) for k, r in results.items()},
                titles,
                preset.steps,
            ),
            y_range=(None, None) if label == "mean cosine" else RATE,
        )
        for label, height in heights.items()
        for curve in preset.curves
    ]
    return Chart("Pixel quality", panels, columns=len(preset.curves))


def pixel_notes(preset: Preset) -> list[str]:
    """What a reader of the table has to know."""
    notes = [
        f"Means over the curve in per cent, {preset.steps} steps from the whole "
        "image to black, or from the blurred image to the whole; margins: FNMR "
        "against the reference, positive where the map is better. Brackets: 95 % "
        "bootstrap intervals.",
        "PLQ ranks pixels by the magnitude of its gradient, blurred (25 pixels, sigma "
        "5) as the maps of pairs are; the constants of its scale do not change the "
        "order of the pixels. Fillings, steps, blur and references are our choices.",
    ]
    if preset.perturb == "both":
        notes.append(
            "Both images are perturbed. What is left of two faces grows alike, so the "
            "cosine rises again and the FNMR falls where most is deleted, and blurred "
            "images match; the step with two black images is left out."
        )
    return notes


def _cells(
    measures: Mapping[str, np.ndarray],
    members: np.ndarray,
    better: int,
    pairs: Pairs,
    seed: int,
) -> dict[str, Row]:
    columns = {}
    for name, values in measures.items():
        columns[name, "cosine"], columns[name, "FNMR"] = values[members].T
        for label, reference in MARGINS.items():
            if name != reference:
                gain = better * (values - measures[reference])[members, 1]
                columns[name, label] = gain
    return estimate_rows(columns, pairs.take(members), seed)
