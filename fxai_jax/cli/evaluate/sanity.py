"""``fxai-jax evaluate sanity``: do maps show the network, or the image alone?"""

import time
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from fxai_jax import visualize
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.evaluate.shared import PairFile, open_list, publish, score_list
from fxai_jax.cli.shared import DEFAULT, OUT, tell
from fxai_jax.command_line import STDERR
from fxai_jax.metrics.sanity import cascade
from fxai_jax.runners.evaluation import sanity
from fxai_jax.runners.evaluation.explainers import REFERENCES, choose_explainers
from fxai_jax.runners.evaluation.scores import chosen_threshold
from fxai_jax.runners.evaluation.tables import Table

CONTROL = "edges"
CHEAP = ("fggb", "xssab", "gradient", "grad-cam")


def evaluate_sanity(
    pairs: PairFile = None,
    *,
    explainers: tuple[str, ...] = CHEAP,
    backbone: str = DEFAULT,
    threshold: float | None = None,
    limit: int | None = 6,
    seed: int = 0,
    batch_size: int = 3,
    root: Path | None = None,
    out: Path = OUT,
) -> None:
    """Randomise the network's layers from the top, and see whether maps change.

    Writes a table (.md, .csv, .json with the manifest) and the curves (.png). The edges
    of the face are always evaluated beside the explainers: they cannot change. A run
    that was cut off goes on where it stopped.

    Args:
        pairs: List of labelled pairs (CSV, LFW's pairs.txt, InsightFace .bin); without
            it the sample faces.
        explainers: Of fggb, fggb-signed, fggb-split, xssab, corrrise, grad-cam,
            score-cam, fame, gradient; none takes all.
        backbone: Name of a shipped network, or a checkpoint folder.
        threshold: Cosine at which pairs are accepted; None takes that of equal error
            rates on the list.
        limit: Most pairs to use, chosen at random with the share of genuine ones kept.
        seed: Start of the random numbers, those that destroy the layers among them.
        batch_size: Pairs alive together; more takes more memory.
        root: Folder to which the images of the list are relative.
        out: Folder for the results.
    """
    card, model = load_card(backbone), load_backbone(backbone)
    asked = (*explainers, CONTROL) if explainers else ()
    chosen = choose_explainers(asked)
    chosen = {name: e for name, e in chosen.items() if name not in REFERENCES}
    scores = score_list(model, open_list(pairs, root, card, limit, seed), 32)
    threshold = chosen_threshold(threshold, scores)
    layers = sanity.layers_from_top(model, card.image_size)
    key = jax.random.key(seed)
    networks = model, cascade(model, key, prefixes=layers)[-1]
    count = scores.pairs.genuine.size
    options = {"evaluation": "sanity", "threshold": threshold, "layers": layers}
    options |= {"seed": seed, "limit": limit, "pairs": count, "skipped": scores.skipped}
    stem = out / "sanity"
    runs, seconds = {}, {}
    for name, explainer in chosen.items():
        start = time.perf_counter()
        runs[name] = sanity.run_explainer(
            networks,
            key,
            scores.pairs,
            explainer,
            layers,
            threshold=threshold,
            batch_size=min(batch_size, count),
            journal=stem.with_name(f"{stem.name}.journals") / f"{name}.jsonl",
            fingerprint={**options, "weights_sha256": card.weights_sha256},
            progress=STDERR,
        )
        seconds[name] = round(time.perf_counter() - start, 1)
        tell(f"{explainer.title}: {error}" for error in runs[name].errors[:5])
    titles = {name: explainer.title for name, explainer in chosen.items()}
    rows = sanity.sanity_rows(runs, titles, layers, seed=seed)
    title = f"Maps of a network and of its wrecks: {count} pairs, {card.name}"
    table = Table(title, list(rows[0]), rows, _notes(runs, titles, threshold))
    publish(stem, table, card, pairs, options | {"seconds": seconds})
    _figure(runs, titles, len(layers)).savefig(f"{stem}.png", dpi=150)


def _notes(
    runs: Mapping[str, sanity.Run], titles: Mapping[str, str], threshold: float
) -> list[str]:
    notes = [
        "Spearman correlation over the pixels of the map with that of the intact "
        "network, and of the magnitudes; mean of the pairs in per cent, brackets: 95 % "
        "bootstrap intervals over pairs. They do not cover another drawing of the "
        "destroyed layers (--seed).",
        "layers: how many are destroyed, from the top down to the one named. cosine "
        f"change: mean of |cosine - intact cosine| in per cent. Threshold "
        f"{threshold:.3f}.",
        "Where a wreck decides otherwise, a map may turn its sign and correlate "
        "negatively: read the magnitudes too. Maps without a sign have one "
        f"correlation, that of the magnitudes. {titles[CONTROL]}: the control, which "
        "never looks at the network.",
    ]
    for measure, what in (("correlation", "maps"), ("magnitude", "magnitudes")):
        found = sanity.insensitive(runs, measure)
        named = [
            f"{titles[name]} ({value:.1f})"
            for name, value in found.items()
            if name != CONTROL
        ]
        notes.append(
            f"Explainers whose {what} hardly change (above {sanity.ALIKE:.0f} with "
            f"the whole network destroyed): {', '.join(named) or 'none'}."
        )
    return notes


def _figure(runs: Mapping[str, sanity.Run], titles: Mapping[str, str], layers: int):
    labels = {"correlation": "maps", "magnitude": "magnitudes of the maps"}
    panels = []
    for measure, title in labels.items():
        lines = {
            titles[name]: visualize.Line(
                np.arange(layers + 1),
                sanity.mean_curve(run, measure),
                reference=name == CONTROL,
            )
            for name, run in runs.items()
        }
        panels.append(
            visualize.Panel(
                title, "layers destroyed, from the top", "rank correlation / %", lines
            )
        )
    return visualize.curves_figure(
        panels, columns=2, title="Maps of a network and of its wrecks", share_y=True
    )
