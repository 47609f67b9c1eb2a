"""SER-FIQ once more, slowly: every pair of passes, and the jackknife by leaving out."""

import itertools

import numpy as np


def quality(embeddings):
    rows = np.asarray(embeddings, np.float64)
    pairs = itertools.combinations(rows, 2)
    distances = [np.linalg.norm(x - y) for x, y in pairs]
    return 2 / (1 + np.exp(np.mean(distances)))


def standard_error(embeddings):
    count = len(embeddings)
    left_out = [quality(np.delete(embeddings, i, axis=0)) for i in range(count)]
    deviations = np.array(left_out) - np.mean(left_out)
    return np.sqrt((count - 1) / count * np.sum(deviations**2))
