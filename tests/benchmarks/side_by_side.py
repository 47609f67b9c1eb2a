"""Times two ways of doing the same work in turn, A B A B, and prints the ratio."""

import statistics
import time


def compare(title, ours, theirs, rounds=5):
    """Prints medians in ms and the median of the ratios of neighbouring runs.

    Both are called once before, which compiles ours.
    """
    ours(), theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"{title}: ours {1e3 * mine:.1f} ms, PyTorch {1e3 * other:.1f} ms, "
        f"{statistics.median(ratios):.2f}x faster ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def _seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
