"""From whom the patches of another face are cut."""

import numpy as np
from jaxtyping import Int

from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.persons import image_persons

NOBODY = "the list has no other person to patch from"


def choose_donors(pairs: Pairs, *, seed: int) -> Int[np.ndarray, " n"]:
    """Place of the image that each pair's patches are cut from.

    Of an impostor pair its gallery image; of a genuine pair an image of another person
    as far as the list says, whom neither a name nor a chain of genuine pairs connects
    with it. -1 where there is none.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> pairs = open_pairs(sample_pairs())
        >>> donors, impostors = choose_donors(pairs, seed=0), ~pairs.genuine
        >>> bool((donors[impostors] == pairs.gallery[impostors]).all())
        True
    """
    rng = np.random.default_rng(seed)
    person, used = image_persons(pairs), pairs.used()
    donors = pairs.gallery.copy()
    for i in np.flatnonzero(pairs.genuine):
        others = used[person[used] != person[pairs.probe[i]]]
        donors[i] = rng.choice(others) if others.size else -1
    return donors
