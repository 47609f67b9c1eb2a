"""Which bands of the spectrum decide on pairs? Curves over the bands, for a list."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from fxai_jax.array_types import Embedder, Image, Perturb, PRNGKey
from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation import band_groups
from fxai_jax.evaluation.band_areas import (
    frequency_chart,
    frequency_rows,
    point_name,
    split_curves,
)
from fxai_jax.evaluation.checks import check_count, check_rate
from fxai_jax.evaluation.plan import Plan
from fxai_jax.evaluation.report import Findings, Table
from fxai_jax.evaluation.scores import Scores
from fxai_jax.methods import frequency
from fxai_jax.methods.frequency import Corners, Shape
from fxai_jax.metrics.band_curves import band_cosines, influence_order
from fxai_jax.metrics.verification import check_labels
from fxai_jax.own.importing import Network
from fxai_jax.runs.running import Results
from fxai_jax.runs.tasks import over_pairs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frequency:
    """Remove the bands that the influence marks, and watch cosines and error rates.

    Four orders: by influence, from low to high frequency, from high to low, and at
    random; and as frequency_influence the influence of each band on genuine and
    impostor pairs and on the groups of the list.

    Attributes:
        width: Width of a band in cycles per image.
        shape: Rings by the Euclidean frequency, or by the larger coordinate.
        corners: What becomes of the frequencies beyond Nyquist: a band of their own,
            part of the last band, or no band.
        perturb: Remove bands from the probe alone, or from both images.
        fmr: False match rate at which FNMR is given; with fewer than 1 / fmr impostor
            pairs there is no false match.
        draws: Random orders for each pair.
    """

    width: int = 4
    shape: Shape = "radial"
    corners: Corners = "own"
    perturb: Perturb = "probe"
    fmr: float = 1e-3
    draws: int = 5

    name: ClassVar[str] = "frequency"
    usual_limit: ClassVar[int | None] = None
    whole_list: ClassVar[bool] = False
    flip: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses what no run could use."""
        check_rate("false match rate", self.fmr)
        check_count("draws", self.draws)

    def plan(
        self, network: Network, scores: Scores, seed: int, limit: int | None = None
    ) -> Plan:
        """One task: influences and curves of all pairs."""
        model, card = network
        options = {"width": self.width, "shape": self.shape, "corners": self.corners}
        bands = frequency.radial_bands(card.image_size, **options)
        check_labels(scores.pairs.genuine)
        static = {"perturb": self.perturb, "draws": self.draws}
        shared, depends = (model, bands.masks), options | static
        task = over_pairs(
            "bands",
            measure,
            shared,
            scores.pairs,
            static=static,
            depends=depends,
            file="bands",
        )

        def findings(results: Mapping[str, Results]) -> Findings:
            found = results["bands"]
            pairs = scores.pairs.take(found.rows)
            check_labels(pairs.genuine)
            curves = split_curves(found.values["curves"])
            table = Table(
                f"Bands of the spectrum: {len(pairs)} pairs, {card.name}",
                frequency_rows(curves, pairs, self.fmr, seed),
                self._notes(pairs, len(bands.masks)),
                hidden=("group", "genuine", "impostor", "del. under low to high"),
            )
            groups = band_groups.findings(found.values["directed"], pairs, bands, seed)
            drawing = frequency_chart(curves, pairs.genuine, self.fmr)
            return Findings(
                {"frequency": table, **groups.tables},
                {"frequency": drawing, **groups.charts},
            )

        return Plan([task], findings, {"pairs": len(scores.pairs)})

    def _notes(self, pairs: Pairs, bands: int) -> list[str]:
        impostors = int((~pairs.genuine).sum())
        return [
            f"Areas in per cent over the share of {bands} bands, {self.perturb} "
            "perturbed: deletion and insertion of the mean cosine of genuine pairs; "
            "brackets: 95 % bootstrap intervals. Positive margins are better.",
            "Insertion is the deletion in the reversed order, read backwards. Of "
            f"random orders ({self.draws} draws) it has the area of the deletion, so "
            "that ins - del of the others is also their margin over them.",
            f"FNMR at {point_name(self.fmr, pairs.genuine)} and EER of all pairs, "
            f"{impostors} of them impostors, while bands are removed, with a new "
            "threshold at each number. By influence, impostor pairs too lose first "
            "what makes them alike, so these errors may rise less than the cosines of "
            "genuine pairs fall.",
        ]


def measure(
    shared: tuple[Embedder, Bool[Array, "b h w"]],
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    perturb: Perturb,
    draws: int,
    chunk_size: int | None = 16,
) -> dict[str, Float[Array, "..."]]:
    """One row of a run: influence of the bands, and what removing them in turn does.

    Returns:
        "directed", the influences with shape (b,), and "curves", cosines of deletions
        with shape (4 + draws, b + 1): the largest influence first, the smallest first,
        low to high frequency, high to low, random orders.
    """
    model, masks = shared
    options = {"perturb": perturb, "chunk_size": chunk_size}
    found = frequency.explain(model, probe, gallery, masks, **options)
    falling = influence_order(found.directed)
    rising = jnp.arange(falling.size, dtype=falling.dtype)
    drawn = [
        jax.random.permutation(each, rising) for each in jax.random.split(key, draws)
    ]
    orders = jnp.stack([falling, falling[::-1], rising, rising[::-1], *drawn])
    curve = partial(band_cosines, model, probe, gallery, masks, **options)
    return {"directed": found.directed, "curves": lax.map(curve, orders)}
