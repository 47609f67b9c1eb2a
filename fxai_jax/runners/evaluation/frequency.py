"""Curves over the bands of the spectrum, for a list of pairs."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from fxai_jax.array_types import Embedder, Image, PRNGKey, Score
from fxai_jax.data.pair_sets import PairSet, take_pairs
from fxai_jax.methods import frequency
from fxai_jax.metrics.band_curves import Perturb, band_cosines, influence_order
from fxai_jax.metrics.faithfulness import area
from fxai_jax.metrics.verification import check_labels, equal_error, fnmr_at_fmr
from fxai_jax.runners.evaluation.scores import groups_of
from fxai_jax.runners.evaluation.tables import Row, estimate_rows
from fxai_jax.runners.journal import gather
from fxai_jax.runners.pair_runs import run_pairs

ORDERS = ("influence", "low to high", "high to low", "random")
MODES = ("deletion", "insertion")
ERRORS = ("FNMR", "EER")
IDENTITIES = (("identity_a", "identity_b"), ("probe_identity", "gallery_identity"))
"""Columns of a list that say who is in the two images."""

# Where the curves of a pair lie, and those of the reversed orders.
_FORWARDS = slice(0, 1), slice(2, 3), slice(3, 4), slice(4, None)
_BACKWARDS = slice(1, 2), slice(3, 4), slice(2, 3), slice(4, None)

Curves = dict[str, Float[np.ndarray, "n _ s"]]
"""Cosines by order, for n pairs, one or more draws and s numbers of bands."""


class Run(NamedTuple):
    """What the bands do to the pairs of a list."""

    pairs: PairSet
    """The n pairs, those that failed left out."""

    directed: Float[np.ndarray, "n b"]
    """Directed influence of each band of the probe."""

    curves: dict[str, Curves]
    """Cosines by "deletion" and "insertion"."""

    errors: list[str]
    """One sentence per pair that failed."""


def pair_bands(
    model: Embedder,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    masks: Bool[Array, "b h w"],
    perturb: Perturb = "probe",
    draws: int = 5,
    chunk_size: int | None = 16,
) -> dict[str, Float[Array, "..."]]:
    """Influence of the bands on one pair, and what removing them in turn does.

    Args:
        model: The network.
        key: Key of the pair.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        masks: Bands with shape (b, h, w).
        perturb: "probe" removes bands from the probe alone, "both" from both images.
        draws: Random orders.
        chunk_size: Images embedded together.

    Returns:
        "directed", the influences with shape (b,), and "curves", cosines of deletions
        with shape (4 + draws, b + 1): the largest influence first, the smallest first,
        low to high frequency, high to low, random orders.

    Example:
        >>> pair_bands(model, key, a, b, masks=bands.masks)  # doctest: +SKIP
    """
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


def run_bands(
    model: Embedder,
    key: PRNGKey,
    pairs: PairSet,
    masks: Bool[Array, "b h w"],
    *,
    perturb: Perturb = "probe",
    draws: int = 5,
    **options: Any,
) -> Run:
    """Influences and curves of all pairs.

    An insertion is not computed: it is the deletion in the reversed order, read
    backwards. A random order read backwards is a random order, so that of the random
    orders insertion minus deletion is 0.

    Args:
        model: The network.
        key: Key of the run.
        pairs: Pairs of both kinds.
        masks: Bands with shape (b, h, w).
        perturb: "probe" removes bands from the probe alone, "both" from both images.
        draws: Random orders for each pair.
        options: Those of `fxai_jax.runners.streaming.run_examples`.

    Returns:
        The curves; pairs that failed are left out and named.

    Raises:
        ValueError: If no genuine or no impostor pair is left.

    Example:
        >>> run_bands(model, key, pairs, bands.masks)  # doctest: +SKIP
    """
    if draws < 1:
        raise ValueError(f"random orders need at least 1 draw, got {draws}")
    function = partial(pair_bands, masks=masks, perturb=perturb, draws=draws)
    records = run_pairs(function, model, key, pairs, title="bands", **options)
    rows, values, errors = gather(records, "the frequency explanation")
    used = take_pairs(pairs, rows)
    check_labels(used.genuine)
    return Run(used, values["directed"], split_curves(values["curves"]), errors)


def split_curves(cosines: Float[np.ndarray, "n r s"]) -> dict[str, Curves]:
    """The curves of many pairs by mode and order.

    Args:
        cosines: Those of `pair_bands` with shape (n, 4 + draws, b + 1).

    Returns:
        Deletions, and the insertions that follow from them.

    Example:
        >>> cosines = np.arange(10.0).reshape(1, 5, 2)
        >>> split_curves(cosines)["insertion"]["low to high"].tolist()
        [[[7.0, 6.0]]]
    """
    return {
        "deletion": {o: cosines[:, i] for o, i in zip(ORDERS, _FORWARDS, strict=True)},
        "insertion": {
            o: cosines[:, i, ::-1] for o, i in zip(ORDERS, _BACKWARDS, strict=True)
        },
    }


def error_rates(
    deleted: Curves, genuine: Bool[np.ndarray, " n"], *, fmr: float
) -> dict[str, dict[str, Float[np.ndarray, " s"]]]:
    """How well the pairs are told apart at each number of removed bands.

    The threshold is chosen anew at each number.

    Args:
        deleted: Cosines of pairs of both kinds, by order.
        genuine: Labels with shape (n,).
        fmr: False match rate that is allowed; with fewer than ``1 / fmr`` impostor
            pairs there is no false match.

    Returns:
        By order, "FNMR" and "EER" in per cent with shape (s,), means of the draws.

    Example:
        >>> cosines = np.array([[[1.0, 0.0]], [[0.0, 0.5]]])
        >>> rates = error_rates({"a": cosines}, np.array([True, False]), fmr=0.1)
        >>> rates["a"]["FNMR"].tolist()
        [0.0, 100.0]
    """
    stacked = jnp.moveaxis(np.concatenate([*deleted.values()], axis=1), 0, -1)
    rates = _rates(stacked, jnp.asarray(genuine), fmr)
    ends = np.cumsum([curve.shape[1] for curve in deleted.values()])[:-1]
    each = [np.split(100 * np.asarray(rate), ends) for rate in rates]
    return {
        name: {error: rate[i].mean(0) for error, rate in zip(ERRORS, each, strict=True)}
        for i, name in enumerate(deleted)
    }


def frequency_rows(run: Run, *, fmr: float = 1e-3, seed: int = 0) -> list[Row]:
    """The table: a row for each group and order.

    Args:
        run: Curves of all pairs.
        fmr: False match rate that is allowed.
        seed: Start of the random numbers of the bootstrap.

    Returns:
        Rows in per cent, areas over the share of the bands: of the mean cosine of the
        genuine pairs, and of the error rates of all pairs. Margins are positive where
        an order does better. A group without genuine pairs has no row, one without
        impostor pairs no error rates. Intervals are 95 % bootstrap intervals over
        genuine pairs.

    Example:
        >>> frequency_rows(run, fmr=1e-3)  # doctest: +SKIP
    """
    areas = {
        mode: {name: 100 * _areas(curve).mean(1) for name, curve in curves.items()}
        for mode, curves in run.curves.items()
    }
    rows = []
    for group, members in groups_of(without_identities(run.pairs)).items():
        labels = run.pairs.genuine[members]
        genuine = members[labels]
        if not genuine.size:
            continue
        estimates = _estimates(areas, genuine, seed)
        errors = _error_areas(run, members, fmr) if not labels.all() else {}
        counts: Row = {"genuine": genuine.size, "impostor": members.size - genuine.size}
        rows += [
            {"group": group, "order": name}
            | counts
            | {mode: float(areas[mode][name][genuine].mean()) for mode in MODES}
            | estimates[name]
            | errors.get(name, {})
            for name in ORDERS
        ]
    return rows


def mean_curves(run: Run, mode: str) -> dict[str, Float[np.ndarray, " s"]]:
    """Mean cosine of the genuine pairs at each number of bands, to draw.

    Args:
        run: Curves of all pairs.
        mode: "deletion" or "insertion".

    Returns:
        Cosines with shape (s,) by order.

    Example:
        >>> mean_curves(run, "deletion")["random"]  # doctest: +SKIP
    """
    genuine = run.pairs.genuine
    return {name: c[genuine].mean((0, 1)) for name, c in run.curves[mode].items()}


def without_identities(pairs: PairSet) -> PairSet:
    """The list without the columns that name persons, which are no groups.

    Args:
        pairs: Pairs.

    Returns:
        The pairs with their other columns.

    Example:
        >>> without_identities(pairs).groups  # doctest: +SKIP
    """
    named = {name for columns in IDENTITIES for name in columns}
    kept = {name: texts for name, texts in pairs.groups.items() if name not in named}
    return pairs._replace(groups=kept)


@jax.jit
def _rates(
    cosines: Float[Array, "r s n"], genuine: Bool[Array, " n"], fmr: float | Score
) -> tuple[Float[Array, "r s"], Float[Array, "r s"]]:
    def one(scores: Float[Array, " n"]) -> tuple[Score, Score]:
        point = fnmr_at_fmr(scores, genuine, fmr=fmr)
        return point.fnmr, equal_error(scores, genuine).rate

    return jax.vmap(jax.vmap(one))(cosines)


def _areas(curves: Float[np.ndarray, "n r s"]) -> Float[np.ndarray, "n r"]:
    return np.asarray(area(jnp.asarray(curves)))


def _estimates(
    areas: Mapping[str, Mapping[str, np.ndarray]], members: np.ndarray, seed: int
) -> dict[str, Row]:
    deleted, inserted = (
        {name: value[members] for name, value in areas[mode].items()} for mode in MODES
    )
    net = {name: inserted[name] - deleted[name] for name in ORDERS}
    columns = {}
    for name in ORDERS:
        if name != "random":  # 0 by construction
            columns[name, "ins - del"] = net[name]
        if name != "low to high":
            columns[name, "over low to high"] = net[name] - net["low to high"]
            columns[name, "del. under low to high"] = (
                deleted["low to high"] - deleted[name]
            )
        if name != "random":
            columns[name, "del. under random"] = deleted["random"] - deleted[name]
    return estimate_rows(columns, seed)


def _error_areas(run: Run, members: np.ndarray, fmr: float) -> dict[str, Row]:
    deleted = {name: c[members] for name, c in run.curves["deletion"].items()}
    rates = error_rates(deleted, run.pairs.genuine[members], fmr=fmr)
    return {
        name: {f"{e} area": float(area(jnp.asarray(rate[e]))) for e in ERRORS}
        for name, rate in rates.items()
    }
