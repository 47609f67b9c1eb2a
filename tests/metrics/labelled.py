"""Labelled scores that several tests share."""

import numpy as np


def pairs(rng, n, values):
    """Scores on a coarse grid, so that most are tied, and both kinds of pairs."""
    genuine = rng.random(n) < rng.uniform(0.2, 0.8)
    genuine[:2] = [True, False]
    scores = rng.integers(0, values, n) + genuine * rng.integers(0, values)
    return (scores / 64).astype(np.float32), rng.permutation(genuine)
