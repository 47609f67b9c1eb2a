import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fxai_jax.data.images import load_image
from fxai_jax.runners.faces import image_key
from fxai_jax.runners.streaming import find_images, run_images

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
    assert [r.path for r in found] == [r.path for r in expected]
    for a, b in zip(found, expected, strict=True):
        for name in b.values:
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
        image = load(record.path)
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
    bad = {r.path.name: r.error for r in records if r.error is not None}
    assert sorted(bad) == ["02.png", "05.png", "11.png"]
    assert "50 x 50" in bad["05.png"]
    good = [r.path for r in records if r.error is None]
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


def test_progress_is_drawn_where_it_is_told(folder):
    console = Console(record=True, force_terminal=True, width=80)
    run(find_images([folder]), progress=console)
    assert "11/11" in console.export_text()
