"""Do the pixels that explainers mark matter? Deletion and insertion over a list."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Array, Float

from fxai_jax.array_types import Embedder, Image, Perturb, PRNGKey, Saliency, Score
from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.checks import check_cosine, check_count, check_names
from fxai_jax.evaluation.curve_areas import (
    faithfulness_chart,
    faithfulness_rows,
    fills_of,
    random_range,
)
from fxai_jax.evaluation.perturbation import (
    PRESETS,
    Preset,
    both_modes,
    drawn,
    perturbed_cosines,
)
from fxai_jax.evaluation.plan import Plan
from fxai_jax.evaluation.registry import (
    EXPLAINERS,
    Explainer,
    choose,
    ranking_map,
    tasks_of,
)
from fxai_jax.evaluation.report import Findings, Table
from fxai_jax.evaluation.scores import Scores, chosen_threshold, limited_rows
from fxai_jax.metrics.faithfulness import Fill
from fxai_jax.own.importing import Network
from fxai_jax.runs.running import Results

UNPRINTED = {
    "genuine": ("correct ins.",),
    "rejected": (),
    "fame": ("deletion", "insertion"),
}
"""Columns that are in the files alone, by preset."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """Delete and insert the pixels that explainers mark, and watch the cosine.

    The centred Gaussian (the face prior), smooth random and pixel-wise random orders
    are always evaluated beside the explainers.

    Attributes:
        preset: genuine: similarity maps of genuine pairs. rejected: dissimilarity maps
            of rejected pairs, whose removal should raise the cosine. fame: accuracy of
            all pairs, black filling.
        explainers: Of fggb, fggb-signed, fggb-split, xssab, corrrise, grad-cam,
            score-cam, fame, gradient, edges; none takes all.
        threshold: Cosine at which pairs are accepted; None takes that of equal error
            rates on the list.
        fills: What stands in the place of deleted pixels; none takes the preset's.
        perturb: Perturb the probe alone or both images; None takes the preset's.
        steps: Steps from 0 to 100 %; None takes the preset's.
        draws: Maps drawn for each random order.
    """

    preset: Literal["genuine", "rejected", "fame"] = "genuine"
    explainers: tuple[str, ...] = ()
    threshold: float | None = None
    fills: tuple[Fill, ...] = ()
    perturb: Perturb | None = None
    steps: int | None = None
    draws: int = 5

    name: ClassVar[str] = "faithfulness"
    usual_limit: ClassVar[int | None] = None
    whole_list: ClassVar[bool] = True
    flip: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses what no run could use."""
        check_names("fills", self.fills)
        choose(EXPLAINERS, self.explainers)
        check_cosine(self.threshold)
        check_count("steps", self.steps)
        check_count("draws", self.draws)
        if self.preset not in ("genuine", "rejected", "fame"):
            raise ValueError(
                f"preset must be 'genuine', 'rejected' or 'fame', got {self.preset!r}"
            )

    def plan(
        self, network: Network, scores: Scores, seed: int, limit: int | None = None
    ) -> Plan:
        """One task for each explainer, over the pairs that the preset asks for."""
        chosen = choose(EXPLAINERS, self.explainers)
        threshold = chosen_threshold(self.threshold, scores)
        preset = self._preset()
        pairs = preset_pairs(scores, preset, threshold)
        pairs = pairs.take(limited_rows(pairs, limit, seed))
        shared = network.model, np.float32(threshold)
        static = {"preset": preset, "draws": self.draws}
        tasks = tasks_of(chosen, measure, shared, pairs, static, threshold=threshold)
        titles = {name: explainer.title for name, explainer in chosen.items()}
        protocol = preset._asdict() | {"fills": fills_of(preset)}
        facts = {"threshold": threshold, "pairs": len(pairs), "protocol": protocol}

        def findings(results: Mapping[str, Results]) -> Findings:
            stem = f"faithfulness_{self.preset}"
            rows = faithfulness_rows(results, titles, pairs, preset, threshold, seed)
            table = Table(
                f"Faithfulness, preset {self.preset}: {len(pairs)} pairs, "
                f"{network.card.name}",
                rows,
                notes(results, preset, threshold, self.draws),
                hidden=("group", "pairs", "over pixel random", *UNPRINTED[self.preset]),
            )
            drawing = faithfulness_chart(results, titles, pairs, preset, seed)
            return Findings({stem: table}, {stem: drawing})

        return Plan(tasks, findings, facts)

    def _preset(self) -> Preset:
        usual = PRESETS[self.preset]
        return usual._replace(
            curves=both_modes(self.fills) if self.fills else usual.curves,
            perturb=usual.perturb if self.perturb is None else self.perturb,
            steps=usual.steps if self.steps is None else self.steps,
        )


def preset_pairs(scores: Scores, preset: Preset, threshold: float) -> Pairs:
    """The pairs that a preset asks for; a ValueError says that there are none."""
    chosen = {
        "all": np.ones_like(scores.pairs.genuine),
        "genuine": scores.pairs.genuine,
        "rejected": scores.cosine < threshold,
    }[preset.pairs]
    if not chosen.any():
        raise ValueError(
            f"none of the {chosen.size} pairs are {preset.pairs} at the threshold "
            f"{threshold:.3f}: choose another preset or another --threshold"
        )
    return scores.pairs.take(np.flatnonzero(chosen))


def measure(
    shared: tuple[Embedder, Score],
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    entry: Explainer,
    preset: Preset,
    draws: int,
) -> dict[str, Float[Array, "r s"]]:
    """One row of a run: the curves of one pair under one explainer."""
    model, threshold = shared

    def map_of(map_key: PRNGKey, image: Image, other: Image) -> Saliency:
        result = entry.explain(model, map_key, image, other, threshold=threshold)
        return ranking_map(entry, result, preset.ranking)

    def one_draw(draw_key: PRNGKey) -> dict[str, Float[Array, " s"]]:
        options = {"map_of": map_of, "preset": preset}
        return perturbed_cosines(model, draw_key, probe, gallery, **options)

    return drawn(one_draw, key, entry, draws)


def notes(
    results: Mapping[str, Results], preset: Preset, threshold: float, draws: int
) -> list[str]:
    """What a reader of the table has to know."""
    found = [
        f"Cosines in per cent, {preset.steps} steps, {preset.perturb} perturbed, "
        f"threshold {threshold:.3f}; brackets: 95 % bootstrap intervals.",
    ]
    if preset.ranking == "dissimilarity":
        return [
            *found,
            "rise: how much the cosine rises on average while dissimilar pixels are "
            "deleted, peak rise: at most; higher is better, and so are margins.",
        ]
    found.append(
        "deletion, insertion: mean cosine while the marked pixels are deleted (lower "
        "is better) or inserted (higher is better). ins - del and its margins: higher "
        "is better. correct del. and correct ins.: accuracy, the share of right "
        "decisions meanwhile; better in the same directions."
    )
    if preset.ties == "together":
        found.append(
            "Pixels turn in percentiles of the clamped map, tied ones together and the "
            "smallest never, so that a map with many zeros leaves them all: FAME's "
            "protocol."
        )
    if draws > 1:
        for fill in fills_of(preset):
            low, high = random_range(results["smooth-random"], fill)
            found.append(
                f"{fill}: ins - del of smooth random orders lies in "
                f"[{low:.1f}, {high:.1f}] from one drawing to another."
            )
    return found
