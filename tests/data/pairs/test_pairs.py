import io
import os
import pickle
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from fxai_jax.data.pairs import Pairs, open_pairs
from fxai_jax.data.samples import sample_face, sample_pairs, sample_path


def encoded(rng, size=(112, 112), kind="JPEG"):
    stream = io.BytesIO()
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def numbered(genuine):
    """Pairs without images, each of which is told by its number."""
    n = len(genuine)
    places = np.arange(2 * n)
    names = [str(i) for i in places]
    groups = {"number": [str(i) for i in range(n)]}

    def nothing(i):
        raise ValueError(f"{i} is not to be read")

    return Pairs(
        images=names,
        read=nothing,
        measure=nothing,
        probe=places[::2],
        gallery=places[1::2],
        genuine=np.array(genuine),
        groups=groups,
    )


def numbers(pairs):
    return [int(text) for text in pairs.groups["number"]]


@pytest.fixture
def packed(tmp_path):
    def write(content, name="lfw.bin"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(content, 4))
        return path

    return write


def test_the_sample_pairs_are_all_ordered_ones():
    pairs = open_pairs(sample_pairs())
    names = [os.path.basename(name).split(".")[0] for name in pairs.images]
    assert sorted(names) == ["a_1", "a_2", "a_3", "a_partial", "b_1", "c_1"]
    found = [
        (names[a], names[b]) for a, b in zip(pairs.probe, pairs.gallery, strict=True)
    ]
    assert len(set(found)) == 30
    assert all(a != b for a, b in found)
    assert pairs.genuine.tolist() == [a[0] == b[0] for a, b in found]
    assert pairs.genuine.sum() == 12
    assert pairs.groups == {
        "crop": ["partial" if "a_partial" in pair else "whole" for pair in found]
    }
    for i, name in enumerate(names):
        np.testing.assert_array_equal(pairs.read(i), sample_face(name))
        assert pairs.measure(i) == (112, 112)


def test_lists_in_the_style_of_lfw(tmp_path):
    for name, person in (("a_1", "ann"), ("a_2", "ann"), ("b_1", "bob")):
        folder = tmp_path / "faces" / person
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample_path(name), folder / f"{person}_000{name[-1]}.png")
    path = tmp_path / "pairs.txt"
    path.write_text("1\nann\t1\t2\nann\t2\tbob\t1\n")
    pairs = open_pairs(str(path), root=tmp_path / "faces")
    assert [os.path.basename(name) for name in pairs.images] == [
        "ann_0001.png",
        "ann_0002.png",
        "bob_0001.png",
    ]
    assert (pairs.probe.tolist(), pairs.gallery.tolist()) == ([0, 1], [1, 2])
    assert pairs.genuine.tolist() == [True, False]
    assert pairs.groups == {"fold": ["0", "0"]}
    np.testing.assert_array_equal(pairs.read(2), sample_face("b_1"))
    with pytest.raises(FileNotFoundError, match="3 of 3 images are missing"):
        open_pairs(path)


def test_an_image_of_several_pairs_is_there_once(rng, packed):
    a, b, c = (encoded(rng) for _ in range(3))
    pairs = open_pairs(packed(([a, b, c, a, a, a], [True, False, True]), "x.data"))
    assert pairs.images == [
        "image 0 of x.data",
        "image 1 of x.data",
        "image 2 of x.data",
    ]
    assert pairs.probe.tolist() == [0, 2, 0]
    assert pairs.gallery.tolist() == [1, 0, 0]
    assert pairs.genuine.tolist() == [True, False, True]
    assert pairs.groups == {}
    for i, content in enumerate((a, b, c)):
        expected = np.asarray(Image.open(io.BytesIO(content))) / np.float32(255)
        np.testing.assert_array_equal(pairs.read(i), expected)


def test_damaged_images_of_a_packed_benchmark_cost_nothing_else(rng, packed):
    whole, cut = encoded(rng), encoded(rng)[:4000]
    images = [whole, cut, b"", b"not an image", encoded(rng, (96, 112)), whole]
    pairs = open_pairs(packed((images, [True, False, True])))
    assert pairs.read(0).shape == (112, 112, 3)
    for i, message in (
        (1, "the JPEG image is truncated or corrupt"),
        (2, "found no bytes"),
        (3, "this is not an image that can be read"),
        (4, r"found 96 x 112 pixels.*expected\s112 x 112"),
    ):
        with pytest.raises(ValueError, match=rf"image {i} of lfw\.bin: {message}"):
            pairs.read(i)
    assert [pairs.measure(i) for i in (0, 1, 4)] == [(112, 112), (112, 112), (96, 112)]
    for i in (2, 3):
        with pytest.raises(ValueError, match=rf"image {i} of lfw\.bin: this is not"):
            pairs.measure(i)
    loose = open_pairs(packed((images, [True, False, True])), size=None)
    assert loose.read(4).shape == (96, 112, 3)


def test_damaged_files_of_a_list_cost_nothing_else(rng, tmp_path):
    (tmp_path / "good.jpg").write_bytes(encoded(rng, (40, 30)))
    (tmp_path / "bad.jpg").write_bytes(encoded(rng, (40, 30))[:900])
    (tmp_path / "none.jpg").touch()
    path = tmp_path / "list.csv"
    path.write_text("probe,gallery,genuine\ngood.jpg,bad.jpg,1\nnone.jpg,bad.jpg,0\n")
    pairs = open_pairs(path, size=(40, 30))
    places = {os.path.basename(name): i for i, name in enumerate(pairs.images)}
    assert pairs.read(places["good.jpg"]).shape == (40, 30, 3)
    assert pairs.measure(places["bad.jpg"]) == (40, 30)
    for name, message in (("bad.jpg", "truncated"), ("none.jpg", "an empty file")):
        with pytest.raises(ValueError, match=rf"{name}: .*{message}"):
            pairs.read(places[name])
    with pytest.raises(ValueError, match=r"good\.jpg: found 40 x 30.*expected 112 x"):
        open_pairs(path).read(places["good.jpg"])
    os.remove(tmp_path / "good.jpg")
    for function in (pairs.read, pairs.measure):
        with pytest.raises(FileNotFoundError, match=r"good\.jpg"):
            function(places["good.jpg"])


class Payload:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_planted_payload_does_not_run(rng, tmp_path, packed):
    mark = str(tmp_path / "ran")
    images = [encoded(rng), encoded(rng)]
    for content in (
        Payload(mark),
        ([Payload(mark), images[1]], [True]),
        (images, [Payload(mark)]),
        (images, [True], Payload(mark)),
    ):
        for name in ("lfw.bin", "list.csv"):
            with pytest.raises(ValueError, match="Nothing of it was executed"):
                open_pairs(packed(content, name))
            assert not os.path.exists(mark)
    pickle.loads(pickle.dumps(Payload(mark)))
    assert os.path.exists(mark)


def test_lists_that_are_missing_or_empty(tmp_path):
    for path in (tmp_path / "no.bin", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            open_pairs(path)
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="found an empty file"):
        open_pairs(tmp_path / "empty")


def test_pairs_are_taken_in_the_order_that_is_asked():
    pairs = numbered([True, False, True, False])
    taken = pairs.take(np.array([3, 0]))
    assert numbers(taken) == [3, 0]
    assert taken.genuine.tolist() == [False, True]
    assert (taken.probe.tolist(), taken.gallery.tolist()) == ([6, 0], [7, 1])
    assert numbers(pairs.take(np.array([], int))) == []


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.99])
def test_a_part_keeps_order_and_share(rng, share):
    genuine = rng.random(101) < share
    genuine[:2] = True, False
    pairs = numbered(genuine)
    smaller = set()
    for count in range(2, 101):
        part = pairs.limit(count, seed=3)
        found = numbers(part)
        assert found == sorted(set(found))
        assert len(found) == count
        assert part.genuine.tolist() == genuine[found].tolist()
        exact = np.clip(count * genuine.mean(), 1, count - 1)
        assert abs(part.genuine.sum() - exact) <= 0.5
        assert smaller <= set(found)
        smaller = set(found)


def test_a_part_is_random_but_made_again_by_its_seed(rng):
    pairs = numbered(rng.random(60) < 0.5)
    parts = [tuple(numbers(pairs.limit(20, seed=seed))) for seed in range(20)]
    assert len(set(parts)) == 20
    assert parts[4] == tuple(numbers(pairs.limit(20, seed=4)))
    chosen = Counter(i for seed in parts for i in seed)
    assert len(chosen) > 50


def test_parts_as_large_as_the_set_and_of_one_kind():
    both, one = numbered([True, False, False]), numbered([False] * 3)
    for count in (3, 4, 10**9):
        assert both.limit(count, seed=0) is both
    assert not one.limit(1, seed=0).genuine.any()
    assert numbered([True] * 3).limit(2, seed=0).genuine.all()
    for pairs, count, least in ((both, 1, 2), (both, 0, 2), (one, 0, 1), (one, -5, 1)):
        with pytest.raises(ValueError, match=f"{count} pairs .* at least {least}"):
            pairs.limit(count, seed=0)


def test_pairs_name_and_read_their_images():
    pairs = open_pairs(sample_pairs())
    one = pairs.take(np.array([7, 2]))
    probe, gallery = (one.images[side[0]] for side in (one.probe, one.gallery))
    assert one.name(0) == f"0: {probe} | {gallery}"
    for found, path in zip(one.read_pair(0), (probe, gallery), strict=True):
        stem = os.path.basename(path).removesuffix(".png")
        np.testing.assert_array_equal(found, sample_face(stem))
    assert one.used().tolist() == sorted({*one.probe.tolist(), *one.gallery.tolist()})
    assert pairs.used().tolist() == list(range(6))


def test_images_are_read_as_the_caller_wants():
    asked = []

    def read(path):
        asked.append(path)
        return np.zeros((4, 4, 3), np.float32)

    pairs = open_pairs(sample_pairs(), read=read)
    assert pairs.read(3).shape == (4, 4, 3)
    assert [str(path) for path in asked] == [pairs.images[3]]
