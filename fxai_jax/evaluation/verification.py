"""How well does a network verify? Error rates of a list of pairs and of its groups."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from fxai_jax.evaluation.checks import check_cosine
from fxai_jax.evaluation.estimates import groups_of
from fxai_jax.evaluation.fold_accuracy import (
    fold_cells,
    fold_note,
    own_folds,
    print_as_insightface,
    shuffled_folds,
)
from fxai_jax.evaluation.persons import drawn_persons
from fxai_jax.evaluation.plan import Plan
from fxai_jax.evaluation.report import (
    RATE,
    Chart,
    Estimate,
    Findings,
    Line,
    Panel,
    Row,
    Table,
)
from fxai_jax.evaluation.scores import Scores, between_cosines
from fxai_jax.metrics.resampling import bootstrap
from fxai_jax.metrics.verification import (
    check_labels,
    equal_error,
    fnmr_at_fmr,
    roc,
)
from fxai_jax.own.importing import Network
from fxai_jax.runs.running import Results

IMPOSTORS_NEEDED = {"1e-1": 10, "1e-2": 100, "1e-3": 1000, "1e-4": 10000}
"""False accept rates of the table, and how many impostor pairs resolve them."""

BINS = 20
"""Columns of a histogram over the range of the cosines."""

MOST_CURVES = 10  # groups in the figure

Cosines = Float[np.ndarray, " n"]
Labels = Bool[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
    """Measure how well a network verifies: error rates, accuracy, ROC.

    A row for each group of the list, and the ROC beside the histogram of the cosines.

    Attributes:
        threshold: Cosine whose accuracy is reported beside the others; None takes the
            network's own, if it has one.
        flip: Add the embedding of the mirror image to that of each face, as published
            figures of LFW and the like do.
        as_insightface: Accuracy over folds, and TAR at a FAR of 1e-3 over folds, as
            InsightFace's script counts and prints them: ten stretches of the list in
            its order, thresholds on its grids of distances, ± the deviation of the
            folds.
    """

    threshold: float | None = None
    flip: bool = False
    as_insightface: bool = False

    name: ClassVar[str] = "verification"
    usual_limit: ClassVar[int | None] = None
    whole_list: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses what no run could use."""
        check_cosine(self.threshold)

    def plan(
        self, network: Network, scores: Scores, seed: int, limit: int | None = None
    ) -> Plan:
        """Nothing is run: the cosines are all that is needed."""
        own = network.card.threshold
        threshold = own if self.threshold is None else self.threshold
        check_labels(scores.pairs.genuine)

        def findings(_: Mapping[str, Results]) -> Findings:
            rows = verification_rows(scores, threshold=threshold, seed=seed)
            more = []
            if self.flip:
                more.append("Embeddings: face plus mirror image, then normalised.")
            if self.as_insightface:
                more.append(print_as_insightface(rows[0], scores))
            table = Table(
                f"Verification: {len(scores.pairs)} pairs, {network.card.name}",
                rows,
                [*notes(rows, scores), *more],
                hidden=("group", "pairs"),
                order=columns(threshold),
            )
            return Findings({"verification": table}, {"verification": chart(scores)})

        return Plan([], findings, {"threshold": threshold, "pairs": len(scores.pairs)})


def verification_rows(
    scores: Scores, *, threshold: float | None = None, seed: int = 0
) -> list[Row]:
    """A row for each group, rates in per cent; the threshold of equal errors is text.

    A row has the cells that its pairs define: with one kind of pair only counts and the
    accuracy at `threshold`.
    """
    folds, rows = own_folds(scores.pairs), []
    for group, members in groups_of(scores.pairs).items():
        cosine, genuine = scores.cosine[members], scores.pairs.genuine[members]
        matches = int(genuine.sum())
        row: Row = {"group": group, "pairs": genuine.size, "genuine": matches}
        row |= {"impostor": genuine.size - matches}
        if 0 < matches < genuine.size:
            own = shuffled_folds(genuine, seed) if folds is None else folds[members]
            persons = drawn_persons(scores.pairs.take(members))
            row |= _error_cells(cosine, genuine, persons, seed)
            row |= fold_cells(cosine, genuine, own)
        if threshold is not None:
            right = np.mean((cosine >= threshold) == genuine)
            row[f"accuracy at {threshold:.3f}"] = 100 * float(right)
        rows.append(row)
    return rows


def columns(threshold: float | None) -> list[str]:
    """The columns of the table, those that stay empty on small lists among them."""
    names = ["group", "pairs", "genuine", "impostor", "EER", "at cosine"]
    names += [f"TAR at {far}" for far in IMPOSTORS_NEEDED]
    names += ["accuracy", "standard error", "folds"]
    return names + ([] if threshold is None else [f"accuracy at {threshold:.3f}"])


def notes(rows: Sequence[Row], scores: Scores) -> list[str]:
    """What a reader of the table and of the figure has to know."""
    found = [
        "Rates in per cent; brackets: 95 % bootstrap intervals. TAR at "
        "1e-1: share of genuine pairs accepted where one impostor pair in ten is.",
    ]
    missing = [far for far in IMPOSTORS_NEEDED if f"TAR at {far}" not in rows[0]]
    if missing:
        found.append(
            f"{rows[0]['impostor']} impostor pairs do not resolve a FAR of "
            f"{' or '.join(missing)}: {missing[0]} takes "
            f"{IMPOSTORS_NEEDED[missing[0]]} of them."
        )
    if any("EER" not in row for row in rows):
        found.append("Groups with one kind of pair have no error rates to compare.")
    found += [fold_note(rows, scores)]
    found += ["In the figure a FAR of 0 stands at half a false match."]
    if (hidden := len(_both_kinds(scores)) - MOST_CURVES) > 0:
        found.append(f"The ROC of {hidden} smaller groups is not drawn.")
    return found


def chart(scores: Scores) -> Chart:
    """The ROC of the largest groups, and the histogram of the cosines of all pairs."""
    cosine, genuine = scores.cosine, scores.pairs.genuine
    curves = {
        name: Line(*roc_stairs(cosine[at], genuine[at]), stairs=True)
        for name, at in list(_both_kinds(scores).items())[:MOST_CURVES]
    }
    threshold = between_cosines(equal_error(cosine, genuine).threshold, cosine)
    ends = histogram_ends(cosine, threshold)
    shares = {
        name: Line(*histogram_stairs(cosine[genuine == kind], ends), stairs=True)
        for name, kind in (("genuine", True), ("impostor", False))
    }
    height = np.array([0, max(line.y.max() for line in shares.values())])
    shares["EER threshold"] = Line(np.full(2, threshold), height, reference=True)
    panels = [
        Panel("ROC", "FAR / %", "TAR / %", curves, log_x=True, y_range=(0.0, 100.0)),
        Panel("cosines", "cosine", "pairs of a kind / %", shares, y_range=RATE),
    ]
    return Chart("Verification", panels, columns=2)


def roc_stairs(
    cosine: Cosines, genuine: Labels
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """FAR, ascending, and the TAR that each allows until the next FAR, in per cent.

    The first FAR is 0 and stands at half a false match, for a logarithmic axis.

    Example:
        >>> far, tar = roc_stairs(np.array([0.9, 0.1]), np.array([True, False]))
        >>> far.tolist(), tar.tolist()
        ([50.0, 100.0], [100.0, 100.0])
    """
    curve = roc(cosine, genuine)
    rates, first = np.unique(curve.fmr[::-1], return_index=True)
    rates[0] = 0.5 / np.sum(~genuine)
    return 100 * rates, 100 * (1 - curve.fnmr[::-1][first])


def histogram_ends(cosine: Cosines, threshold: float) -> Float[np.ndarray, " k"]:
    """Ends of columns over all cosines; the threshold is one of them.

    Example:
        >>> ends = histogram_ends(np.array([0.0, 1.0]), 0.33)
        >>> bool(0.33 in ends), bool(ends[0] < 0.0 < 1.0 < ends[-1])
        (True, True)
    """
    width = max(float(np.ptp(cosine)), 1e-3) / BINS
    below, above = (
        max(np.floor(reach / width) + 1, 0)
        for reach in (threshold - cosine.min(), cosine.max() - threshold)
    )
    return threshold + width * np.arange(-below, above + 1)


def histogram_stairs(
    cosine: Cosines, ends: Float[np.ndarray, " k"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Left ends of columns, and the share of pairs in each, in per cent.

    The first and the last share are 0, so that the stairs begin and end on the axis.

    Example:
        >>> columns = np.array([0.0, 0.5, 1.0])
        >>> ends, share = histogram_stairs(np.array([0.0, 1.0]), columns)
        >>> share[1].item(), share[-2].item()
        (50.0, 50.0)
    """
    counts, _ = np.histogram(cosine, ends)
    share = 100 * counts / max(cosine.size, 1)
    return np.concatenate([ends[:1], ends]), np.concatenate([[0.0], share, [0.0]])


def _both_kinds(scores: Scores) -> dict[str, np.ndarray]:
    """Groups with pairs of both kinds, the largest first."""
    groups = groups_of(scores.pairs)
    both = [n for n, at in groups.items() if 0 < scores.pairs.genuine[at].mean() < 1]
    return {n: groups[n] for n in sorted(both, key=lambda n: -groups[n].size)}


def _error_cells(
    cosine: Cosines, genuine: Labels, persons: Int[np.ndarray, "n 2"], seed: int
) -> Row:
    found = equal_error(cosine, genuine)
    # Sorted once: what is sorted already takes linear time in every resample.
    order = np.argsort(-cosine, kind="stable")
    ranked = cosine[order], genuine[order]
    interval = bootstrap(
        lambda counts: equal_error(*ranked, counts=counts).rate,
        genuine[order],
        persons=persons[order],
        seed=seed,
    )
    rates = (found.rate, *interval)
    cells: Row = {"EER": Estimate(*(100 * float(rate) for rate in rates))}
    cells["at cosine"] = f"{between_cosines(found.threshold, cosine):.3f}"
    for far, needed in IMPOSTORS_NEEDED.items():
        if np.sum(~genuine) >= needed:
            point = fnmr_at_fmr(cosine, genuine, fmr=float(far))
            cells[f"TAR at {far}"] = 100 * point.tar
    return cells
