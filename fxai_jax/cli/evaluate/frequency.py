"""``fxai-jax evaluate frequency``: which bands of the spectrum decide on pairs?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fxai_jax import visualize
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.evaluate.shared import PairFile, open_list, publish, score_list
from fxai_jax.cli.shared import DEFAULT, OUT, tell
from fxai_jax.command_line import STDERR
from fxai_jax.data.faces import sample_pairs
from fxai_jax.methods.frequency import Bands, Corners, Perturb, Shape, radial_bands
from fxai_jax.metrics.verification import check_labels
from fxai_jax.runners.evaluation import frequency
from fxai_jax.runners.evaluation.band_groups import (
    compare_groups,
    influence_rows,
    persons,
)
from fxai_jax.runners.evaluation.tables import Table, write_table
from fxai_jax.runners.results import make_manifest


def evaluate_frequency(
    pairs: PairFile = None,
    *,
    backbone: str = DEFAULT,
    width: int = 4,
    shape: Shape = "radial",
    corners: Corners = "own",
    perturb: Perturb = "probe",
    fmr: float = 1e-3,
    draws: int = 5,
    limit: int | None = None,
    seed: int = 0,
    batch_size: int = 4,
    root: Path | None = None,
    out: Path = OUT,
) -> None:
    """Remove the bands that the influence marks, and watch cosines and error rates.

    Writes a table (.md, .csv, .json with the manifest) and the curves (.png) of four
    orders: by influence, from low to high frequency, from high to low, and at random;
    and as frequency_influence the influence of each band on genuine and impostor pairs
    and on the groups of the list. A run that was cut off goes on where it stopped.

    Args:
        pairs: List of labelled pairs (CSV, LFW's pairs.txt, InsightFace .bin); without
            it the sample faces. With the columns identity_a and identity_b (or
            probe_identity and gallery_identity) the intervals of the influences are
            over persons.
        backbone: Name of a shipped network, or a checkpoint folder.
        width: Width of a band in cycles per image.
        shape: Rings by the Euclidean frequency, or by the larger coordinate.
        corners: What becomes of the frequencies beyond Nyquist: a band of their own,
            part of the last band, or no band.
        perturb: Remove bands from the probe alone, or from both images.
        fmr: False match rate at which FNMR is given; with fewer than 1 / fmr impostor
            pairs there is no false match.
        draws: Random orders for each pair.
        limit: Most pairs to use, chosen at random with the share of genuine ones kept.
        seed: Start of the random numbers.
        batch_size: Pairs alive together; more takes more memory.
        root: Folder to which the images of the list are relative.
        out: Folder for the results.
    """
    if not 0 <= fmr <= 1:
        raise ValueError(f"a false match rate is in [0, 1], got {fmr}")
    card, model = load_card(backbone), load_backbone(backbone)
    bands = radial_bands(card.image_size, width=width, shape=shape, corners=corners)
    scores = score_list(model, open_list(pairs, root, card, limit, seed), 32)
    check_labels(scores.pairs.genuine)
    count = scores.pairs.genuine.size
    options = {"evaluation": "frequency", "width": width, "shape": shape}
    options |= {"corners": corners, "perturb": perturb, "draws": draws, "seed": seed}
    options |= {"limit": limit, "pairs": count, "skipped": scores.skipped}
    stem = out / "frequency"
    run = frequency.run_bands(
        model,
        jax.random.key(seed),
        scores.pairs,
        bands.masks,
        perturb=perturb,
        draws=draws,
        batch_size=min(batch_size, count),
        journal=stem.with_name("frequency.journals") / "bands.jsonl",
        fingerprint={**options, "weights_sha256": card.weights_sha256},
        progress=STDERR,
    )
    tell(run.errors[:5])
    options |= {"fmr": fmr}
    title = f"Bands of the spectrum: {run.pairs.genuine.size} pairs, {card.name}"
    rows = frequency.frequency_rows(run, fmr=fmr, seed=seed)
    table = Table(title, list(rows[0]), rows, _notes(run, fmr, draws, perturb))
    publish(stem, table, card, pairs, options, shown=_shown(rows))
    _figure(run, fmr).savefig(f"{stem}.png", dpi=150)
    manifest = make_manifest(card, {"pairs": pairs or sample_pairs()}, options)
    _write_influence(stem.with_name("frequency_influence"), run, bands, seed, manifest)


def _shown(rows: list) -> list[str]:
    hidden = ("group", "genuine", "impostor", "del. under low to high")
    return [name for name in rows[0] if name not in hidden]


def _notes(run: frequency.Run, fmr: float, draws: int, perturb: str) -> list[str]:
    impostors = int((~run.pairs.genuine).sum())
    return [
        f"Areas in per cent over the share of {run.directed.shape[1]} bands, "
        f"{perturb} perturbed: deletion and insertion of the mean cosine of genuine "
        "pairs; brackets: 95 % bootstrap intervals over genuine pairs, which count as "
        "independent. Positive margins are better.",
        "Insertion is the deletion in the reversed order, read backwards. Of random "
        f"orders ({draws} draws) it has the area of the deletion, so that ins - del "
        "of the others is also their margin over them.",
        f"FNMR at {_point(fmr, impostors)} and EER of all pairs, {impostors} of them "
        "impostors, while bands are removed, with a new threshold at each number. By "
        "influence, impostor pairs too lose first what makes them alike, so these "
        "errors may rise less than the cosines of genuine pairs fall.",
    ]


def _point(fmr: float, impostors: int) -> str:
    return "no false match" if impostors * fmr < 1 else f"FMR {fmr:g}"


def _figure(run: frequency.Run, fmr: float):
    steps = np.arange(run.directed.shape[1] + 1)
    rates = frequency.error_rates(run.curves["deletion"], run.pairs.genuine, fmr=fmr)
    panels = []
    for mode in frequency.MODES:
        lines = _lines(steps, frequency.mean_curves(run, mode))
        x_label = "bands removed" if mode == "deletion" else "bands added"
        title = f"{mode}, genuine pairs"
        panels.append(visualize.Panel(title, x_label, "mean cosine", lines))
    point = _point(fmr, int((~run.pairs.genuine).sum()))
    titles = {"FNMR": f"FNMR at {point}, all pairs", "EER": "EER, all pairs"}
    for error, title in titles.items():
        lines = _lines(steps, {name: each[error] for name, each in rates.items()})
        panels.append(visualize.Panel(title, "bands removed", f"{error} / %", lines))
    return visualize.curves_figure(panels, columns=2, title="Bands of the spectrum")


def _lines(
    steps: np.ndarray, curves: Mapping[str, np.ndarray]
) -> dict[str, visualize.Line]:
    return {
        name: visualize.Line(steps, curve, reference=name == "random")
        for name, curve in curves.items()
    }


def _write_influence(
    stem: Path,
    run: frequency.Run,
    bands: Bands,
    seed: int,
    manifest: Mapping[str, Any],
) -> None:
    comparisons = compare_groups(run, seed=seed)
    rows = influence_rows(comparisons, bands)
    over = "pairs, which count as independent: the list names no persons"
    if persons(run.pairs) is not None:
        over = "the persons that the list names"
    notes = [
        "Directed influence of each band (cycles per image) of the probe, in per cent "
        "of cosine: positive where it makes the pair more alike.",
        f"Brackets: 95 % bootstrap intervals over {over}.",
    ]
    table = Table("Influence of the bands", list(rows[0]), rows, notes)
    write_table(stem, table, manifest)
    print(f"wrote {stem}.md, .csv and .json; {notes[1]}")
    for number, each in enumerate(comparisons):
        path = f"{stem}.png" if number == 0 else f"{stem}_{number}_{each.pairs}.png"
        figure = visualize.group_figure(each.influence, bands.edges, each.names)
        figure.suptitle(f"{each.pairs} pairs by {each.column}")
        figure.savefig(path, dpi=150)
        print(f"wrote {path}: {each.pairs} pairs by {each.column}")
