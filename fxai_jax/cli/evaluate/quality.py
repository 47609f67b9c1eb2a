"""``fxai-jax evaluate quality``: do qualities of images and pixels predict errors?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fxai_jax import visualize
from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.evaluate.shared import PairFile, open_list, publish, score_list
from fxai_jax.cli.shared import DEFAULT, OUT, tell
from fxai_jax.command_line import STDERR
from fxai_jax.data.pair_sets import take_pairs
from fxai_jax.metrics.quality_curves import Counted
from fxai_jax.runners.evaluation import pixel_quality, quality
from fxai_jax.runners.evaluation.explainers import REFERENCES
from fxai_jax.runners.evaluation.faithfulness import Run
from fxai_jax.runners.evaluation.pixel_maps import PixelMap, choose_maps
from fxai_jax.runners.evaluation.scores import Scores
from fxai_jax.runners.evaluation.tables import Table

ZOOM = 0.3  # discarded fraction at which the second panel ends


def evaluate_quality(
    pairs: PairFile = None,
    *,
    maps: tuple[str, ...] = (),
    backbone: str = DEFAULT,
    fmr: float = 1e-3,
    starting_error: float | None = None,
    counted: Counted = "genuine",
    perturb: pixel_quality.Perturb = "probe",
    passes: int = 100,
    steps: int = 10,
    draws: int = 5,
    limit: int | None = None,
    seed: int = 0,
    batch_size: int = 4,
    root: Path | None = None,
    out: Path = OUT,
) -> None:
    """Discard pairs by image quality, delete pixels by pixel quality, count errors.

    Writes two tables (.md, .csv, .json with the manifest) and their curves (.png).
    quality_edc: the FNMR of the pairs that are left when those of low SER-FIQ quality
    are discarded, beside a random quality and an oracle. quality_pixels: the cosine
    and the FNMR of genuine pairs while pixels of low or high quality are deleted
    (black) or inserted (blurred image), beside a centred Gaussian and random orders. A
    run that was cut off goes on where it stopped.

    Args:
        pairs: List of labelled pairs (CSV, LFW's pairs.txt, InsightFace .bin); without
            it the sample faces.
        maps: Of plq, plq-minimum-norm; none takes both.
        backbone: Name of a shipped network, or a checkpoint folder.
        fmr: False match rate of all pairs at the threshold.
        starting_error: False non-match rate of all pairs at the threshold, instead of
            --fmr.
        counted: Pairs of which a fraction is discarded.
        perturb: Delete pixels of the probe alone or of both images. Two images that
            lose most of their pixels grow alike.
        passes: Stochastic passes of the quality; more make it more exact.
        steps: Steps from 0 to 100 % of the pixels.
        draws: Random qualities and random orders to average.
        limit: Most pairs to use, chosen at random with the share of genuine ones kept.
        seed: Start of the random numbers.
        batch_size: Pairs alive together; more takes more memory.
        root: Folder to which the images of the list are relative.
        out: Folder for the results.
    """
    card, model = load_card(backbone), load_backbone(backbone)
    chosen = choose_maps(maps)
    scores = score_list(model, open_list(pairs, root, card, limit, seed), 32)
    threshold = quality.clean_threshold(scores, fmr=fmr, starting_error=starting_error)
    options = {"evaluation": "quality", "fmr": fmr, "starting_error": starting_error}
    options |= {"threshold": threshold, "draws": draws, "seed": seed, "limit": limit}
    options |= {"counted": counted, "passes": passes, "skipped": scores.skipped}
    _discard(model, card, pairs, scores, options, out / "quality_edc")
    options |= {"perturb": perturb, "steps": steps, "batch_size": batch_size}
    _pixels(model, card, pairs, scores, options, chosen, out / "quality_pixels")


def _discard(
    model: FaceModel,
    card: Card,
    pairs: Path | None,
    scores: Scores,
    options: Mapping[str, Any],
    stem: Path,
) -> None:
    depends = {name: options[name] for name in ("evaluation", "passes", "seed")}
    rated = quality.rate_pairs(
        model,
        scores,
        passes=options["passes"],
        draws=options["draws"],
        seed=options["seed"],
        journal=stem.with_name(f"{stem.name}.journal"),
        fingerprint=depends | {"weights_sha256": card.weights_sha256},
        progress=STDERR,
    )
    tell(rated.errors[:20])
    fixed = {"threshold": options["threshold"], "counted": options["counted"]}
    rows = quality.discard_rows(rated, seed=options["seed"], **fixed)
    table = Table(
        f"Error against discard: {rated.scores.cosine.size} pairs, {card.name}",
        list(rows[0]),
        rows,
        [_threshold_note(scores, options), *_discard_notes(rated, options)],
    )
    hidden = ("group", "pairs", "genuine", "gain to 20 %", "gain to 100 %")
    shown = [name for name in rows[0] if name not in hidden]
    publish(stem, table, card, pairs, options, shown=shown)
    _discard_figure(quality.discard_curves(rated, **fixed), options).savefig(
        f"{stem}.png", dpi=150
    )


def _pixels(
    model: FaceModel,
    card: Card,
    pairs: Path | None,
    scores: Scores,
    options: Mapping[str, Any],
    chosen: Mapping[str, PixelMap],
    stem: Path,
) -> None:
    genuine = take_pairs(scores.pairs, np.flatnonzero(scores.pairs.genuine))
    made = {name: options[name] for name in ("perturb", "steps", "draws")}
    depends = {"evaluation": "quality", "seed": options["seed"]} | made
    runs = {}
    for name, pixel_map in chosen.items():
        runs[name] = pixel_quality.run_map(
            model,
            jax.random.key(options["seed"]),
            genuine,
            pixel_map,
            **made,
            batch_size=min(options["batch_size"], genuine.genuine.size),
            journal=stem.with_name(f"{stem.name}.journals") / f"{name}.jsonl",
            fingerprint=depends | {"weights_sha256": card.weights_sha256},
            progress=STDERR,
        )
        tell(f"{pixel_map.title}: {error}" for error in runs[name].errors[:5])
    titles = {name: pixel_map.title for name, pixel_map in chosen.items()}
    threshold = options["threshold"]
    rows = pixel_quality.pixel_rows(
        runs, titles, genuine, threshold=threshold, seed=options["seed"]
    )
    table = Table(
        f"Pixel quality: {genuine.genuine.size} genuine pairs, {card.name}",
        list(dict.fromkeys(name for row in rows for name in row)),
        rows,
        [_threshold_note(scores, options), *_pixel_notes(options)],
    )
    hidden = ("group", "pairs", "over smooth random", "over pixel random")
    shown = [name for name in table.columns if name not in hidden]
    publish(stem, table, card, pairs, options, shown=shown)
    _pixel_figure(runs, titles, options).savefig(f"{stem}.png", dpi=150)


def _threshold_note(scores: Scores, options: Mapping[str, Any]) -> str:
    impostors = int((~scores.pairs.genuine).sum())
    note = f"Threshold {options['threshold']:.3f}, "
    if options["starting_error"] is not None:
        return note + f"where the FNMR of all pairs is {options['starting_error']:g}."
    note += f"where the FMR of all pairs is at most {options['fmr']:g}"
    if impostors * options["fmr"] < 1:
        note += f"; with {impostors} impostor pairs this is none of them"
    return note + ". It lies in the middle between two cosines of the list."


def _discard_notes(rated: quality.Qualities, options: Mapping[str, Any]) -> list[str]:
    notes = [
        "Mean FNMR in per cent while up to 20, 30 or 100 % of the "
        f"{'genuine' if options['counted'] == 'genuine' else 'genuine and impostor'} "
        "pairs are discarded, those with the worst image first; gain: how much lower "
        "than for a random quality of each image. Brackets: 95 % bootstrap intervals "
        "over pairs at this threshold.",
        f"random: mean of {options['draws']} draws, band: all of them. oracle: "
        "genuine pairs of lowest cosine first, which no quality of images can do.",
    ]
    if np.ptp(rated.image) == 0:
        notes.append(
            f"Every image has the quality {rated.image[0]:.3f}: the head of this "
            "network has no dropout, so SER-FIQ measures nothing."
        )
    return notes


def _pixel_notes(options: Mapping[str, Any]) -> list[str]:
    notes = [
        f"Means over the curve in per cent, {options['steps']} steps from the whole "
        "image to black, or from the blurred image to the whole; margins: FNMR "
        "against the reference, positive where the map is better. Brackets: 95 % "
        "bootstrap intervals over pairs.",
        "PLQ ranks pixels by the magnitude of its gradient, blurred (25 pixels, sigma "
        "5) as the maps of pairs are; the constants of its scale do not change the "
        "order of the pixels. Fillings, steps, blur and references are our choices.",
    ]
    if options["perturb"] == "both":
        notes.append(
            "Both images are perturbed. What is left of two faces grows alike, so the "
            "cosine rises again and the FNMR falls where most is deleted, and blurred "
            "images match; the step with two black images is left out."
        )
    return notes


def _discard_figure(
    curves: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> Any:
    share = 100 * quality.GRID
    lines = {}
    for name, errors in curves.items():
        band = (errors.min(0), errors.max(0)) if name == quality.RANDOM else None
        other = name != quality.QUALITY
        lines[name] = visualize.Line(share, errors.mean(0), band, other, stairs=True)
    counted = "genuine pairs" if options["counted"] == "genuine" else "pairs"
    label = f"discarded {counted} / %"
    near = int(np.sum(quality.GRID <= ZOOM))
    panels = [
        visualize.Panel("error against discard", label, "FNMR / %", lines),
        visualize.Panel(
            f"up to {100 * ZOOM:.0f} %",
            label,
            "FNMR / %",
            {name: _until(line, near) for name, line in lines.items()},
        ),
    ]
    return visualize.curves_figure(panels, columns=2, title="Image quality")


def _until(line: visualize.Line, count: int) -> visualize.Line:
    band = line.band and (line.band[0][:count], line.band[1][:count])
    return line._replace(x=line.x[:count], y=line.y[:count], band=band)


def _pixel_figure(
    runs: Mapping[str, Run], titles: Mapping[str, str], options: Mapping[str, Any]
) -> Any:
    panels: dict[str, list] = {"mean cosine": [], "FNMR / %": []}
    for order, (_, mode, fill, _) in pixel_quality.ORDERS.items():
        curves = {
            "mean cosine": {
                name: pixel_quality.mean_cosine(run, order)
                for name, run in runs.items()
            },
            "FNMR / %": {
                name: pixel_quality.fnmr_curve(
                    run, order, threshold=options["threshold"]
                )
                for name, run in runs.items()
            },
        }
        label = f"pixels {'deleted' if mode == 'deletion' else 'inserted'} / %"
        for y_label, each in curves.items():
            lines = {
                titles[name]: visualize.Line(
                    100 * np.arange(curve.size) / options["steps"],
                    curve,
                    reference=name in REFERENCES,
                )
                for name, curve in each.items()
            }
            title = f"{order}, {fill}"
            panels[y_label].append(visualize.Panel(title, label, y_label, lines))
    together = [panel for row in panels.values() for panel in row]
    return visualize.curves_figure(together, columns=3, title="Pixel quality")
