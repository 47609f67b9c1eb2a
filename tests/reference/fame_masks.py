"""The masks of FAME's protocol, by NumPy's percentiles, one step after the other."""

import numpy as np


def masked(image, saliency, steps, mode):
    """The image at every step: what is above the percentile is black, or alone left."""
    shown = []
    for step in range(steps + 1):
        above = saliency > np.percentile(saliency, 100 - 100 * step / steps)
        kept = above if mode == "insertion" else ~above
        shown.append(image * kept[..., None])
    return np.stack(shown)


def accuracy_area(cosines, genuine, threshold):
    """Area under the accuracy of all pairs, in per cent."""
    right = [(column >= threshold) == genuine for column in np.asarray(cosines).T]
    return np.trapezoid(100 * np.mean(right, axis=1), dx=1 / (len(right) - 1))
