"""``fxai-jax evaluate faithfulness``: do the pixels that a map marks matter?"""

import time
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from fxai_jax import visualize
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.evaluate.shared import PairFile, open_list, publish, score_list
from fxai_jax.cli.shared import DEFAULT, OUT, tell
from fxai_jax.command_line import STDERR
from fxai_jax.metrics.faithfulness import PRESETS, Fill, Protocol
from fxai_jax.runners.evaluation import faithfulness
from fxai_jax.runners.evaluation.explainers import REFERENCES, choose_explainers
from fxai_jax.runners.evaluation.scores import chosen_threshold
from fxai_jax.runners.evaluation.tables import Table

Preset = Literal["genuine", "rejected", "fame"]
Perturb = Literal["probe", "both"]


def evaluate_faithfulness(
    pairs: PairFile = None,
    *,
    preset: Preset = "genuine",
    explainers: tuple[str, ...] = (),
    backbone: str = DEFAULT,
    threshold: float | None = None,
    fills: tuple[Fill, ...] = (),
    perturb: Perturb | None = None,
    steps: int | None = None,
    draws: int = 5,
    limit: int | None = None,
    seed: int = 0,
    batch_size: int = 4,
    root: Path | None = None,
    out: Path = OUT,
) -> None:
    """Delete and insert the pixels that explainers mark, and watch the cosine.

    Writes a table (.md, .csv, .json with the manifest) and the curves (.png). The
    centred Gaussian (the face prior), smooth random and pixel-wise random orders are
    always evaluated beside the explainers. A run that was cut off goes on where it
    stopped.

    Args:
        pairs: List of labelled pairs (CSV, LFW's pairs.txt, InsightFace .bin); without
            it the sample faces.
        preset: genuine: similarity maps of genuine pairs. rejected: dissimilarity maps
            of rejected pairs, whose removal should raise the cosine. fame: accuracy of
            all pairs, black filling.
        explainers: Of fggb, fggb-signed, fggb-split, xssab, corrrise, grad-cam,
            score-cam, fame, gradient, edges; none takes all.
        backbone: Name of a shipped network, or a checkpoint folder.
        threshold: Cosine at which pairs are accepted; None takes that of equal error
            rates on the list.
        fills: What stands in the place of deleted pixels; none takes the preset's.
        perturb: Perturb the probe alone or both images; None takes the preset's.
        steps: Steps from 0 to 100 %; None takes the preset's.
        draws: Maps drawn for each random order.
        limit: Most pairs to use, chosen at random with the share of genuine ones kept.
        seed: Start of the random numbers.
        batch_size: Pairs alive together; more takes more memory.
        root: Folder to which the images of the list are relative.
        out: Folder for the results.
    """
    card, model = load_card(backbone), load_backbone(backbone)
    chosen = choose_explainers(explainers)
    protocol = _protocol(preset, fills, perturb, steps)
    scores = score_list(model, open_list(pairs, root, card, limit, seed), 32)
    threshold = chosen_threshold(threshold, scores)
    subset = faithfulness.protocol_pairs(scores, protocol, threshold)
    options = {"evaluation": "faithfulness", "preset": preset, "threshold": threshold}
    options |= {"protocol": protocol._asdict(), "draws": draws, "seed": seed}
    options |= {"limit": limit, "pairs": subset.genuine.size, "skipped": scores.skipped}
    stem = out / f"faithfulness_{preset}"
    runs, seconds = {}, {}
    for name, explainer in chosen.items():
        start = time.perf_counter()
        runs[name] = faithfulness.run_explainer(
            model,
            jax.random.key(seed),
            subset,
            explainer,
            protocol,
            threshold=threshold,
            draws=draws,
            batch_size=min(batch_size, subset.genuine.size),
            journal=stem.with_name(f"{stem.name}.journals") / f"{name}.jsonl",
            fingerprint={**options, "weights_sha256": card.weights_sha256},
            progress=STDERR,
        )
        seconds[name] = round(time.perf_counter() - start, 1)
        tell(f"{explainer.title}: {error}" for error in runs[name].errors[:5])
    titles = {name: explainer.title for name, explainer in chosen.items()}
    rows = faithfulness.faithfulness_rows(
        runs, titles, subset, protocol, threshold=threshold, seed=seed
    )
    table = Table(
        f"Faithfulness, preset {preset}: {subset.genuine.size} pairs, {card.name}",
        list(rows[0]),
        rows,
        _notes(runs, protocol, threshold),
    )
    publish(
        stem, table, card, pairs, options | {"seconds": seconds}, shown=_shown(rows)
    )
    _figure(runs, titles, protocol).savefig(f"{stem}.png", dpi=150)


def _protocol(
    preset: str, fills: tuple[Fill, ...], perturb: Perturb | None, steps: int | None
) -> Protocol:
    usual = PRESETS[preset]
    return usual._replace(
        fills=fills or usual.fills,
        perturb=perturb or usual.perturb,
        steps=steps or usual.steps,
    )


def _shown(rows: list) -> list[str]:
    hidden = ("group", "pairs", "over smooth random")
    return [name for name in rows[0] if name not in hidden]


def _notes(runs: dict, protocol: Protocol, threshold: float) -> list[str]:
    notes = [
        f"Cosines in per cent, {protocol.steps} steps, {protocol.perturb} perturbed, "
        f"threshold {threshold:.3f}; brackets: 95 % bootstrap intervals over pairs.",
    ]
    if protocol.ranking == "similarity":
        for fill in protocol.fills:
            low, high = faithfulness.random_range(runs["smooth-random"], fill, protocol)
            notes.append(
                f"{fill}: ins - del of smooth random orders lies in "
                f"[{low:.1f}, {high:.1f}] from one drawing to another."
            )
    return notes


def _figure(runs: dict, titles: dict, protocol: Protocol):
    share = 100 * np.arange(protocol.steps + 1) / protocol.steps
    panels = []
    for mode in faithfulness.MODES:
        for fill in protocol.fills:
            curves = faithfulness.mean_curves(runs, f"{fill} {mode}")
            lines = {
                titles[name]: visualize.Line(share, curve, reference=name in REFERENCES)
                for name, curve in curves.items()
            }
            x_label = f"pixels {'deleted' if mode == 'deletion' else 'inserted'} / %"
            title = f"{mode}, {fill}"
            panels.append(visualize.Panel(title, x_label, "mean cosine", lines))
    return visualize.curves_figure(
        panels,
        columns=len(protocol.fills),
        title="Deletion and insertion",
        share_y=True,
    )
