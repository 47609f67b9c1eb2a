import numpy as np
import pytest

from fxai_jax.data.pairs import Pairs, open_pairs
from fxai_jax.data.pairs.doubts import doubts
from fxai_jax.data.samples import sample_pairs


def listed(probe, gallery, genuine):
    """Pairs by the places of images that nobody reads."""
    return Pairs(
        images=[f"{i}.png" for i in range(9)],
        read=lambda i: pytest.fail(f"image {i} is read"),
        measure=lambda i: pytest.fail(f"image {i} is measured"),
        probe=np.array(probe, int),
        gallery=np.array(gallery, int),
        genuine=np.array(genuine, bool),
    )


def test_lists_without_doubts():
    assert doubts(listed([0, 1], [1, 2], [1, 0])) == []


def test_the_sample_pairs_are_there_in_both_orders():
    (only,) = doubts(open_pairs(sample_pairs()))
    assert only.startswith(
        "15 of 30 pairs repeat an earlier one, 15 of them with the images exchanged: "
    )
    assert only.endswith("(the first: pair 6, a_2.png | a_1.png)")


def test_an_image_paired_with_itself():
    low, high = doubts(listed([0, 3, 1, 4], [1, 3, 2, 4], [1, 1, 0, 0]))
    assert low.startswith("1 of 2 genuine pairs hold one image twice, whose cosine is")
    assert low.endswith("come out too low (the first: pair 2, 3.png | 3.png)")
    assert high.startswith("1 of 2 impostor pairs hold one image twice")
    assert high.endswith("come out too high (the first: pair 4, 4.png | 4.png)")


def test_lists_of_one_kind():
    one, two = listed([0, 1], [1, 2], [1, 1]), listed([0, 1], [1, 2], [0, 0])
    assert doubts(one) == [
        "all 2 pairs are genuine: error rates need impostor pairs too"
    ]
    assert doubts(two) == [
        "all 2 pairs are impostor: error rates need genuine pairs too"
    ]


def test_repeated_pairs_are_counted_as_a_loop_counts_them(rng):
    probe, gallery = rng.integers(0, 5, (2, 40))
    gallery += probe == gallery
    pairs = listed(probe, gallery, np.arange(40) % 2)
    seen, ordered, repeated, swapped = set(), set(), [], 0
    for i, (a, b) in enumerate(zip(probe.tolist(), gallery.tolist(), strict=True)):
        if frozenset((a, b)) in seen:
            repeated.append(i)
            swapped += (a, b) not in ordered
        seen.add(frozenset((a, b)))
        ordered.add((a, b))
    (only,) = doubts(pairs)
    exchanged = f", {swapped} of them with the images exchanged" if swapped else ""
    assert only.startswith(f"{len(repeated)} of 40 pairs repeat an earlier one")
    assert exchanged in only
    assert f"(the first: pair {repeated[0] + 1}, " in only
