"""What a reader of an evaluation must know about its list of pairs."""

import os

import numpy as np

from fxai_jax.data.pairs import Pairs, Places


def doubts(pairs: Pairs) -> list[str]:
    """What makes error rates on a list say less than they seem to, in sentences.

    An image that is paired with itself, pairs that are there several times, and pairs
    of one kind alone. That one pair has both labels is refused by `open_pairs`.

    Args:
        pairs: Labelled pairs.

    Returns:
        One sentence for each doubt, none for a list without.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> doubts(open_pairs(sample_pairs()))[0][:46]
        '15 of 30 pairs repeat an earlier one, 15 of th'
    """
    return [*_selves(pairs), *_repeats(pairs), *_one_kind(pairs)]


def _selves(pairs: Pairs) -> list[str]:
    same, found = pairs.probe == pairs.gallery, []
    for kind, way in ((True, "low"), (False, "high")):
        rows = np.flatnonzero(same & (pairs.genuine == kind))
        if rows.size:
            total = int((pairs.genuine == kind).sum())
            found.append(
                f"{rows.size} of {total} {_kind(kind)} pairs hold one image twice, "
                "whose cosine is 1 whatever the network: error rates come out too "
                f"{way} (the first: {_brief(pairs, int(rows[0]))})"
            )
    return found


def _repeats(pairs: Pairs) -> list[str]:
    low = np.minimum(pairs.probe, pairs.gallery)
    ordered = _later(pairs.probe * len(pairs.images) + pairs.gallery)
    rows = _later(low * len(pairs.images) + np.maximum(pairs.probe, pairs.gallery))
    if not rows.size:
        return []
    swapped = np.setdiff1d(rows, ordered).size
    exchanged = f", {swapped} of them with the images exchanged" if swapped else ""
    return [
        f"{rows.size} of {len(pairs)} pairs repeat an earlier one{exchanged}: they "
        f"count again (the first: {_brief(pairs, int(rows[0]))})"
    ]


def _brief(pairs: Pairs, i: int) -> str:
    """Pair i, counted from 1, by the names of its files without their folders."""
    sides = (pairs.images[int(side[i])] for side in (pairs.probe, pairs.gallery))
    return f"pair {i + 1}, {' | '.join(map(os.path.basename, sides))}"


def _later(keys: Places) -> np.ndarray:
    """Rows whose key an earlier row has, ascending."""
    _, first = np.unique(keys, return_index=True)
    return np.setdiff1d(np.arange(keys.size), first)


def _one_kind(pairs: Pairs) -> list[str]:
    genuine = int(pairs.genuine.sum())
    if 0 < genuine < len(pairs):
        return []
    return [
        f"all {len(pairs)} pairs are {_kind(genuine > 0)}: error rates need "
        f"{_kind(genuine == 0)} pairs too"
    ]


def _kind(genuine: bool) -> str:
    return "genuine" if genuine else "impostor"
