import io
import pickle
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fxai_jax.data.images import load_image
from fxai_jax.data.pairs import open_pairs
from fxai_jax.data.samples import sample_path
from fxai_jax.runs.keys import image_key
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.running import run
from fxai_jax.runs.tasks import over_files, over_images, over_pairs

SIZE = (6, 5)


def compare(scale, key, probe, gallery):
    """A stand-in for a method: it tells the two images apart, and is random."""
    return {
        "difference": scale * (2 * probe - gallery).mean(),
        "noise": jax.random.normal(key),
    }


def mean(scale, key, image):
    return {"mean": scale * image.mean()}


def run_compare(pairs, **options):
    task = over_pairs("differences", compare, jnp.float32(3), pairs)
    return run(task, RunOptions(seed=5, **options))


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


def test_values_are_those_of_a_loop_over_pairs(packed):
    pairs = packed()
    task = over_pairs("differences", compare, jnp.float32(3), pairs)
    assert task.names[1] == "1: image 2 of faces.bin | image 0 of faces.bin"
    assert (len(set(task.names)), task.unit, task.batch_size) == (10, "pairs", 4)
    found = run(task, RunOptions(seed=5))
    for i in range(10):
        probe = pairs.read(int(pairs.probe[i]))
        gallery = pairs.read(int(pairs.gallery[i]))
        key = image_key(jax.random.key(5), probe, gallery)
        expected = compare(3.0, key, jnp.asarray(probe), jnp.asarray(gallery))
        for name, value in expected.items():
            np.testing.assert_allclose(
                found.values[name][i], value, rtol=1e-5, atol=1e-6
            )


def test_a_corrupt_image_costs_its_own_pairs_only(packed):
    pairs = packed({0: b"\x89PNG", 9: b"", 3: b"\x89PNG"})
    found = run_compare(pairs, batch_size=4)
    rest = np.array([2, 3, 5, 6, 7, 8, 9])
    assert found.rows.tolist() == rest.tolist()
    first, again, empty = found.errors
    assert first.startswith("image 0 of faces.bin: this is not an image")
    assert again == first
    assert empty.startswith("image 9 of faces.bin: found no bytes")
    alone = run_compare(pairs.take(rest))
    for name, value in alone.values.items():
        np.testing.assert_allclose(found.values[name], value, rtol=1e-5)


def test_a_pair_that_is_listed_twice_is_measured_twice(packed):
    found = run_compare(packed().take(np.array([4, 4, 2])))
    for value in found.values.values():
        assert value[0] == value[1] != value[2]


def test_images_of_pairs_are_run_once_each_in_their_order(packed):
    pairs = packed().take(np.array([1, 0, 7]))
    task = over_images("means", mean, jnp.float32(2), pairs)
    assert task.names == [f"image {i} of faces.bin" for i in (0, 1, 2, 14, 15)]
    found = run(task, RunOptions())
    expected = [2 * pairs.read(int(i)).mean() for i in pairs.used()]
    np.testing.assert_allclose(found.values["mean"], expected, rtol=1e-5)


def copies(folder, *names):
    """Sample faces as the files 0.png, 1.png and so on of a new folder."""
    folder.mkdir()
    for i, name in enumerate(names):
        shutil.copy(sample_path(name), folder / f"{i}.png")
    return sorted(folder.iterdir())


def run_means(paths, out, console=None):
    task = over_files("means", mean, jnp.float32(2), paths, load_image)
    found = run(task, RunOptions(resume=out, console=console)).values["mean"]
    expected = [2 * load_image(path).mean() for path in paths]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_image_that_changed_is_computed_again(tmp_path):
    paths, console = copies(tmp_path / "a", "a_1", "b_1"), Console(record=True)
    run_means(paths, tmp_path / "out", console)
    assert console.export_text() == ""
    shutil.copy(sample_path("c_1"), paths[1])
    run_means(paths, tmp_path / "out", console)
    assert " ".join(console.export_text().split()) == (
        "note: means: 1 of 2 images are those of an earlier run; 1 changed since and "
        "are computed again"
    )


def test_images_of_another_folder_are_other_images(tmp_path, monkeypatch):
    copies(tmp_path / "a", "a_1", "b_1")
    copies(tmp_path / "b", "b_1", "c_1")
    for folder in ("a", "b", "a"):
        monkeypatch.chdir(tmp_path / folder)
        run_means([Path("0.png"), Path("1.png")], tmp_path / "out")


def test_pairs_of_which_an_image_changed_are_computed_again(tmp_path):
    paths = copies(tmp_path / "a", "a_1", "b_1", "c_1")
    listed = tmp_path / "pairs.csv"
    listed.write_text("probe,gallery,genuine\na/0.png,a/1.png,0\na/1.png,a/2.png,0\n")

    def values():
        pairs = open_pairs(listed)
        task = over_pairs("differences", compare, jnp.float32(3), pairs)
        found = run(task, RunOptions(resume=tmp_path / "out")).values["difference"]
        return [
            (x, 3 * (2 * a - b).mean())
            for x, (a, b) in zip(found, map(pairs.read_pair, range(2)), strict=True)
        ]

    first = values()
    shutil.copy(sample_path("a_3"), paths[2])
    again = values()
    for found, expected in first + again:
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert first[0][0] == again[0][0]
    assert first[1][0] != again[1][0]


def test_a_packed_benchmark_that_changed_is_computed_again(packed, tmp_path):
    pairs = packed()
    task = over_images("means", mean, jnp.float32(2), pairs)
    stamps = [task.stamp(i) for i in range(len(task.names))]
    assert len(set(stamps)) == 1
    assert str(pairs.source) in stamps[0]


def test_files_are_named_by_their_paths():
    paths = [sample_path(name) for name in ("c_1", "a_1")]
    shared = jnp.float32(2)
    task = over_files("means", mean, shared, paths, load_image, batch_size=7)
    assert (task.names, task.batch_size) == ([str(path) for path in paths], 7)
    found = run(task, RunOptions()).values["mean"]
    expected = [2 * load_image(path).mean() for path in paths]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
