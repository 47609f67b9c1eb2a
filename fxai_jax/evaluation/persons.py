"""Who is in the images of a list: names, folders, or chains of genuine pairs."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from fxai_jax.data.pairs import Pairs

IDENTITIES = (("identity_a", "identity_b"), ("probe_identity", "gallery_identity"))
"""Columns of a list that say who is in the two images."""

LEVELS = 3
"""Folders above an image that may name its person."""

FEWEST = 10
"""Persons that must recur for them to be drawn, our own choice: of one alone every
resample is the list again, whose intervals would have no width."""


def with_persons(pairs: Pairs) -> tuple[Pairs, str]:
    """The pairs with columns of `IDENTITIES`, and how persons are told apart.

    Where the list has no such columns, folders name the persons if that agrees with
    every label: one folder in genuine pairs, two in impostor pairs. Elsewhere a person
    is what genuine pairs link. Images without a name are persons of their own.

    Example:
        >>> from fxai_jax.data.pairs import open_pairs
        >>> from fxai_jax.data.samples import sample_pairs
        >>> pairs, how = with_persons(open_pairs(sample_pairs()))
        >>> len(set(pairs.groups["identity_a"])), how
        (3, 'as far as genuine pairs link their images')
    """
    if columns := _named(pairs):
        texts = [pairs.groups[column] for column in columns]
        how = f"as the columns {' and '.join(columns)} name them"
    elif (folders := _folders(pairs)) is not None:
        texts = [[folders[i] for i in side] for side in (pairs.probe, pairs.gallery)]
        how = "as the folders of the images name them"
    else:
        person = [str(number) for number in image_persons(pairs)]
        texts = [[person[i] for i in side] for side in (pairs.probe, pairs.gallery)]
        how = "as far as genuine pairs link their images"
    sides = [
        [text or f"image {i}" for text, i in zip(each, side, strict=True)]
        for each, side in zip(texts, (pairs.probe, pairs.gallery), strict=True)
    ]
    groups = pairs.groups | dict(zip(IDENTITIES[0], sides, strict=True))
    return dataclasses.replace(pairs, groups=groups), how


def persons_of(pairs: Pairs) -> Int[np.ndarray, "n 2"]:
    """Numbers, from 0, of the persons in both images of each pair.

    Where the list has no columns of `IDENTITIES`, every pair is a person of its own.
    """
    if not (columns := _named(pairs)):
        return np.stack([np.arange(len(pairs))] * 2, axis=1)
    texts = np.array([pairs.groups[column] for column in columns])
    return np.unique(texts, return_inverse=True)[1].reshape(texts.shape).T


def image_persons(pairs: Pairs) -> Int[np.ndarray, " m"]:
    """Number of the person in each image, as far as names and genuine pairs say."""
    from scipy.sparse import coo_array  # slow to import, and used here alone
    from scipy.sparse.csgraph import connected_components

    images, same = len(pairs.images), pairs.genuine
    ends = [(pairs.probe[same], pairs.gallery[same])]
    size = images
    if _named(pairs):  # a name is one more place, linked with its images
        persons = persons_of(pairs)
        size += int(persons.max()) + 1
        ends += [(pairs.probe, images + persons[:, 0])]
        ends += [(pairs.gallery, images + persons[:, 1])]
    rows, columns = (np.concatenate(side) for side in zip(*ends, strict=True))
    links = coo_array((np.ones(rows.size), (rows, columns)), shape=(size, size))
    return connected_components(links, directed=False)[1][:images]


def drawn_persons(pairs: Pairs) -> Int[np.ndarray, "n 2"]:
    """The persons that intervals draw: `persons_of`, if enough of them recur.

    Elsewhere every pair is a person of its own, so that pairs are drawn.
    """
    persons = persons_of(pairs)
    if _recurring(persons) >= FEWEST:
        return persons
    return np.stack([np.arange(len(pairs))] * 2, axis=1)


def interval_note(pairs: Pairs, how: str) -> str:
    """Over what the intervals of an evaluation are."""
    count = _recurring(persons_of(pairs))
    if not count:
        return f"Intervals draw pairs: nobody recurs in them, {how}."
    if count < FEWEST:
        return (
            f"Intervals draw pairs, and are too narrow: pairs of one person are alike, "
            f"and of the {count} who recur, {how}, there are too few to draw them."
        )
    return (
        f"Intervals draw persons, not pairs; {count} recur, {how}. Where one is taken "
        f"for two they are too narrow, and so are those of rows in which fewer than "
        f"{FEWEST} recur: these draw pairs."
    )


def _recurring(persons: Int[np.ndarray, "n 2"]) -> int:
    """How many persons are in more than one pair."""
    once = np.where(persons[:, 0] == persons[:, 1], -1, persons[:, 1])
    numbers, times = np.unique([persons[:, 0], once], return_counts=True)
    return int((times[numbers >= 0] > 1).sum())


def _named(pairs: Pairs) -> tuple[str, ...]:
    """The columns of `IDENTITIES` that the list has."""
    both = (columns for columns in IDENTITIES if set(columns) <= set(pairs.groups))
    return next(both, ())


def _folders(pairs: Pairs) -> Sequence[str] | None:
    """The folder of each image that is its person's, if one level of folders is."""
    if pairs.genuine.all() or not pairs.genuine.any():
        return None
    folders = list(pairs.images)
    for _ in range(LEVELS):
        folders = [os.path.dirname(folder) for folder in folders]
        number = np.unique(folders, return_inverse=True)[1]
        if np.array_equal(number[pairs.probe] == number[pairs.gallery], pairs.genuine):
            return folders
    return None
