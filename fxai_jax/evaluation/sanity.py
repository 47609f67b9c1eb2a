"""Do maps show the network, or the image alone? Maps of a network and of its wrecks."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import Image, PRNGKey, Saliency, Score
from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.checks import check_cosine
from fxai_jax.evaluation.estimates import mean_estimates
from fxai_jax.evaluation.plan import Plan
from fxai_jax.evaluation.registry import (
    EXPLAINERS,
    REFERENCES,
    Explainer,
    choose,
    tasks_of,
)
from fxai_jax.evaluation.report import (
    Chart,
    Findings,
    Line,
    Panel,
    Row,
    Table,
    best,
)
from fxai_jax.evaluation.scores import Scores, chosen_threshold, limited_rows
from fxai_jax.evaluation.wrecks import layers_from_top, wrecked
from fxai_jax.metrics.sanity import Model, cascade, rank_correlation
from fxai_jax.own.importing import Network
from fxai_jax.runs.running import Results

CONTROL = "edges"
"""What never looks at the network, and so cannot change."""

ALIKE = 50.0
"""Correlation in per cent above which the maps of a network and of its wreck count as
alike; our own choice."""

PAIRS_TOGETHER = 3
"""Pairs alive together, each with a wreck of its own."""

MEASURES = {"correlation": "maps", "magnitude": "magnitudes of the maps"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sanity:
    """Randomise the network's layers from the top, and see whether maps change.

    The edges of the face are always evaluated beside the explainers: they cannot
    change.

    Attributes:
        explainers: Of fggb, fggb-signed, fggb-split, xssab, corrrise, grad-cam,
            score-cam, fame, gradient; none takes all.
        threshold: Cosine at which pairs are accepted; None takes that of equal error
            rates on the list.
    """

    explainers: tuple[str, ...] = ("fggb", "xssab", "gradient", "grad-cam")
    threshold: float | None = None

    name: ClassVar[str] = "sanity"
    usual_limit: ClassVar[int | None] = 6
    whole_list: ClassVar[bool] = True
    flip: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses what no run could use."""
        choose(EXPLAINERS, self.explainers)
        check_cosine(self.threshold)

    def plan(
        self, network: Network, scores: Scores, seed: int, limit: int | None = None
    ) -> Plan:
        """One task for each explainer, each over all depths of destruction."""
        chosen = choose(EXPLAINERS, self.explainers, always=(CONTROL,))
        chosen = {k: each for k, each in chosen.items() if k not in REFERENCES}
        threshold = chosen_threshold(self.threshold, scores)
        model, card = network
        layers = tuple(layers_from_top(model, card.image_size))
        if not layers:
            raise ValueError(
                f"{card.name} has no arrays to randomise, a function has closed over "
                "them; pass them as the parameters of fxai_jax.embedder"
            )
        destroyed = cascade(model, jax.random.key(seed), prefixes=layers)[-1]
        shared, static = (model, destroyed, np.float32(threshold)), {"layers": layers}
        pairs = scores.pairs.take(limited_rows(scores.pairs, limit, seed))
        tasks = tasks_of(chosen, measure, shared, pairs, static, threshold=threshold)
        tasks = [task._replace(batch_size=PAIRS_TOGETHER) for task in tasks]
        titles = {name: explainer.title for name, explainer in chosen.items()}

        def findings(results: Mapping[str, Results]) -> Findings:
            table = Table(
                f"Maps of a network and of its wrecks: {len(pairs)} pairs, {card.name}",
                sanity_rows(results, titles, layers, pairs, seed=seed),
                notes(results, titles, threshold),
            )
            return Findings({"sanity": table}, {"sanity": chart(results, titles)})

        facts = {"threshold": threshold, "pairs": len(pairs), "layers": layers}
        return Plan(tasks, findings, facts)


def measure(
    shared: tuple[Model, Model, Score],
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    entry: Explainer,
    layers: tuple[str, ...],
) -> dict[str, Float[Array, " s"]]:
    """One row of a run: how alike the maps of the network and of its wrecks are.

    Maps are compared as they are, without a blur; those whose sign is no importance by
    their magnitude alone. The key is the same for all networks.

    Returns:
        Rank correlations in [-1, 1] of the maps and of their magnitudes, and cosines;
        number m with m layers destroyed.
    """
    intact, destroyed, threshold = shared

    def at_depth(depth: Int[Array, ""]) -> tuple[Saliency, Score]:
        model = wrecked(intact, destroyed, layers, depth)
        result = entry.explain(model, key, probe, gallery, threshold=threshold)
        return result.signed, result.cosine

    signed, cosine = lax.map(at_depth, jnp.arange(len(layers) + 1))
    magnitude = jnp.abs(signed)
    map_ = signed if entry.sign_is_importance else magnitude
    alike = jax.vmap(rank_correlation, in_axes=(None, 0))
    return {
        "correlation": alike(map_[0], map_),
        "magnitude": alike(magnitude[0], magnitude),
        "cosine": cosine,
    }


def sanity_rows(
    results: Mapping[str, Results],
    titles: Mapping[str, str],
    layers: Sequence[str],
    pairs: Pairs,
    *,
    seed: int = 0,
) -> list[Row]:
    """A row for each explainer and depth, in per cent, with 95 % bootstrap intervals.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> values = {name: np.array([[1.0, 0.5]]) for name in (*MEASURES, "cosine")}
        >>> results = {"fggb": Results(np.arange(1), values, [])}
        >>> pairs = open_pairs(sample_pairs())
        >>> [row] = sanity_rows(results, {"fggb": "FGGB"}, ["head"], pairs)
        >>> row["down to"], row["correlation"].value, row["cosine change"]
        ('head', 50.0, 50.0)
    """
    rows = []
    for name, found in results.items():
        columns = {
            (measure_, depth): 100 * found.values[measure_][:, depth]
            for measure_ in MEASURES
            for depth in range(1, len(layers) + 1)
        }
        estimates = mean_estimates(columns, pairs.take(found.rows), seed)
        cosine = found.values["cosine"]
        change = 100 * np.abs(cosine - cosine[:, :1]).mean(0)
        rows += [
            {"explainer": titles[name], "layers": depth, "down to": layer}
            | {measure_: estimates[measure_, depth] for measure_ in MEASURES}
            | {"cosine change": float(change[depth])}
            for depth, layer in enumerate(layers, 1)
        ]
    return rows


def insensitive(results: Mapping[str, Results], measure_: str) -> dict[str, float]:
    """The explainers whose maps hardly change when the whole network is destroyed.

    Mean correlation in per cent with the last wreck, where it is above `ALIKE`.

    Example:
        >>> found = Results(np.arange(1), {"magnitude": np.array([[1.0, 0.75]])}, [])
        >>> insensitive({"a": found}, "magnitude")
        {'a': 75.0}
    """
    last = {
        k: 100 * float(r.values[measure_][:, -1].mean()) for k, r in results.items()
    }
    return {name: value for name, value in last.items() if value > ALIKE}


def notes(
    results: Mapping[str, Results], titles: Mapping[str, str], threshold: float
) -> list[str]:
    """What a reader of the table has to know."""
    found = [
        "Spearman correlation over the pixels of the map with that of the intact "
        "network, and of the magnitudes; mean of the pairs in per cent, brackets: 95 % "
        "bootstrap intervals. They do not cover another drawing of the "
        "destroyed layers (--seed).",
        "layers: how many are destroyed, from the top down to the one named. cosine "
        "change: mean of |cosine - intact cosine| in per cent. Threshold "
        f"{threshold:.3f}.",
        "Where a wreck decides otherwise, a map may turn its sign and correlate "
        "negatively: read the magnitudes too. Maps without a sign have one "
        f"correlation, that of the magnitudes. {titles[CONTROL]}: the control, which "
        "never looks at the network.",
    ]
    for measure_, what in (("correlation", "maps"), ("magnitude", "magnitudes")):
        named = [
            f"{titles[name]} ({value:.1f})"
            for name, value in insensitive(results, measure_).items()
            if name != CONTROL
        ]
        found.append(
            f"Explainers whose {what} hardly change (above {ALIKE:.0f} with the whole "
            f"network destroyed): {', '.join(named) or 'none'}."
        )
    return found


def chart(results: Mapping[str, Results], titles: Mapping[str, str]) -> Chart:
    """Mean correlation of the pairs in per cent at each depth.

    The maps that change most, by the magnitudes in the end, stand out.
    """

    def line(name: str, values: Float[np.ndarray, "n s"]) -> Line:
        depths = np.arange(values.shape[1])
        return Line(depths, 100 * values.mean(0), reference=name == CONTROL)

    panels = [
        Panel(
            title,
            "layers destroyed, from the top",
            "rank correlation / %",
            {titles[k]: line(k, found.values[m]) for k, found in results.items()},
        )
        for m, title in MEASURES.items()
    ]
    merits = {
        titles[name]: -float(found.values["magnitude"][:, -1].mean())
        for name, found in results.items()
        if name != CONTROL
    }
    title = "Maps of a network and of its wrecks"
    return Chart(title, panels, 2, share_y=True, highlighted=best(merits))
