"""Do qualities of images and of pixels predict errors? Two tables over one list."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from fxai_jax.array_types import Perturb
from fxai_jax.evaluation import discard, pixel_quality
from fxai_jax.evaluation.checks import check_count, check_rate
from fxai_jax.evaluation.perturbation import PRESETS
from fxai_jax.evaluation.plan import Plan
from fxai_jax.evaluation.registry import PIXEL_MAPS, choose, tasks_of
from fxai_jax.evaluation.report import Findings, Table
from fxai_jax.evaluation.scores import Scores, limited_rows
from fxai_jax.explain.quality import measure
from fxai_jax.metrics.quality_curves import Counted
from fxai_jax.own.importing import Network
from fxai_jax.runs.running import Results
from fxai_jax.runs.tasks import over_images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quality:
    """Discard pairs by image quality, delete pixels by pixel quality, count errors.

    quality_edc: the FNMR of the pairs that are left when those of low SER-FIQ quality
    are discarded, beside a random quality and an oracle. quality_pixels: the cosine
    and the FNMR of genuine pairs while pixels of low or high quality are deleted
    (black) or inserted (blurred image), beside a centred Gaussian and random orders.

    Attributes:
        maps: Of plq, plq-minimum-norm; none takes both.
        fmr: False match rate of all pairs at the threshold.
        starting_error: False non-match rate of all pairs at the threshold, instead of
            --fmr.
        counted: Pairs of which a fraction is discarded.
        perturb: Delete pixels of the probe alone or of both images. Two images that
            lose most of their pixels grow alike.
        passes: Stochastic passes of the quality; more make it more exact.
        steps: Steps from 0 to 100 % of the pixels.
        draws: Random qualities and random orders to average.
    """

    maps: tuple[str, ...] = ()
    fmr: float = 1e-3
    starting_error: float | None = None
    counted: Counted = "genuine"
    perturb: Perturb = "probe"
    passes: int = 100
    steps: int = 10
    draws: int = 5

    name: ClassVar[str] = "quality"
    usual_limit: ClassVar[int | None] = None
    whole_list: ClassVar[bool] = True
    flip: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses what no run could use."""
        choose(PIXEL_MAPS, self.maps)
        check_rate("false match rate", self.fmr)
        check_rate("starting error", self.starting_error)
        check_count("passes", self.passes, least=3)
        check_count("steps", self.steps, least=2)
        check_count("draws", self.draws)

    def plan(
        self, network: Network, scores: Scores, seed: int, limit: int | None = None
    ) -> Plan:
        """The quality of every image once; then a task for each map of pixels."""
        chosen = choose(PIXEL_MAPS, self.maps)
        rates = {"fmr": self.fmr, "starting_error": self.starting_error}
        threshold = discard.clean_threshold(scores, **rates)
        first = discard.threshold_note(scores, threshold, **rates)
        preset = PRESETS["quality"]._replace(perturb=self.perturb, steps=self.steps)
        genuine = scores.pairs.take(np.flatnonzero(scores.pairs.genuine))
        genuine = genuine.take(limited_rows(genuine, limit, seed))
        scores = scores.take(limited_rows(scores.pairs, limit, seed))
        passes = {"passes": self.passes}
        rating = over_images(
            "quality",
            measure,
            network.model,
            scores.pairs,
            static=passes,
            depends=passes,
            file="ser_fiq",
        )
        static = {"preset": preset, "draws": self.draws}
        model, pixels = network.model, pixel_quality.measure
        tasks = tasks_of(chosen, pixels, model, genuine, static)
        titles = {name: pixel_map.title for name, pixel_map in chosen.items()}

        def findings(results: Mapping[str, Results]) -> Findings:
            rated = discard.rate_pairs(scores, results["ser_fiq"], self.draws, seed)
            fixed = {"threshold": threshold, "counted": self.counted}
            by_discard = Table(
                f"Error against discard: {len(rated.scores.pairs)} pairs, "
                f"{network.card.name}",
                discard.discard_rows(rated, seed=seed, **fixed),
                [first, *discard.discard_notes(rated, self.counted, self.draws)],
                hidden=("group", "pairs", "genuine", "gain to 20 %", "gain to 100 %"),
            )
            maps = {name: results[name] for name in chosen}
            by_pixel = Table(
                f"Pixel quality: {len(genuine)} genuine pairs, {network.card.name}",
                pixel_quality.pixel_rows(
                    maps, titles, genuine, preset, threshold=threshold, seed=seed
                ),
                [first, *pixel_quality.pixel_notes(preset)],
                hidden=("group", "pairs", "over smooth random", "over pixel random"),
            )
            return Findings(
                {"quality_edc": by_discard, "quality_pixels": by_pixel},
                {
                    "quality_edc": discard.discard_chart(rated, **fixed),
                    "quality_pixels": pixel_quality.pixel_chart(
                        maps, titles, preset, threshold
                    ),
                },
            )

        facts = {"threshold": threshold, "pairs": len(scores.pairs)}
        return Plan([rating, *tasks], findings, facts)
