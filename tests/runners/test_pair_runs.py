import io
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from fxai_jax.data.faces import sample_pairs
from fxai_jax.data.pair_sets import limit_pairs, open_pairs, take_pairs
from fxai_jax.runners.faces import image_key
from fxai_jax.runners.pair_runs import run_pairs

SIZE = (6, 5)


def compare(scale, key, probe, gallery):
    """A stand-in for a method: it tells the two images apart, and is random."""
    return {
        "difference": scale * (2 * probe - gallery).mean(),
        "noise": jax.random.normal(key),
    }


def run(pairs, function=compare, **options):
    return run_pairs(function, jnp.float32(3), jax.random.key(5), pairs, **options)


@pytest.fixture
def packed(tmp_path, rng):
    """Ten pairs of PNG images; what is given replaces some of the images."""

    def write(damage=()):
        images = []
        for _ in range(20):
            stream = io.BytesIO()
            pixels = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(stream, "PNG")
            images.append(stream.getvalue())
        images[3] = images[0]
        for place, content in dict(damage).items():
            images[place] = content
        path = tmp_path / "faces.bin"
        path.write_bytes(pickle.dumps((images, [True, False] * 5), 4))
        return open_pairs(path, size=SIZE)

    return write


def assert_same(found, expected):
    assert [r.name for r in found] == [r.name for r in expected]
    assert [r.error for r in found] == [r.error for r in expected]
    for a, b in zip(found, expected, strict=True):
        assert a.values.keys() == b.values.keys()
        for name in b.values:
            np.testing.assert_allclose(a.values[name], b.values[name], rtol=1e-5)


def test_values_are_those_of_a_loop_over_pairs(packed):
    pairs = packed()
    records = run(pairs, batch_size=4)
    assert records[1].name == "1: image 2 of faces.bin | image 0 of faces.bin"
    assert len({r.name for r in records}) == 10
    for i, record in enumerate(records):
        probe = pairs.read(int(pairs.probe[i]))
        gallery = pairs.read(int(pairs.gallery[i]))
        key = image_key(jax.random.key(5), probe, gallery)
        expected = compare(3.0, key, jnp.asarray(probe), jnp.asarray(gallery))
        for name, value in expected.items():
            found = record.values[name]
            np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 4])
def test_batch_size_and_devices_change_nothing(packed, count):
    pairs = packed()
    expected = run(pairs, devices=jax.devices()[:1])
    for batch_size in (1, 7, 8):
        options = {"batch_size": batch_size, "devices": jax.devices()[:count]}
        assert_same(run(pairs, **options), expected)


def test_a_corrupt_image_costs_its_own_pairs_only(packed):
    pairs = packed({0: b"\x89PNG", 9: b"", 3: b"\x89PNG"})
    records = run(pairs, batch_size=4)
    errors = {i: r.error for i, r in enumerate(records) if r.error is not None}
    assert sorted(errors) == [0, 1, 4]
    assert errors[0].startswith("image 0 of faces.bin: this is not an image")
    assert errors[1] == errors[0]
    assert errors[4].startswith("image 9 of faces.bin: found no bytes")
    rest = np.array([2, 3, 5, 6, 7, 8, 9])
    alone = run(take_pairs(pairs, rest))
    for i, record in zip(rest, alone, strict=True):
        assert_same([records[i]._replace(name="")], [record._replace(name="")])


def test_a_run_that_was_cut_off_goes_on(packed, tmp_path):
    pairs, journal = packed(), tmp_path / "pairs.journal"
    options = {"journal": journal, "fingerprint": {"list": "faces.bin"}}
    expected = run(pairs, batch_size=4, **options)
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:6]) + lines[6][:9])
    seen = []

    def watched(i):
        seen.append(i)
        return pairs.read(i)

    assert_same(run(pairs._replace(read=watched), batch_size=4, **options), expected)
    assert len(seen) == 10
    assert journal.read_text() == "".join(lines)
    with pytest.raises(ValueError, match="other options"):
        run(pairs, journal=journal, fingerprint={"list": "lfw.bin"})


def test_a_pair_that_is_listed_twice_has_two_names(packed):
    pairs = take_pairs(packed(), np.array([4, 4, 2]))
    first, again, _ = run(pairs)
    assert first.name != again.name
    assert first.values == again.values


def test_pairs_of_a_list_of_files():
    pairs = limit_pairs(open_pairs(sample_pairs()), 6, seed=1)
    records = run(pairs, lambda model, key, a, b: {"same": (a == b).all()})
    assert [r.values["same"].tolist() for r in records] == [False] * 6
    path = pairs.images[int(pairs.gallery[5])]
    assert records[5].name.endswith(f" | {path}")
