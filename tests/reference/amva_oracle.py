"""AMVA once more, slowly: pixel by pixel, channel by channel, in float64."""

import numpy as np


def upsample(grid, size):
    """Bilinear with half-pixel centres; borders are repeated."""
    grid = np.asarray(grid, np.float64)
    out = np.zeros(size)
    for y, x in np.ndindex(*size):
        corners, shares = [], []
        for position, pixels, count in zip((y, x), size, grid.shape, strict=True):
            place = (position + 0.5) * count / pixels - 0.5
            place = min(max(place, 0), count - 1)
            low = int(np.floor(place))
            corners.append((low, min(low + 1, count - 1)))
            shares.append((1 - (place - low), place - low))
        for i in (0, 1):
            for j in (0, 1):
                value = grid[corners[0][i], corners[1][j]]
                out[y, x] += shares[0][i] * shares[1][j] * value
    return out


def stretch(x):
    return (x - x.min()) / (x.max() - x.min())


def channel_scores(embed, image, features, score, baseline):
    image = np.asarray(image, np.float64)
    reference = embed(image)
    scores = []
    for k in range(features.shape[2]):
        if np.ptp(features[:, :, k]) == 0:
            scores.append(0.0)
            continue
        mask = stretch(upsample(features[:, :, k], image.shape[:2]))[:, :, None]
        masked = embed(image * mask + np.asarray(baseline) * (1 - mask))
        norm = np.linalg.norm(masked)
        cosine = masked @ reference / norm / np.linalg.norm(reference)
        scores.append(cosine if score == "cosine" else norm)
    return np.array(scores)


def activation_map(activation, size):
    positive = np.maximum(upsample(activation, size), 0)
    return stretch(positive) if np.ptp(positive) > 0 else np.zeros(size)


def variation(maps, spread):
    """Mean, std, median and spread, pixel by pixel."""
    maps = np.asarray(maps, np.float64)
    n = len(maps)
    out = np.zeros((4, *maps.shape[1:]))
    for place in np.ndindex(maps.shape[1:]):
        values = sorted(maps[(slice(None), *place)])
        mean = sum(values) / n
        median = values[(n - 1) // 2]
        std = (sum((v - mean) ** 2 for v in values) / (n - 1)) ** 0.5
        squares = [(v - median) ** 2 for v in values]
        centre = sum(squares) / n
        out[(slice(None), *place)] = (
            mean,
            std,
            median,
            (sum((s - centre) ** 2 for s in squares) / (n - 1)) ** 0.5
            if spread == "release"
            else sorted(abs(v - median) for v in values)[(n - 1) // 2],
        )
    return out


def auroc(low, high):
    wins = [(a > b) + 0.5 * (a == b) for a in low for b in high]
    return float(np.mean(wins))
