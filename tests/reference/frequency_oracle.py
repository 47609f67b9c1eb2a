"""Frequency bands once more, slowly: DFT matrices in float64, rings by counting."""

import math

import numpy as np


def band_of(u, v, size, width, shape, corners):
    """Index of the band of one frequency, or None."""
    whole = math.isqrt(u * u + v * v) if shape == "radial" else max(abs(u), abs(v))
    nyquist = min(size) // 2
    count = math.ceil(nyquist / width)
    if u == v == 0:
        return None
    if whole < nyquist:
        return whole // width
    return {"own": count, "merge": count - 1, "drop": None}[corners]


def masks(size, width, shape, corners):
    count = math.ceil(min(size) // 2 / width) + (corners == "own")
    out = np.zeros((count, *size), bool)
    for i, j in np.ndindex(*size):
        band = band_of(i - size[0] // 2, j - size[1] // 2, size, width, shape, corners)
        if band is not None:
            out[band, i, j] = True
    return out


def remove_band(image, mask):
    """Subtracts the band, as a sum of complex waves."""
    image = np.asarray(image, np.float64)
    rows, columns = (waves(n) for n in image.shape[:2])
    spectrum = np.einsum("uh,hwc,vw->uvc", rows.conj(), image, columns.conj())
    band = np.einsum("uh,uvc,vw->hwc", rows, spectrum * mask[:, :, None], columns)
    return image - band.real / (image.shape[0] * image.shape[1])


def waves(n):
    frequencies = np.arange(n) - n // 2
    return np.exp(2j * np.pi * np.outer(frequencies, np.arange(n)) / n)


def cosine(x, y):
    return x @ y / np.linalg.norm(x) / np.linalg.norm(y)


def resampled_means(influence, identities, groups, group_count, drawn):
    """Means per group after drawing persons, by writing every drawn pair out."""
    rows = []
    for pair, (a, b) in enumerate(identities):
        for first in drawn:
            if first != a:
                continue
            rows += [pair] if a == b else [pair for second in drawn if second == b]
    rows = np.array(rows, int)
    everyone = influence[rows].mean(axis=0)
    means = [
        influence[rows[groups[rows] == g]].mean(axis=0) for g in range(group_count)
    ]
    return np.array(means), np.array(means) - everyone
