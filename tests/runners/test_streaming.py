import json
import re
import time
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fxai_jax.data.images import load_image
from fxai_jax.runners.faces import image_key
from fxai_jax.runners.streaming import find_images, run_examples, run_images

SIZE = (6, 5)


def measure(scale, key, image):
    """A stand-in for a method: deterministic, random and array-valued parts."""
    return {
        "mean": scale * image.mean(),
        "noise": jax.random.normal(key),
        "rows": image.mean(axis=(1, 2)),
    }


def load(path):
    return load_image(path, size=SIZE)


@pytest.fixture
def folder(tmp_path, rng):
    faces = tmp_path / "faces" / "deep"
    faces.mkdir(parents=True)
    for i in range(11):
        pixels = rng.integers(0, 256, size=(*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(faces / f"{i:02}.png")
    return tmp_path / "faces"


def run(paths, function=measure, **options):
    return run_images(
        function, jnp.float32(2), jax.random.key(7), paths, load, **options
    )


def assert_same(found, expected):
    assert [r.name for r in found] == [r.name for r in expected]
    for a, b in zip(found, expected, strict=True):
        assert a.values.keys() == b.values.keys()
        assert a.error == b.error
        for name in b.values:
            assert a.values[name].dtype == b.values[name].dtype
            np.testing.assert_allclose(a.values[name], b.values[name], rtol=1e-6)


def test_images_are_found_in_folders_once_and_in_order(folder):
    paths = find_images([folder, folder / "deep" / "03.png"])
    assert [path.name for path in paths] == [f"{i:02}.png" for i in range(11)]
    (folder / "notes.txt").write_text("x")
    assert find_images([folder]) == paths
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_images([folder / "nowhere"])
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="no images"):
        find_images([empty])


def test_values_are_those_of_a_loop(folder):
    paths = find_images([folder])
    for record in run(paths, batch_size=4):
        image = load(Path(record.name))
        key = image_key(jax.random.key(7), image)
        expected = measure(2.0, key, jnp.asarray(image))
        for name, value in expected.items():
            np.testing.assert_allclose(record.values[name], value, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 8, 11, 64])
@pytest.mark.parametrize("count", [1, 4])
def test_batch_size_and_devices_change_nothing(folder, batch_size, count):
    paths = find_images([folder])
    devices = jax.devices()[:count]
    expected = run(paths, batch_size=11, devices=jax.devices()[:1])
    assert_same(run(paths, batch_size=batch_size, devices=devices), expected)


def test_the_order_of_the_files_changes_nothing(folder):
    paths = find_images([folder])
    assert_same(run(paths[::-1])[::-1], run(paths))


def test_it_compiles_once(folder):
    traces = []

    def counted(*args):
        traces.append(args)
        return measure(*args)

    run(find_images([folder]), counted, batch_size=4)
    assert len(traces) == 1


def test_bad_files_are_reported_and_cost_nothing_else(folder):
    deep = folder / "deep"
    (deep / "02.png").write_bytes(b"not an image")
    Image.new("RGB", (50, 50)).save(deep / "05.png")
    (deep / "11.png").write_bytes((deep / "01.png").read_bytes()[:60])
    records = run(find_images([folder]), batch_size=4)
    bad = {Path(r.name).name: r.error for r in records if r.error is not None}
    assert sorted(bad) == ["02.png", "05.png", "11.png"]
    assert "50 x 50" in bad["05.png"]
    good = [Path(r.name) for r in records if r.error is None]
    assert_same([r for r in records if r.error is None], run(good))


def test_values_that_are_not_finite_are_reported(folder):
    def broken(scale, key, image):
        return {"value": jnp.log(image[0, 0, 0] - 2)}

    records = run(find_images([folder]), broken)
    assert all("not finite" in record.error for record in records)


def test_a_run_that_was_cut_off_goes_on(folder, tmp_path):
    paths = find_images([folder])
    journal = tmp_path / "out" / "run.journal"
    expected = run(paths, batch_size=4, journal=journal, fingerprint={"passes": 3})
    lines = journal.read_text().splitlines()
    assert len(lines) == 12
    journal.write_text("\n".join(lines[:6]) + "\n" + lines[6][:20])
    seen = []

    def watched(path):
        seen.append(path)
        return load(path)

    found = run_images(
        measure,
        jnp.float32(2),
        jax.random.key(7),
        paths,
        watched,
        batch_size=4,
        journal=journal,
        fingerprint={"passes": 3},
    )
    assert_same(found, expected)
    assert len(seen) == 6
    assert len(journal.read_text().splitlines()) == 12
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_bad_file_is_tried_again(folder, tmp_path):
    paths = find_images([folder])
    journal = tmp_path / "run.journal"
    good = paths[4].read_bytes()
    paths[4].write_bytes(b"")
    assert run(paths, journal=journal)[4].error is not None
    paths[4].write_bytes(good)
    assert run(paths, journal=journal)[4].error is None


def test_the_journal_of_another_run_is_refused(folder, tmp_path):
    paths, journal = find_images([folder]), tmp_path / "run.journal"
    run(paths, journal=journal, fingerprint={"passes": 3})
    with pytest.raises(ValueError, match="other options or another network"):
        run(paths, journal=journal, fingerprint={"passes": 4})


def test_a_journal_of_images_from_before_examples_had_names(folder, tmp_path):
    paths, journal = find_images([folder]), tmp_path / "run.journal"
    expected = run(paths, journal=journal)
    journal.write_text(journal.read_text().replace('{"name": ', '{"path": '))
    assert_same(run(paths, load_nothing, journal=journal), expected)


def load_nothing(*_):
    raise AssertionError("everything is in the journal")


def test_a_file_that_is_named_twice_is_computed_once(folder):
    paths = find_images([folder])[:2]
    records = run([*paths, paths[0]])
    assert [r.name for r in records] == [str(p) for p in (*paths, paths[0])]
    assert records[0] is records[2]


def test_the_key_of_one_image_is_that_of_its_pixels(rng, key):
    image = rng.random((4, 3, 3), np.float32)
    digest = zlib.crc32(image.tobytes())
    for same in (image, jnp.asarray(image), np.asfortranarray(image)):
        assert image_key(key, same) == jax.random.fold_in(key, digest)
    other = rng.random((4, 3, 3), np.float32)
    digest = zlib.crc32(image.tobytes() + other.tobytes())
    assert image_key(key, image, other) == jax.random.fold_in(key, digest)
    assert image_key(key, other, image) != image_key(key, image, other)


def weigh(scale, key, image, mask, number):
    """A stand-in for a method of several arrays of different ranks and types."""
    weights = jnp.where(mask, 1.0, 0.0)[..., None]
    return {
        "sum": scale * (image * weights).sum(),
        "noise": jax.random.normal(key, (2,)),
        "order": number + jnp.arange(3, dtype=jnp.int32),
        "mask": mask,
    }


@pytest.fixture
def examples(rng):
    return [
        (
            rng.random((*SIZE, 3), np.float32),
            rng.random(SIZE) < 0.5,
            np.array(rng.integers(9), np.int32),
        )
        for _ in range(9)
    ]


NAMES = [f"example {i}" for i in range(9)]


def run_weigh(examples, **options):
    return run_examples(
        weigh,
        jnp.float32(2),
        jax.random.key(7),
        NAMES[: len(examples)],
        options.pop("load", lambda i: examples[i]),
        **options,
    )


def test_examples_of_several_arrays_are_those_of_a_loop(examples):
    for i, record in enumerate(run_weigh(examples, batch_size=4)):
        key = image_key(jax.random.key(7), *examples[i])
        expected = weigh(2.0, key, *map(jnp.asarray, examples[i]))
        assert record.name == NAMES[i]
        for name, value in expected.items():
            assert record.values[name].dtype == value.dtype
            np.testing.assert_allclose(record.values[name], value, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 8, 64])
@pytest.mark.parametrize("count", [1, 4])
def test_examples_do_not_depend_on_batch_size_and_devices(examples, batch_size, count):
    expected = run_weigh(examples, batch_size=9, devices=jax.devices()[:1])
    options = {"batch_size": batch_size, "devices": jax.devices()[:count]}
    assert_same(run_weigh(examples, **options), expected)


@pytest.mark.parametrize("batch_size", [2, 4])
def test_bad_examples_cost_nothing_else(examples, batch_size):
    image, mask, number = examples[0]
    bad = {
        1: (ValueError("one\nline"), "one line"),
        2: (OSError("gone"), "gone"),
        3: (FileNotFoundError("nowhere"), "nowhere"),
        4: (
            (image[1:], mask[1:], number),
            r"example 4: .*float32\[5, 5, 3\].*\[6, 5, 3",
        ),
        6: ((image, mask), "example 6: found arrays float32.*expected .*int32"),
        7: ((image, mask, np.float32(3)), r"example 7: .*float32\[\], exp.*int32\[\]"),
        8: ((np.full_like(image, np.nan), mask, number), "example 8: .* not finite"),
    }

    def load(i):
        found = bad.get(i, (examples[i],))[0]
        if isinstance(found, Exception):
            raise found
        return found

    expected = run_weigh(examples)
    found = run_weigh(examples, load=load, batch_size=batch_size)
    assert_same([found[i] for i in (0, 5)], [expected[i] for i in (0, 5)])
    for i, (_, message) in bad.items():
        assert found[i].name == NAMES[i]
        assert found[i].values == {}
        assert re.search(message, found[i].error)


def test_doubles_and_long_integers_are_those_of_the_device(examples):
    def load(i):
        image, mask, number = examples[i]
        exact = image.astype(np.float64), mask, np.int64(number)
        return exact if i % 2 else (image, mask, number)

    assert_same(run_weigh(examples, load=load), run_weigh(examples))


def test_examples_go_on_where_they_stopped(examples, tmp_path):
    journal, seen = tmp_path / "run.journal", []
    expected = run_weigh(examples, journal=journal, batch_size=4)
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:5]))

    def watched(i):
        seen.append(i)
        return examples[i]

    found = run_weigh(examples, journal=journal, batch_size=4, load=watched)
    assert_same(found, expected)
    assert sorted(seen) == [4, 5, 6, 7, 8]
    assert journal.read_text() == "".join(lines)


def test_any_kind_of_key_and_no_examples(examples):
    def noise(model, key, *arrays):
        return {"noise": jax.random.normal(key)}

    for impl in ("threefry2x32", "rbg"):
        key = jax.random.key(3, impl=impl)
        (record,) = run_examples(noise, None, key, ["a"], lambda i: examples[i])
        expected = jax.random.normal(image_key(key, *examples[0]))
        assert record.values["noise"] == expected
    assert run_examples(noise, None, key, [], load_nothing) == []


def test_runs_that_cannot_be_are_refused(examples):
    for size in (0, -3):
        with pytest.raises(ValueError, match=f"at least 1 example, got {size}"):
            run_weigh(examples, batch_size=size)
    with pytest.raises(ValueError, match="2 examples with the name 'b'"):
        run_examples(weigh, None, jax.random.key(0), ["a", "b", "b"], load_nothing)


def test_a_mistake_in_the_program_is_not_swallowed(examples):
    with pytest.raises(AssertionError, match="everything"):
        run_weigh(examples, load=load_nothing)


def test_the_next_batch_is_read_while_the_devices_work(examples):
    read = []

    def load(i):
        read.append(i)
        return examples[i]

    def slow(scale, key, image, mask, number):
        def wait(x):
            while len(read) < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            return x

        shape = jax.ShapeDtypeStruct(number.shape, number.dtype)
        return {"n": jax.pure_callback(wait, shape, number, vmap_method="sequential")}

    deadline = time.monotonic() + 20
    device = jax.devices()[:1]
    records = run_examples(
        slow, jnp.float32(2), jax.random.key(0), NAMES[:4], load, **two(device)
    )
    assert time.monotonic() < deadline
    assert [r.values["n"] for r in records] == [x[2] for x in examples[:4]]


def two(devices):
    return {"batch_size": 2, "devices": devices}


def test_progress_is_drawn_where_it_is_told(folder):
    console = Console(record=True, force_terminal=True, width=80)
    run(find_images([folder]), progress=console, title="SER-FIQ [x]", batch_size=4)
    drawn = console.export_text()
    assert "SER-FIQ [x]" in drawn
    last = r"11/11 images, [\d.]+/s, 0:00:\d\d elapsed, 0:00:00 left"
    assert re.search(last, drawn)
