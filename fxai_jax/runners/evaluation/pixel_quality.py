"""Whether pixel qualities tell which pixels recognition needs: DEC and IEC.

The pixels of the images of genuine pairs are deleted (DEC) or inserted (IEC) in the
order of their quality, and the false non-matches at the threshold of the clean pairs
are counted. Deleting what has low quality should keep them few, deleting what has high
quality should make them many.

Where both images of a pair lose most of their pixels, what is left of them grows alike
whoever they show, and false non-matches become few for that reason. Watch the cosine,
or perturb the probe alone.

References:
    Huber, Terhörst, Kirchbuchner, Damer, Kuijper: On Evaluating Pixel-Level Face Image
    Quality Assessment, EUSIPCO 2022.

Differs from the paper in:
    The fillings, the steps, the threshold of the clean pairs, the blurred maps and the
    references beside the random order are our own choices.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.data.pair_sets import PairSet, take_pairs
from fxai_jax.metrics.faithfulness import (
    Fill,
    Mode,
    area,
    cosine_curve,
    error_curves,
    filling,
    transition,
)
from fxai_jax.numerics import pixel_ranks
from fxai_jax.runners.evaluation.faithfulness import MARGINS, Run
from fxai_jax.runners.evaluation.pixel_maps import PixelMap
from fxai_jax.runners.evaluation.scores import common_rows, groups_of
from fxai_jax.runners.evaluation.tables import Row, estimate_rows
from fxai_jax.runners.journal import gather
from fxai_jax.runners.pair_runs import run_pairs

Perturb = Literal["both", "probe"]


class Order(NamedTuple):
    """In which order pixels are perturbed, and how."""

    sign: float
    """1 if pixels of high quality come first, -1 if those of low quality do."""

    mode: Mode
    fill: Fill

    better: float
    """1 if a good map makes the errors many, -1 if it keeps them few."""


ORDERS: dict[str, Order] = {
    "lowest deleted": Order(-1.0, "deletion", "black", -1.0),
    "highest deleted": Order(1.0, "deletion", "black", 1.0),
    "highest inserted": Order(1.0, "insertion", "blur", -1.0),
}
"""The curves by what comes first: DEC from both ends, and IEC."""


def pixel_curves(
    model: FaceModel,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    pixel_map: PixelMap,
    perturb: Perturb = "probe",
    steps: int = 10,
    draws: int = 5,
    chunk_size: int | None = 11,
) -> dict[str, Float[Array, "r s"]]:
    """The curves of one pair under one map.

    Args:
        model: The network.
        key: Key of the pair.
        probe: Image with shape (h, w, c) in [0, 1].
        gallery: Image with shape (h, w, c) in [0, 1].
        pixel_map: What orders the pixels of each image.
        perturb: Both images, each by its own map, or the probe alone.
        steps: Equal steps from none to all of the pixels, at least 2.
        draws: Maps drawn of a random one; the others have one.
        chunk_size: Perturbed images alive together.

    Returns:
        Cosines with shape (draws, s) by name of the order, s being ``steps + 1``. Of
        two images the step at which both are black is left out: they are equal there.

    Example:
        >>> pixel_curves(model, key, a, b, **options)  # doctest: +SKIP
    """
    turn = partial(transition, model, steps=steps, chunk_size=chunk_size)

    def embeddings(image_key: PRNGKey, image: Image) -> dict[str, Float[Array, "s d"]]:
        map_key, tie_key = jax.random.split(image_key)
        ranks = pixel_ranks(tie_key, pixel_map.quality(model, map_key, image))
        # One sweep over all orders, so that the network is compiled once.
        sweeps = [_sweep(order, ranks, image) for order in ORDERS.values()]
        stacked = [jnp.stack(each) for each in zip(*sweeps, strict=True)]
        return dict(zip(ORDERS, lax.map(lambda x: turn(*x), stacked), strict=True))

    def one_draw(draw_key: PRNGKey) -> dict[str, Float[Array, " s"]]:
        keys = jax.random.split(draw_key)
        if perturb == "probe":
            reference = model(gallery)
            moved = embeddings(keys[0], probe)
            return {name: cosine_curve(each, reference) for name, each in moved.items()}
        images = jnp.stack([probe, gallery])
        both = lax.map(lambda each: embeddings(*each), (keys, images))
        curves = {name: cosine_curve(*each) for name, each in both.items()}
        deleted = [name for name, order in ORDERS.items() if order.mode == "deletion"]
        return curves | {name: curves[name][:-1] for name in deleted}

    count = draws if pixel_map.random else 1
    return lax.map(one_draw, jax.random.split(key, count))


def run_map(
    model: FaceModel,
    key: PRNGKey,
    pairs: PairSet,
    pixel_map: PixelMap,
    *,
    perturb: Perturb = "probe",
    steps: int = 10,
    draws: int = 5,
    **options: Any,
) -> Run:
    """The curves of all genuine pairs under one map.

    Args:
        model: The network.
        key: Key of the run.
        pairs: Genuine pairs.
        pixel_map: What orders the pixels.
        perturb: Both images, or the probe alone.
        steps: Equal steps from none to all of the pixels.
        draws: Maps drawn of a random one.
        options: Those of `fxai_jax.runners.streaming.run_examples`.

    Returns:
        The curves; pairs that failed are left out and named.

    Raises:
        ValueError: If there are fewer than 2 steps, or all pairs failed.

    Example:
        >>> run_map(model, key, pairs, MAPS["plq"])  # doctest: +SKIP
    """
    if steps < 2:
        raise ValueError(f"curves of pixel qualities need 2 steps or more, got {steps}")
    function = partial(
        pixel_curves, pixel_map=pixel_map, perturb=perturb, steps=steps, draws=draws
    )
    records = run_pairs(function, model, key, pairs, title=pixel_map.title, **options)
    return Run(*gather(records, pixel_map.title))


def pixel_rows(
    runs: Mapping[str, Run],
    titles: Mapping[str, str],
    pairs: PairSet,
    *,
    threshold: float,
    seed: int = 0,
) -> list[Row]:
    """The table: a row for each order, group and map.

    Args:
        runs: Curves by map, those of all references among them.
        titles: Names of the maps in the table.
        pairs: The genuine pairs of the runs.
        threshold: Cosine at which pairs are accepted.
        seed: Start of the random numbers of the bootstrap.

    Returns:
        Means over the curves in per cent. A margin is the difference of the mean FNMR
        on the same pairs, positive where the map is better than the reference. Pairs
        that failed under one map are left out of all.

    Example:
        >>> pixel_rows(runs, titles, pairs, threshold=0.4)  # doctest: +SKIP
    """
    common = common_rows(run.rows for run in runs.values())
    groups, rows = groups_of(take_pairs(pairs, common)), []
    for order, entry in ORDERS.items():
        measures = {
            name: pair_means(
                run.curves[order][np.isin(run.rows, common)], threshold=threshold
            )
            for name, run in runs.items()
        }
        for group, members in groups.items():
            place: Row = {"order": order, "group": group, "pairs": len(members)}
            cells = _cells(measures, members, entry.better, seed)
            rows += [{"map": titles[name]} | place | cells[name] for name in runs]
    return rows


def pair_means(
    curves: Float[np.ndarray, "n r s"], *, threshold: float
) -> Float[np.ndarray, "n two"]:
    """What the curves of each genuine pair come to, averaged over the draws.

    Args:
        curves: Cosines of n pairs, r draws and s steps.
        threshold: Cosine at which pairs are accepted.

    Returns:
        Mean cosine and share of the curve on which the pair is rejected, in per cent;
        the mean of the latter over pairs is the area under the FNMR.

    Example:
        >>> pair_means(np.array([[[1.0, 0.5, 0.0]]]), threshold=0.4).tolist()
        [[50.0, 25.0]]
    """
    rejected = (curves < threshold).astype(np.float32)
    both = jnp.stack([jnp.asarray(curves, jnp.float32), jnp.asarray(rejected)], axis=1)
    return 100 * np.asarray(area(both)).mean(-1)


def mean_cosine(run: Run, order: str) -> Float[np.ndarray, " s"]:
    """Mean cosine of the pairs at each step, to draw.

    Args:
        run: Curves of one map.
        order: One of `ORDERS`.

    Returns:
        Cosines with shape (s,).

    Example:
        >>> mean_cosine(runs["plq"], "lowest deleted")  # doctest: +SKIP
    """
    return run.curves[order].mean((0, 1))


def fnmr_curve(run: Run, order: str, *, threshold: float) -> Float[np.ndarray, " s"]:
    """FNMR at each step, to draw.

    Args:
        run: Curves of one map.
        order: One of `ORDERS`.
        threshold: Cosine at which pairs are accepted.

    Returns:
        Rates with shape (s,), in per cent.

    Example:
        >>> fnmr_curve(runs["plq"], "lowest deleted", threshold=0.4)
        ... # doctest: +SKIP
    """
    cosines = run.curves[order].reshape(-1, run.curves[order].shape[-1])
    genuine = np.ones(cosines.shape[0], bool)
    curves = error_curves(cosines, genuine, threshold=threshold)
    return 100 * np.asarray(curves.fnmr)


def _sweep(
    order: Order, ranks: Int[Array, "h w"], image: Image
) -> tuple[Int[Array, "h w"], Image, Image]:
    turned = ranks if order.sign > 0 else ranks.size - 1 - ranks
    filled = filling(image, fill=order.fill)
    ends = (image, filled) if order.mode == "deletion" else (filled, image)
    return turned, *ends


def _cells(
    measures: Mapping[str, np.ndarray], members: np.ndarray, better: float, seed: int
) -> dict[str, Row]:
    columns = {}
    for name, values in measures.items():
        columns[name, "cosine"], columns[name, "FNMR"] = values[members].T
        for label, reference in MARGINS.items():
            if name != reference:
                gain = better * (values - measures[reference])[members, 1]
                columns[name, label] = gain
    return estimate_rows(columns, seed)
