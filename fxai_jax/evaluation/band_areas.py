"""What curves over the bands of pairs come to: areas, error rates, and a chart."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.estimates import estimate_rows, groups_of
from fxai_jax.evaluation.report import RATE, Chart, Line, Panel, Row
from fxai_jax.metrics.faithfulness import area
from fxai_jax.metrics.verification import equal_error, fnmr_at_fmr

ORDERS = ("influence", "low to high", "high to low", "random")
MODES = ("deletion", "insertion")
ERRORS = ("FNMR", "EER")

# Where the curves of a pair lie, and those of the reversed orders.
_FORWARDS = slice(0, 1), slice(2, 3), slice(3, 4), slice(4, None)
_BACKWARDS = slice(1, 2), slice(3, 4), slice(2, 3), slice(4, None)

Curves = dict[str, Float[np.ndarray, "n _ s"]]
"""Cosines by order, for n pairs, one or more draws and s numbers of bands."""


def split_curves(cosines: Float[np.ndarray, "n r s"]) -> dict[str, Curves]:
    """The curves of many pairs by mode and order.

    An insertion is not computed: it is the deletion in the reversed order, read
    backwards. A random order read backwards is a random order, so that of the random
    orders insertion minus deletion is 0.

    Example:
        >>> cosines = np.arange(10.0).reshape(1, 5, 2)
        >>> split_curves(cosines)["insertion"]["low to high"].tolist()
        [[[7.0, 6.0]]]
    """
    return {
        "deletion": {o: cosines[:, i] for o, i in zip(ORDERS, _FORWARDS, strict=True)},
        "insertion": {
            o: cosines[:, i, ::-1] for o, i in zip(ORDERS, _BACKWARDS, strict=True)
        },
    }


def error_rates(
    deleted: Curves, genuine: Bool[np.ndarray, " n"], *, fmr: float
) -> dict[str, dict[str, Float[np.ndarray, " s"]]]:
    """How well the pairs are told apart at each number of removed bands.

    By order, "FNMR" and "EER" in per cent, means of the draws. The threshold is chosen
    anew at each number. With fewer than ``1 / fmr`` impostor pairs there is no false
    match.

    Example:
        >>> cosines = np.array([[[1.0, 0.0]], [[0.0, 0.5]]])
        >>> rates = error_rates({"a": cosines}, np.array([True, False]), fmr=0.1)
        >>> rates["a"]["FNMR"].tolist()
        [0.0, 100.0]
    """

    def rates(scores: Float[np.ndarray, " n"]) -> tuple[float, float]:
        point = fnmr_at_fmr(scores, genuine, fmr=fmr)
        return point.fnmr, equal_error(scores, genuine).rate

    found = {
        name: 100 * np.apply_along_axis(rates, 0, cosines).mean(1)
        for name, cosines in deleted.items()
    }
    return {name: dict(zip(ERRORS, each, strict=True)) for name, each in found.items()}


def point_name(fmr: float, genuine: Bool[np.ndarray, " n"]) -> str:
    """What a false match rate comes to with as many impostor pairs as there are."""
    return "no false match" if np.sum(~genuine) * fmr < 1 else f"FMR {fmr:g}"


def frequency_rows(
    curves: Mapping[str, Curves], pairs: Pairs, fmr: float = 1e-3, seed: int = 0
) -> list[Row]:
    """A row for each group and order: areas in per cent over the share of the bands.

    Of the mean cosine of the genuine pairs, and of the error rates of all pairs.
    Margins are positive where an order does better. A group without genuine pairs has
    no row, one without impostor pairs no error rates. Intervals are 95 % bootstrap
    intervals over genuine pairs.
    """
    areas = {
        mode: {k: 100 * np.asarray(area(curve)).mean(1) for k, curve in each.items()}
        for mode, each in curves.items()
    }
    rows = []
    for group, members in groups_of(pairs).items():
        labels = pairs.genuine[members]
        genuine = members[labels]
        if not genuine.size:
            continue
        estimates = _estimates(areas, genuine, pairs, seed)
        deleted = {name: each[members] for name, each in curves["deletion"].items()}
        errors = {} if labels.all() else _error_areas(deleted, labels, fmr)
        counts: Row = {"genuine": genuine.size, "impostor": members.size - genuine.size}
        rows += [
            {"group": group, "order": name}
            | counts
            | {mode: float(areas[mode][name][genuine].mean()) for mode in MODES}
            | estimates[name]
            | errors.get(name, {})
            for name in ORDERS
        ]
    return rows


def frequency_chart(
    curves: Mapping[str, Curves], genuine: Bool[np.ndarray, " n"], fmr: float
) -> Chart:
    """Mean cosine of the genuine pairs, and error rates, at each number of bands."""
    panels = []
    for mode, verb in zip(MODES, ("removed", "added"), strict=True):
        means = {
            name: each[genuine].mean((0, 1)) for name, each in curves[mode].items()
        }
        title = f"{mode}, genuine pairs"
        panels.append(Panel(title, f"bands {verb}", "mean cosine", _lines(means)))
    rates = error_rates(curves["deletion"], genuine, fmr=fmr)
    titles = {"FNMR": f"FNMR at {point_name(fmr, genuine)}, all pairs"}
    titles["EER"] = "EER, all pairs"
    for error, title in titles.items():
        lines = _lines({name: each[error] for name, each in rates.items()})
        label = f"{error} / %"
        panels.append(Panel(title, "bands removed", label, lines, y_range=RATE))
    return Chart("Bands of the spectrum", panels, columns=2)


def _lines(curves: Mapping[str, Float[np.ndarray, " s"]]) -> dict[str, Line]:
    return {
        name: Line(np.arange(curve.size), curve, reference=name == "random")
        for name, curve in curves.items()
    }


def _estimates(
    areas: Mapping[str, Mapping[str, np.ndarray]],
    members: np.ndarray,
    pairs: Pairs,
    seed: int,
) -> dict[str, Row]:
    deleted, inserted = (
        {name: value[members] for name, value in areas[mode].items()} for mode in MODES
    )
    net = {name: inserted[name] - deleted[name] for name in ORDERS}
    columns = {}
    for name in ORDERS:
        if name != "random":  # 0 by construction
            columns[name, "ins - del"] = net[name]
        if name != "low to high":
            columns[name, "over low to high"] = net[name] - net["low to high"]
            under = deleted["low to high"] - deleted[name]
            columns[name, "del. under low to high"] = under
        if name != "random":
            columns[name, "del. under random"] = deleted["random"] - deleted[name]
    return estimate_rows(columns, pairs.take(members), seed)


def _error_areas(
    deleted: Curves, genuine: Bool[np.ndarray, " n"], fmr: float
) -> dict[str, Row]:
    rates = error_rates(deleted, genuine, fmr=fmr)
    return {
        name: {f"{error} area": float(area(each[error])) for error in ERRORS}
        for name, each in rates.items()
    }
