"""What curves of deletion and insertion come to: areas, margins, and a chart."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.estimates import (
    common_rows,
    estimate_rows,
    groups_of,
    mean_interval,
)
from fxai_jax.evaluation.perturbation import (
    MARGINS,
    MODES,
    Curve,
    Curves,
    Preset,
    share_lines,
)
from fxai_jax.evaluation.registry import PRIORS
from fxai_jax.evaluation.report import Chart, Panel, Row, best
from fxai_jax.metrics.faithfulness import Fill, area
from fxai_jax.metrics.resampling import Interval
from fxai_jax.runs.running import Results


def fills_of(preset: Preset) -> list[Fill]:
    """What stands in the place of pixels, in the order of the curves."""
    return list(dict.fromkeys(curve.fill for curve in preset.curves))


def pair_measures(
    curves: Curves,
    fill: Fill,
    genuine: Bool[np.ndarray, " n"],
    preset: Preset,
    threshold: float,
) -> dict[str, Float[np.ndarray, " n"]]:
    """What the curves of each pair come to, in per cent, averaged over the draws.

    The first measure is the one that margins and intervals are about. "correct" is the
    share of steps decided correctly while pixels are deleted or inserted, whose mean is
    the area under the accuracy. Where dissimilar pixels go first, removing them should
    make the cosine rise.

    Example:
        >>> from fxai_jax.evaluation.perturbation import PRESETS
        >>> curve = np.array([[[1.0, 0.5, 0.0]]])
        >>> curves = {"highest deleted, black": curve}
        >>> curves["highest inserted, black"] = curve[..., ::-1]
        >>> genuine, preset = np.array([True]), PRESETS["genuine"]
        >>> list(pair_measures(curves, "black", genuine, preset, 0.4))
        ['ins - del', 'deletion', 'insertion', 'correct del.', 'correct ins.']
    """
    deleted, inserted = (curves[Curve("highest", mode, fill).name] for mode in MODES)
    if preset.ranking == "dissimilarity":
        gained = deleted - deleted[..., :1]
        measures = {"rise": area(gained), "peak rise": gained.max(-1)}
    else:
        right = [
            (cosines >= threshold) == genuine[:, None, None]
            for cosines in (deleted, inserted)
        ]
        measures = {
            "ins - del": area(inserted) - area(deleted),
            "deletion": area(deleted),
            "insertion": area(inserted),
            "correct del.": area(right[0].astype(np.float64)),
            "correct ins.": area(right[1].astype(np.float64)),
        }
    return {k: 100 * np.asarray(value).mean(1) for k, value in measures.items()}


def faithfulness_rows(
    results: Mapping[str, Results],
    titles: Mapping[str, str],
    pairs: Pairs,
    preset: Preset,
    threshold: float,
    seed: int = 0,
) -> list[Row]:
    """A row for each filling, group and explainer, in per cent.

    Intervals are 95 % bootstrap intervals; a margin is the mean difference
    on the same pairs. Pairs that failed under one explainer are left out of all.
    """
    common = common_rows(found.rows for found in results.values())
    kept = pairs.take(common)
    groups, rows = groups_of(kept), []
    for fill in fills_of(preset):
        measures = {
            name: pair_measures(
                _at(found, common), fill, kept.genuine, preset, threshold
            )
            for name, found in results.items()
        }
        for group, members in groups.items():
            place: Row = {"fill": fill, "group": group, "pairs": len(members)}
            headline = _with_margins(measures, members, kept, seed)
            rows += [
                {"explainer": titles[name]}
                | place
                | {k: float(v[members].mean()) for k, v in measures[name].items()}
                | headline[name]
                for name in results
            ]
    return rows


def random_range(found: Results, fill: Fill) -> tuple[float, float]:
    """Where the mean ins - del of a random order lies from one drawing to another.

    2.5 and 97.5 % quantile over the draws, in per cent; with few draws close to the
    smallest and the largest.
    """
    deleted, inserted = (
        found.values[Curve("highest", mode, fill).name] for mode in MODES
    )
    means = 100 * (area(inserted) - area(deleted)).mean(0)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def faithfulness_chart(
    results: Mapping[str, Results],
    titles: Mapping[str, str],
    pairs: Pairs,
    preset: Preset,
    seed: int = 0,
) -> Chart:
    """Mean cosine of the pairs at each step, a panel for each mode and filling.

    The best explainers on average over the fillings stand out. Shaded: the 95 %
    bootstrap intervals of the best and of the centred Gaussian.
    """
    merits = {
        name: _merit(found, preset)
        for name, found in results.items()
        if name not in PRIORS
    }
    first = best(merits)
    shaded = {
        name: _bands(results[name], pairs, preset, seed)
        for name in (*first[:1], "centred-gaussian")
    }
    panels = [
        Panel(
            f"{curve.mode}, {curve.fill}",
            f"pixels {curve.verb} / %",
            "mean cosine",
            share_lines(
                {k: r.values[curve.name].mean((0, 1)) for k, r in results.items()},
                titles,
                preset.steps,
                {name: bands[curve] for name, bands in shaded.items()},
            ),
        )
        for curve in preset.curves
    ]
    columns = max(len(fills_of(preset)), len(MODES))
    title = "Deletion and insertion; shaded: 95 % intervals"
    highlighted = [titles[name] for name in first]
    return Chart(title, panels, columns, share_y=True, highlighted=highlighted)


def _bands(
    found: Results, pairs: Pairs, preset: Preset, seed: int
) -> dict[Curve, Interval]:
    curves = [found.values[curve.name].mean(1) for curve in preset.curves]
    ends = mean_interval(np.concatenate(curves, axis=1), pairs.take(found.rows), seed)
    parts = (np.split(end, len(curves)) for end in ends)
    return dict(zip(preset.curves, map(Interval, *parts), strict=True))


def _merit(found: Results, preset: Preset) -> float:
    """Mean area of the curves that should be high minus that of those to be low."""
    rises = {"insertion", "deletion" if preset.ranking == "dissimilarity" else ""}
    areas = {curve: area(found.values[curve.name]).mean() for curve in preset.curves}
    signed = [a if curve.mode in rises else -a for curve, a in areas.items()]
    return float(np.sum(signed))


def _at(found: Results, rows: np.ndarray) -> Curves:
    places = np.isin(found.rows, rows)
    return {name: curve[places] for name, curve in found.values.items()}


def _with_margins(
    measures: Mapping[str, Mapping[str, np.ndarray]],
    members: np.ndarray,
    pairs: Pairs,
    seed: int,
) -> dict[str, Row]:
    first = {name: next(iter(each.items())) for name, each in measures.items()}
    values = {name: value[members] for name, (_, value) in first.items()}
    columns = {
        (name, label): value - (values[reference] if reference else 0)
        for name, value in values.items()
        for label, reference in ((first[name][0], None), *MARGINS.items())
        if name != reference
    }
    return estimate_rows(columns, pairs.take(members), seed)
