"""Do maps find patches of another face? Patched pairs over a list."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fxai_jax.array_types import FaceModel, Image, PRNGKey
from fxai_jax.data.pair_sets import PairSet, take_pairs
from fxai_jax.metrics.faithfulness import error_curves
from fxai_jax.metrics.patches import localisation, paste, patch_mask, restoration_curve
from fxai_jax.numerics import cosine
from fxai_jax.runners.evaluation.explainers import Explainer, ranking_map
from fxai_jax.runners.evaluation.scores import common_rows, groups_of
from fxai_jax.runners.evaluation.tables import Row, mean_estimates
from fxai_jax.runners.journal import gather
from fxai_jax.runners.streaming import run_examples

KINDS = ("genuine", "impostor")


class Patched(NamedTuple):
    """What one explainer says of n patched pairs; those that failed are left out."""

    rows: Int[np.ndarray, " n"]
    """Places of the pairs in the list."""

    cosine: Float[np.ndarray, " n"]
    """Cosine after patching, before anything is restored."""

    roc_area: Float[np.ndarray, "n r"]
    """Area under the ROC curve of finding the patches, for each draw."""

    precision_recall_area: Float[np.ndarray, "n r"]
    """Average precision of finding the patches, for each draw."""

    restored: Float[np.ndarray, "n r s"]
    """Cosines as the pixels that decided are restored."""

    errors: list[str]
    """One sentence per pair that failed."""


def choose_donors(pairs: PairSet, *, seed: int) -> Int[np.ndarray, " n"]:
    """The image that each pair's patches are cut from.

    Args:
        pairs: Pairs of both kinds.
        seed: Start of the random numbers.

    Returns:
        Places of images: of an impostor pair its gallery image; of a genuine pair an
        image of another person as far as the list says, which no chain of genuine pairs
        connects with it. -1 where there is none.

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> from fxai_jax.data.pair_sets import open_pairs
        >>> pairs = open_pairs(sample_pairs())
        >>> donors = choose_donors(pairs, seed=0)
        >>> bool((donors[~pairs.genuine] == pairs.gallery[~pairs.genuine]).all())
        True
    """
    rng = np.random.default_rng(seed)
    person = _persons(pairs)
    used = np.unique(np.concatenate([pairs.probe, pairs.gallery]))
    donors = pairs.gallery.copy()
    for i in np.flatnonzero(pairs.genuine):
        others = used[person[used] != person[pairs.probe[i]]]
        donors[i] = rng.choice(others) if others.size else -1
    return donors


def patched_record(
    model: FaceModel,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    donor: Image,
    genuine: Bool[Array, ""],
    *,
    explainer: Explainer,
    threshold: float,
    draws: int = 5,
    patches: int = 27,
    side: int = 16,
    chunk_size: int | None = 10,
) -> dict[str, Any]:
    """Patches one pair and asks an explainer where the patches are.

    In a genuine pair they are foreign and the map of dissimilarity should find them, in
    an impostor pair they come from the gallery image and similarity should.

    Args:
        model: The network.
        key: Key of the pair; the patches depend on it and not on the explainer.
        probe: Image with shape (h, w, c) in [0, 1], which is patched.
        gallery: Image with shape (h, w, c) in [0, 1].
        donor: Image with shape (h, w, c) in [0, 1] that the patches are cut from.
        genuine: Whether the pair is genuine.
        explainer: What makes the map of the patched probe.
        threshold: Cosine at which pairs are accepted.
        draws: Maps drawn of a random explainer; the others have one.
        patches: Number of patches.
        side: Side of a patch in pixels.
        chunk_size: Restored images alive together.

    Returns:
        The fields of `Patched` for one pair.

    Example:
        >>> patched_record(model, key, a, b, c, True, **options)  # doctest: +SKIP
    """
    mask_key, draw_key = jax.random.split(key)
    height, width, _ = probe.shape
    mask = patch_mask(mask_key, (height, width), count=patches, side=side)
    patched = paste(probe, donor, mask)
    decided = cosine(model(patched), model(gallery))

    def one_draw(each_key: PRNGKey) -> dict[str, Array]:
        map_key, tie_key = jax.random.split(each_key)
        result = explainer.explain(
            model, map_key, patched, gallery, threshold=threshold
        )
        signed, against = (
            ranking_map(explainer, result, kind)
            for kind in ("similarity", "dissimilarity")
        )
        found = localisation(jnp.where(genuine, against, signed), mask)
        accepted = decided >= threshold
        # A map without a sign marks what decided, whatever the decision was.
        order = jnp.where(accepted, signed, -against)
        images = (probe, patched, gallery)
        curve = restoration_curve(
            model, tie_key, *images, order, accepted, chunk_size=chunk_size
        )
        return {
            "roc_area": found.roc_area,
            "precision_recall_area": found.precision_recall_area,
            "restored": curve,
        }

    keys = jax.random.split(draw_key, draws if explainer.random else 1)
    return {"cosine": decided} | lax.map(one_draw, keys)


def run_patched(
    model: FaceModel,
    key: PRNGKey,
    pairs: PairSet,
    donors: Int[np.ndarray, " n"],
    explainer: Explainer,
    *,
    threshold: float,
    draws: int = 5,
    patches: int = 27,
    side: int = 16,
    **options: Any,
) -> Patched:
    """Patches all pairs and asks one explainer.

    Args:
        model: The network.
        key: Key of the run.
        pairs: Pairs.
        donors: From `choose_donors`, none of them -1.
        explainer: What makes the maps.
        threshold: Cosine at which pairs are accepted.
        draws: Maps drawn of a random explainer.
        patches: Number of patches.
        side: Side of a patch in pixels.
        options: Those of `fxai_jax.runners.streaming.run_examples`.

    Returns:
        What came out.

    Raises:
        ValueError: If all pairs failed.

    Example:
        >>> run_patched(model, key, pairs, donors, explainer)  # doctest: +SKIP
    """
    function = partial(
        patched_record,
        explainer=explainer,
        threshold=threshold,
        draws=draws,
        patches=patches,
        side=side,
    )

    def load(i: int) -> tuple[np.ndarray, ...]:
        places = (pairs.probe[i], pairs.gallery[i], donors[i])
        faces = (pairs.read(int(place)) for place in places)
        return *faces, np.asarray(pairs.genuine[i])

    names = [
        f"{i}: {pairs.images[a]} | {pairs.images[b]} patched from {pairs.images[c]}"
        for i, (a, b, c) in enumerate(
            zip(pairs.probe, pairs.gallery, donors, strict=True)
        )
    ]
    options |= {"title": explainer.title, "unit": "pairs"}
    records = run_examples(function, model, key, names, load, **options)
    rows, values, errors = gather(records, explainer.title)
    return Patched(rows, errors=errors, **values)


def localisation_rows(
    runs: Mapping[str, Patched],
    titles: Mapping[str, str],
    pairs: PairSet,
    *,
    threshold: float,
    seed: int = 0,
) -> list[Row]:
    """The table: a row for each group, kind of pair and explainer.

    Args:
        runs: Results by explainer.
        titles: Names of the explainers in the table.
        pairs: The pairs.
        threshold: Cosine at which pairs are accepted.
        seed: Start of the random numbers of the bootstrap.

    Returns:
        Rows in per cent: areas with 95 % bootstrap intervals over pairs, the errors
        (FNMR of genuine, FMR of impostor pairs) after patching and as the pixels that
        decided are restored, on average from 5 to 95 %.

    Example:
        >>> localisation_rows(runs, titles, pairs, threshold=0.45)  # doctest: +SKIP
    """
    common = common_rows(run.rows for run in runs.values())
    kept = take_pairs(pairs, common)
    rows = []
    for group, members in groups_of(kept).items():
        for kind in KINDS:
            chosen = members[kept.genuine[members] == (kind == "genuine")]
            if chosen.size:
                place: Row = {"group": group, "kind": kind, "pairs": len(chosen)}
                rows += [
                    {"explainer": titles[name]}
                    | place
                    | _numbers(
                        run, np.isin(run.rows, common[chosen]), kind, threshold, seed
                    )
                    for name, run in runs.items()
                ]
    return rows


def error_curve(
    run: Patched, chosen: Bool[np.ndarray, " n"], kind: str, threshold: float
) -> Float[np.ndarray, " s"]:
    """Errors of one kind of pairs as the pixels that decided are restored.

    Args:
        run: Results of one explainer.
        chosen: Which of its pairs.
        kind: "genuine" for the FNMR, "impostor" for the FMR.
        threshold: Cosine at which pairs are accepted.

    Returns:
        Error rates in [0, 1] with shape (s + 1,), before anything is restored first.

    Example:
        >>> error_curve(run, run.cosine < 0.4, "genuine", 0.4)  # doctest: +SKIP
    """
    draws = run.restored.shape[1]
    before = np.repeat(run.cosine[chosen, None, None], draws, axis=1)
    cosines = np.concatenate([before, run.restored[chosen]], axis=2)
    flat = cosines.reshape(-1, cosines.shape[2])
    labels = np.full(len(flat), kind == "genuine")
    curves = error_curves(flat, labels, threshold=threshold)
    return np.asarray(curves.fnmr if kind == "genuine" else curves.fmr)


def _numbers(
    run: Patched, chosen: Bool[np.ndarray, " n"], kind: str, threshold: float, seed: int
) -> Row:
    areas = {
        "ROC area": 100 * run.roc_area[chosen].mean(1),
        "PR area": 100 * run.precision_recall_area[chosen].mean(1),
    }
    errors = 100 * error_curve(run, chosen, kind, threshold)
    patched, restored = float(errors[0]), float(errors[1:].mean())
    return {
        **mean_estimates(areas, seed),
        "error patched": patched,
        "error restored": restored,
    }


def _persons(pairs: PairSet) -> Int[np.ndarray, " m"]:
    same = (pairs.probe[pairs.genuine], pairs.gallery[pairs.genuine])
    size = len(pairs.images)
    links = coo_array((np.ones(same[0].size), same), shape=(size, size))
    return connected_components(links, directed=False)[1]
