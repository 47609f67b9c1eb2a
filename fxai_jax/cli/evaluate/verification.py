"""``fxai-jax evaluate verification``: how well does the network tell people apart?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fxai_jax import visualize
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.evaluate.shared import PairFile, open_list, publish, score_list
from fxai_jax.cli.shared import DEFAULT, OUT, pair_threshold
from fxai_jax.metrics.verification import check_labels
from fxai_jax.runners.evaluation import verification
from fxai_jax.runners.evaluation.scores import Scores, chosen_threshold, groups_of
from fxai_jax.runners.evaluation.tables import Row, Table

CURVES = 10  # most groups in the figure


def evaluate_verification(
    pairs: PairFile = None,
    *,
    backbone: str = DEFAULT,
    threshold: float | None = None,
    limit: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
    root: Path | None = None,
    out: Path = OUT,
) -> None:
    """Measure how well a network verifies: error rates, accuracy, ROC.

    Writes a table (.md, .csv, .json with the manifest) with a row for each group of
    the list, and the ROC beside the histogram of the cosines (.png).

    Args:
        pairs: List of labelled pairs (CSV, LFW's pairs.txt, InsightFace .bin); without
            it the sample faces.
        backbone: Name of a shipped network, or a checkpoint folder.
        threshold: Cosine whose accuracy is reported beside the others; None takes the
            network's own, if it has one.
        limit: Most pairs to use, chosen at random with the share of genuine ones kept.
        seed: Start of the random numbers of intervals and of folds.
        batch_size: Images alive together.
        root: Folder to which the images of the list are relative.
        out: Folder for the results.
    """
    card, model = load_card(backbone), load_backbone(backbone)
    threshold = _own_threshold(threshold, card)
    scores = score_list(model, open_list(pairs, root, card, limit, seed), batch_size)
    check_labels(scores.pairs.genuine)
    rows = verification.verification_rows(scores, threshold=threshold, seed=seed)
    options = {"evaluation": "verification", "threshold": threshold, "limit": limit}
    options |= {"seed": seed, "pairs": scores.cosine.size, "skipped": scores.skipped}
    table = Table(
        f"Verification: {scores.cosine.size} pairs, {card.name}",
        verification.verification_columns(threshold),
        rows,
        _notes(rows, scores),
    )
    stem = out / "verification"
    publish(stem, table, card, pairs, options, shown=_shown(table))
    _figure(scores).savefig(f"{stem}.png", dpi=150)


def _own_threshold(threshold: float | None, card: Card) -> float | None:
    if threshold is None and card.threshold is None:
        return None
    return pair_threshold(threshold, card)


def _shown(table: Table) -> list[str]:
    hidden = ("group", "pairs")
    return [n for n in table.columns if n not in hidden and n in table.rows[0]]


def _notes(rows: Sequence[Row], scores: Scores) -> list[str]:
    notes = [
        "Rates in per cent; brackets: 95 % bootstrap intervals over pairs. TAR at "
        "1e-1: share of genuine pairs accepted where one impostor pair in ten is.",
    ]
    missing = [f for f in verification.IMPOSTORS_NEEDED if f"TAR at {f}" not in rows[0]]
    if missing:
        needed = verification.IMPOSTORS_NEEDED[missing[0]]
        notes.append(
            f"{rows[0]['impostor']} impostor pairs do not resolve a FAR of "
            f"{' or '.join(missing)}: {missing[0]} takes {needed} of them."
        )
    if any("EER" not in row for row in rows):
        notes.append("Groups with one kind of pair have no error rates to compare.")
    return [*notes, _fold_note(rows, scores), *_figure_notes(scores)]


def _fold_note(rows: Sequence[Row], scores: Scores) -> str:
    if "folds" not in rows[0]:
        return "There are too few pairs of one kind for an accuracy over folds."
    if verification.own_folds(scores.pairs) is not None:
        kind = "folds of the list"
    else:
        kind = "stretches of the shuffled list"
        if rows[0]["folds"] != verification.FOLDS:
            kind += f", fewer than {verification.FOLDS} because it is short"
    return (
        f"Accuracy: mean and standard error over {rows[0]['folds']} {kind}, each "
        "judged at the best threshold of the others, as on LFW; groups have as many "
        "folds as the table says."
    )


def _figure_notes(scores: Scores) -> list[str]:
    notes = ["In the figure a FAR of 0 stands at half a false match."]
    hidden = len(_both_kinds(scores)) - CURVES
    if hidden > 0:
        notes.append(f"The ROC of {hidden} smaller groups is not drawn.")
    return notes


def _both_kinds(scores: Scores) -> dict[str, np.ndarray]:
    """Groups with pairs of both kinds, the largest first."""
    groups = groups_of(scores.pairs)
    both = [n for n, at in groups.items() if 0 < scores.pairs.genuine[at].mean() < 1]
    return {n: groups[n] for n in sorted(both, key=lambda n: -groups[n].size)}


def _figure(scores: Scores):
    cosine, genuine = scores.cosine, scores.pairs.genuine
    curves = {
        name: visualize.Line(
            *verification.roc_stairs(cosine[at], genuine[at]), stairs=True
        )
        for name, at in list(_both_kinds(scores).items())[:CURVES]
    }
    span = (float(cosine.min()), float(cosine.max()))
    shares = {
        name: visualize.Line(
            *verification.histogram_stairs(cosine[genuine == kind], span), stairs=True
        )
        for name, kind in (("genuine", True), ("impostor", False))
    }
    threshold = np.full(2, chosen_threshold(None, scores))
    height = np.array([0, max(line.y.max() for line in shares.values())])
    shares["EER threshold"] = visualize.Line(threshold, height, reference=True)
    panels = [
        visualize.Panel("ROC", "FAR / %", "TAR / %", curves, log_x=True),
        visualize.Panel("cosines", "cosine", "pairs / %", shares),
    ]
    return visualize.curves_figure(panels, columns=2, title="Verification")
