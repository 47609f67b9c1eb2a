"""FGGB once more, slowly: the whole Jacobian in float64, one channel after another."""

import numpy as np


def explain(jacobian, probe, gallery, threshold, gradient):
    """Maps from the Jacobian (d, h, w, c) of the raw embedding and two embeddings."""
    jacobian, probe, gallery = (
        np.asarray(x, np.float64) for x in (jacobian, probe, gallery)
    )
    norm = np.linalg.norm(probe)
    f, g = probe / norm, gallery / np.linalg.norm(gallery)
    shared = np.einsum("k,khwc->hwc", f, jacobian)
    total = np.zeros(jacobian.shape[1:])
    parts = {+1: total.copy(), -1: total.copy()}
    for k in range(len(f)):
        grad = (jacobian[k] - f[k] * shared) / norm
        weight = f[k] * g[k] - threshold / len(f)
        if gradient == "absolute":
            grad = np.abs(grad).mean(axis=-1, keepdims=True)
        grad = grad / (np.sqrt((grad**2).sum()) + 1e-8)
        total = total + weight * grad
        if gradient == "split":
            parts[+1 if weight > 0 else -1] += weight * grad
    if gradient != "split":
        signed = total.mean(axis=-1)
        return np.maximum(signed, 0), np.maximum(-signed, 0), signed
    similarity, dissimilarity = (np.abs(parts[s]).mean(axis=-1) for s in (+1, -1))
    return similarity, dissimilarity, similarity - dissimilarity
