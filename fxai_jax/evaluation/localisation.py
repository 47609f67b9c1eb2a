"""Do maps find patches of another face? Patched pairs over a list."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from fxai_jax.array_types import Embedder, Image, PRNGKey, Score
from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.checks import check_cosine, check_count
from fxai_jax.evaluation.donors import NOBODY, choose_donors
from fxai_jax.evaluation.estimates import common_rows, groups_of, mean_estimates
from fxai_jax.evaluation.perturbation import drawn
from fxai_jax.evaluation.plan import Plan
from fxai_jax.evaluation.registry import (
    EXPLAINERS,
    PRIORS,
    REFERENCES,
    Explainer,
    choose,
    ranking_map,
    tasks_of,
)
from fxai_jax.evaluation.report import (
    RATE,
    Chart,
    Findings,
    Line,
    Panel,
    Row,
    Table,
    best,
)
from fxai_jax.evaluation.scores import Scores, chosen_threshold, limited_rows
from fxai_jax.metrics.faithfulness import error_curves
from fxai_jax.metrics.patches import localisation, paste, patch_mask, restoration_curve
from fxai_jax.numerics import cosine
from fxai_jax.own.importing import Network
from fxai_jax.runs.running import Results

KINDS = {"genuine": "FNMR", "impostor": "FMR"}
"""Error rate of each kind of pair."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Localisation:
    """Paste patches of another face into probes, and look whether maps find them.

    The patches lie anywhere, so that a map of the face's centre earns nothing. In
    genuine pairs dissimilarity should find them; in impostor pairs, where they come
    from the gallery image, similarity. Then the pixels that decided are restored, and
    the decision should turn (decision-based patch replacement).

    Attributes:
        explainers: Of fggb, fggb-signed, fggb-split, xssab, corrrise, grad-cam,
            score-cam, fame, gradient, edges; none takes all.
        threshold: Cosine at which pairs are accepted; None takes that of equal error
            rates on the list.
        patches: Number of patches.
        side: Side of a patch in pixels.
        draws: Maps drawn for each random order.
    """

    explainers: tuple[str, ...] = ()
    threshold: float | None = None
    patches: int = 27
    side: int = 16
    draws: int = 5

    name: ClassVar[str] = "localisation"
    usual_limit: ClassVar[int | None] = None
    whole_list: ClassVar[bool] = True
    flip: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses what no run could use."""
        choose(EXPLAINERS, self.explainers)
        check_cosine(self.threshold)
        check_count("patches", self.patches)
        check_count("pixels of a side", self.side)
        check_count("draws", self.draws)

    def plan(
        self, network: Network, scores: Scores, seed: int, limit: int | None = None
    ) -> Plan:
        """One task for each explainer, over the pairs that have a donor."""
        chosen = choose(EXPLAINERS, self.explainers)
        threshold = chosen_threshold(self.threshold, scores)
        donors = choose_donors(scores.pairs, seed=seed)
        patched = np.flatnonzero(donors >= 0)
        lost = len(donors) - patched.size
        if not patched.size:
            raise ValueError(f"{NOBODY}: add pairs of other persons")
        able = scores.pairs.take(patched)
        patched = patched[limited_rows(able, limit, seed)]
        pairs = scores.pairs.take(patched)
        sizes = {"patches": self.patches, "side": self.side, "draws": self.draws}

        def load(i: int) -> tuple[np.ndarray, ...]:
            donor = pairs.read(int(donors[patched[i]]))
            return *pairs.read_pair(i), donor, np.asarray(pairs.genuine[i])

        shared = network.model, np.float32(threshold)
        tasks = tasks_of(chosen, measure, shared, pairs, sizes, threshold=threshold)
        tasks = [task._replace(load=load) for task in tasks]
        titles = {name: explainer.title for name, explainer in chosen.items()}

        def findings(results: Mapping[str, Results]) -> Findings:
            share = 100 * self.patches * self.side**2 / np.prod(network.card.image_size)
            table = Table(
                f"Localisation of patches: {len(pairs)} pairs, {network.card.name}",
                localisation_rows(results, titles, pairs, threshold, seed),
                self._notes(threshold, share),
                hidden=("group",),
            )
            drawing = chart(results, titles, pairs.genuine, threshold)
            return Findings({"localisation": table}, {"localisation": drawing})

        facts = {"threshold": threshold, "pairs": len(pairs)}
        told = f"{lost} pairs were skipped: {NOBODY}"
        return Plan(tasks, findings, facts, [told] if lost else [])

    def _notes(self, threshold: float, share: float) -> list[str]:
        return [
            f"In per cent; {self.patches} patches of {self.side}x{self.side} pixels, "
            f"threshold {threshold:.3f}; brackets: 95 % bootstrap "
            f"intervals. Chance: 50 for the ROC area, {share:.1f} for the "
            "precision-recall area.",
            "error: FNMR of genuine, FMR of impostor pairs, after patching and on "
            "average as 5 to 95 % of the pixels that decided are restored.",
        ]


def measure(
    shared: tuple[Embedder, Score],
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    donor: Image,
    genuine: Bool[Array, ""],
    *,
    entry: Explainer,
    draws: int,
    patches: int,
    side: int,
    chunk_size: int | None = 10,
) -> dict[str, Any]:
    """One row of a run: patches a pair and asks an explainer where the patches are.

    In a genuine pair they are foreign and the map of dissimilarity should find them, in
    an impostor pair they come from the gallery image and similarity should. The patches
    depend on the key and not on the explainer.

    Returns:
        "cosine" after patching; for each draw the areas under the curves of finding the
        patches, and "restored", cosines as the pixels that decided are restored.
    """
    model, threshold = shared
    mask_key, draw_key = jax.random.split(key)
    height, width, _ = probe.shape
    mask = patch_mask(mask_key, (height, width), count=patches, side=side)
    patched = paste(probe, donor, mask)
    decided = cosine(model(patched), model(gallery))

    def one_draw(each_key: PRNGKey) -> dict[str, Array]:
        map_key, tie_key = jax.random.split(each_key)
        pair = (model, map_key, patched, gallery)
        result = entry.explain(*pair, threshold=threshold)
        signed, against = (
            ranking_map(entry, result, kind) for kind in ("similarity", "dissimilarity")
        )
        found = localisation(jnp.where(genuine, against, signed), mask)
        accepted = decided >= threshold
        # A map without a sign marks what decided, whatever the decision was.
        order = jnp.where(accepted, signed, -against)
        images = (probe, patched, gallery)
        curve = restoration_curve(
            model, tie_key, *images, order, accepted, chunk_size=chunk_size
        )
        areas = {"roc_area": found.roc_area, "pr_area": found.precision_recall_area}
        return areas | {"restored": curve}

    return {"cosine": decided} | drawn(one_draw, draw_key, entry, draws)


def localisation_rows(
    results: Mapping[str, Results],
    titles: Mapping[str, str],
    pairs: Pairs,
    threshold: float,
    seed: int = 0,
) -> list[Row]:
    """A row for each group, kind of pair and explainer, in per cent.

    Areas with 95 % bootstrap intervals, and the errors after patching and as the pixels
    that decided are restored, on average from 5 to 95 %.
    """
    common = common_rows(found.rows for found in results.values())
    kept, rows = pairs.take(common), []
    for group, members in groups_of(kept).items():
        for kind in KINDS:
            chosen = members[kept.genuine[members] == (kind == "genuine")]
            if chosen.size:
                place: Row = {"group": group, "kind": kind, "pairs": len(chosen)}
                rows += [
                    {"explainer": titles[name]}
                    | place
                    | _numbers(
                        found,
                        np.isin(found.rows, common[chosen]),
                        kept.take(chosen),
                        kind,
                        threshold,
                        seed,
                    )
                    for name, found in results.items()
                ]
    return rows


def error_curve(
    found: Results, chosen: Bool[np.ndarray, " n"], kind: str, threshold: float
) -> Float[np.ndarray, " s"]:
    """Errors of some pairs of one kind as the pixels that decided are restored.

    Rates in [0, 1]; the first is before anything is restored.
    """
    restored = found.values["restored"][chosen]
    before = np.broadcast_to(
        found.values["cosine"][chosen, None, None], (*restored.shape[:2], 1)
    )
    cosines = np.concatenate([before, restored], axis=2).reshape(
        -1, restored.shape[2] + 1
    )
    labels = np.full(len(cosines), kind == "genuine")
    curves = error_curves(cosines, labels, threshold=threshold)
    return curves.fnmr if kind == "genuine" else curves.fmr


def chart(
    results: Mapping[str, Results],
    titles: Mapping[str, str],
    genuine: Bool[np.ndarray, " n"],
    threshold: float,
) -> Chart:
    """Error rate of each kind of pair as the pixels that decided are restored.

    The maps with the lowest errors stand out.
    """
    panels, merits = [], {}
    for kind, rate in KINDS.items():
        if not (genuine == (kind == "genuine")).any():
            continue
        lines = {}
        for name, found in results.items():
            chosen = genuine[found.rows] == (kind == "genuine")
            errors = 100 * error_curve(found, chosen, kind, threshold)
            share = 100 * np.arange(errors.size) / errors.size
            title = titles[name]
            lines[title] = Line(share, errors, reference=name in REFERENCES)
            if name not in PRIORS:
                merits[title] = merits.get(title, 0) - float(errors.mean())
        label = "pixels restored / %"
        panels.append(
            Panel(f"patched {kind} pairs", label, f"{rate} / %", lines, y_range=RATE)
        )
    title = "Errors as patches are restored"
    return Chart(title, panels, columns=len(panels), highlighted=best(merits))


def _numbers(
    found: Results,
    chosen: Bool[np.ndarray, " n"],
    pairs: Pairs,
    kind: str,
    threshold: float,
    seed: int,
) -> Row:
    areas = {
        "ROC area": 100 * found.values["roc_area"][chosen].mean(1),
        "PR area": 100 * found.values["pr_area"][chosen].mean(1),
    }
    errors = 100 * error_curve(found, chosen, kind, threshold)
    patched, restored = float(errors[0]), float(errors[1:].mean())
    return {
        **mean_estimates(areas, pairs, seed),
        "error patched": patched,
        "error restored": restored,
    }
