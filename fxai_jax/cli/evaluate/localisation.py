"""``fxai-jax evaluate localisation``: do maps find patches of another face?"""

from pathlib import Path

import jax
import numpy as np

from fxai_jax import visualize
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.evaluate.shared import PairFile, open_list, publish, score_list
from fxai_jax.cli.shared import DEFAULT, OUT, tell
from fxai_jax.command_line import STDERR
from fxai_jax.data.pair_sets import take_pairs
from fxai_jax.runners.evaluation import localisation
from fxai_jax.runners.evaluation.explainers import REFERENCES, choose_explainers
from fxai_jax.runners.evaluation.scores import chosen_threshold
from fxai_jax.runners.evaluation.tables import Table


def evaluate_localisation(
    pairs: PairFile = None,
    *,
    explainers: tuple[str, ...] = (),
    backbone: str = DEFAULT,
    threshold: float | None = None,
    patches: int = 27,
    side: int = 16,
    draws: int = 5,
    limit: int | None = None,
    seed: int = 0,
    batch_size: int = 4,
    root: Path | None = None,
    out: Path = OUT,
) -> None:
    """Paste patches of another face into probes, and look whether maps find them.

    The patches lie anywhere, so that a map of the face's centre earns nothing. In
    genuine pairs dissimilarity should find them; in impostor pairs, where they come
    from the gallery image, similarity. Then the pixels that decided are restored, and
    the decision should turn (decision-based patch replacement). Writes a table (.md,
    .csv, .json with the manifest) and the curves (.png).

    Args:
        pairs: List of labelled pairs (CSV, LFW's pairs.txt, InsightFace .bin); without
            it the sample faces.
        explainers: Of fggb, fggb-signed, fggb-split, xssab, corrrise, grad-cam,
            score-cam, fame, gradient, edges; none takes all.
        backbone: Name of a shipped network, or a checkpoint folder.
        threshold: Cosine at which pairs are accepted; None takes that of equal error
            rates on the list.
        patches: Number of patches.
        side: Side of a patch in pixels.
        draws: Maps drawn for each random order.
        limit: Most pairs to use, chosen at random with the share of genuine ones kept.
        seed: Start of the random numbers.
        batch_size: Pairs alive together; more takes more memory.
        root: Folder to which the images of the list are relative.
        out: Folder for the results.
    """
    card, model = load_card(backbone), load_backbone(backbone)
    chosen = choose_explainers(explainers)
    scores = score_list(model, open_list(pairs, root, card, limit, seed), 32)
    threshold = chosen_threshold(threshold, scores)
    donors = localisation.choose_donors(scores.pairs, seed=seed)
    subset = take_pairs(scores.pairs, np.flatnonzero(donors >= 0))
    if subset.genuine.size < donors.size:
        lost = donors.size - subset.genuine.size
        tell([f"{lost} pairs were skipped: the list has no other person to patch from"])
    options = {"evaluation": "localisation", "threshold": threshold, "draws": draws}
    options |= {"patches": patches, "side": side, "seed": seed, "limit": limit}
    options |= {"pairs": subset.genuine.size, "skipped": scores.skipped}
    stem = out / "localisation"
    runs = {}
    for name, explainer in chosen.items():
        runs[name] = localisation.run_patched(
            model,
            jax.random.key(seed),
            subset,
            donors[donors >= 0],
            explainer,
            threshold=threshold,
            draws=draws,
            patches=patches,
            side=side,
            batch_size=min(batch_size, subset.genuine.size),
            journal=stem.with_name("localisation.journals") / f"{name}.jsonl",
            fingerprint={**options, "weights_sha256": card.weights_sha256},
            progress=STDERR,
        )
        tell(f"{explainer.title}: {error}" for error in runs[name].errors[:5])
    titles = {name: explainer.title for name, explainer in chosen.items()}
    rows = localisation.localisation_rows(
        runs, titles, subset, threshold=threshold, seed=seed
    )
    share = 100 * patches * side**2 / np.prod(card.image_size)
    table = Table(
        f"Localisation of patches: {subset.genuine.size} pairs, {card.name}",
        list(rows[0]),
        rows,
        [
            f"In per cent; {patches} patches of {side}x{side} pixels, threshold "
            f"{threshold:.3f}; brackets: 95 % bootstrap intervals over pairs. Chance: "
            f"50 for the ROC area, {share:.1f} for the precision-recall area.",
            "error: FNMR of genuine, FMR of impostor pairs, after patching and on "
            "average as 5 to 95 % of the pixels that decided are restored.",
        ],
    )
    publish(stem, table, card, pairs, options)
    _figure(runs, titles, subset.genuine, threshold).savefig(f"{stem}.png", dpi=150)


def _figure(runs: dict, titles: dict, genuine: np.ndarray, threshold: float):
    panels = []
    for kind, rate in zip(localisation.KINDS, ("FNMR", "FMR"), strict=True):
        if not (genuine == (kind == "genuine")).any():
            continue
        lines = {}
        for name, run in runs.items():
            chosen = genuine[run.rows] == (kind == "genuine")
            curve = localisation.error_curve(run, chosen, kind, threshold)
            share = 100 * np.arange(curve.size) / curve.size
            reference = name in REFERENCES
            lines[titles[name]] = visualize.Line(
                share, 100 * curve, reference=reference
            )
        title, y_label = f"patched {kind} pairs", f"{rate} / %"
        panels.append(visualize.Panel(title, "pixels restored / %", y_label, lines))
    return visualize.curves_figure(panels, columns=len(panels))
