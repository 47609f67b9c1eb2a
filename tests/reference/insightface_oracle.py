"""Accuracy and TAR over ten folds, a threshold and a pair at a time."""

import numpy as np


def rates(distances, same, threshold):
    """TAR, FAR and accuracy of pairs that are accepted below a distance."""
    count = {(a, b): 0 for a in (True, False) for b in (True, False)}
    for distance, label in zip(distances, same, strict=True):
        count[bool(distance < threshold), bool(label)] += 1
    genuine = count[True, True] + count[False, True]
    impostor = count[True, False] + count[False, False]
    right = count[True, True] + count[False, False]
    return (
        count[True, True] / genuine,
        count[True, False] / impostor,
        right / len(same),
    )


def over_folds(first, second, same, far, folds=10):
    """Mean and deviation of accuracy and of TAR, and mean FAR; embeddings are units."""
    distances = ((first - second) ** 2).sum(1)
    places = np.arange(len(same))
    accuracies, tars, fars = [], [], []
    for inside in np.array_split(places, folds):
        outside = np.setdiff1d(places, inside)
        other = distances[outside], same[outside]
        grid = [0.01 * step for step in range(400)]
        found = [rates(*other, threshold)[2] for threshold in grid]
        best = grid[found.index(max(found))]
        accuracies.append(rates(distances[inside], same[inside], best)[2])
        fine = [0.001 * step for step in range(4000)]
        reached = [np.mean(other[0][~other[1]] < threshold) for threshold in fine]
        threshold = 0.0
        if max(reached) >= far:
            above = next(i for i, rate in enumerate(reached) if rate > far)
            low, high = reached[above - 1], reached[above]
            threshold = fine[above - 1] + 0.001 * (far - low) / (high - low)
        tar, reached_far, _ = rates(distances[inside], same[inside], threshold)
        tars.append(tar)
        fars.append(reached_far)
    return (
        np.mean(accuracies),
        np.std(accuracies),
        np.mean(tars),
        np.std(tars),
        np.mean(fars),
    )
