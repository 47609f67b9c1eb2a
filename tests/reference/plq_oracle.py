"""PLQ once more, slowly: central differences in float64, one grey level at a time."""

import numpy as np


def gradient(embed, image, quality, regression, step=1e-3):
    """Gradient per grey level, from a NumPy embedder of images in [0, 1]."""

    def node_input(grey):
        raw = embed(grey / 255)
        return raw / np.linalg.norm(raw) if regression == "uniform" else raw

    grey = 255 * np.asarray(image, np.float64)
    here = node_input(grey)
    if regression == "uniform":
        weights = np.full(len(here), quality / np.sum(here))
    else:
        weights = quality * here / np.dot(here, here)
    slopes = np.zeros(grey.shape)
    for pixel in np.ndindex(grey.shape):
        ends = []
        for sign in (1, -1):
            moved = grey.copy()
            moved[pixel] += sign * step
            ends.append(weights @ node_input(moved))
        slopes[pixel] = (ends[0] - ends[1]) / (2 * step)
    return slopes


def quality_map(gradient, gamma):
    magnitude = np.abs(np.asarray(gradient, np.float64)).mean(axis=2)
    return 1 - 1 / (1 + 10**gamma * magnitude**2)


def calibrate(qualities, gradients):
    low, high = np.percentile(np.asarray(qualities, np.float64), [10, 90])
    slope = 2 * np.log(9) / (high - low)
    median = np.median(np.asarray(gradients, np.float64))
    return (low + high) / 2, slope, -2 * np.log10(median)
