import pickle

import numpy as np
import pytest
from rich.console import Console

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.pairs import open_pairs
from fxai_jax.data.samples import sample_path
from fxai_jax.evaluation.scores import chosen_threshold, score_pairs
from fxai_jax.runs.options import RunOptions
from tests.evaluation.tiny import SIZE, pairs_of, upper_half

SILENT = RunOptions()


@pytest.fixture
def images(rng):
    return list(rng.uniform(size=(4, SIZE, SIZE, 3)).astype(np.float32))


@pytest.fixture
def model(rng):
    return upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


def test_cosines_are_those_of_a_loop(model, images):
    pairs = pairs_of(images, [0, 1, 3], [2, 0, 3], [True, False, True])
    found = score_pairs(model, pairs, RunOptions(batch_size=3))
    for i, (a, b) in enumerate(zip(pairs.probe, pairs.gallery, strict=True)):
        x, y = (np.asarray(model(images[k]), np.float64) for k in (a, b))
        expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        assert found.cosine[i] == pytest.approx(expected, abs=1e-5)


def test_a_damaged_image_costs_its_own_pairs(model, images):
    images[2] = None
    columns = {"light": ["dim", "dim", "bright"]}
    pairs = pairs_of(images, [0, 1, 3], [2, 0, 1], [True, False, True], **columns)
    console = Console(record=True, width=200)
    found = score_pairs(model, pairs, RunOptions(console=console))
    assert found.skipped == 1
    told = console.export_text()
    assert "note: skipped image 2 is damaged\n" in told
    assert "note: 1 images cannot be used; 1 of 3 pairs were skipped\n" in told
    assert found.pairs.genuine.tolist() == [False, True]
    assert found.pairs.groups["light"] == ["dim", "bright"]


def test_no_usable_pair_is_an_error(model):
    with pytest.raises(ValueError, match=r"none of the 1 images can.*0 is damaged"):
        score_pairs(model, pairs_of([None], [0], [0], [True]), SILENT)
    half = pairs_of([None, np.zeros((SIZE, SIZE, 3), np.float32)], [0], [1], [True])
    with pytest.raises(ValueError, match=r"no pair of 1.*image 0 is damaged"):
        score_pairs(model, half, SILENT)


def test_a_corrupt_jpeg_in_a_packed_benchmark_is_skipped_and_counted(tmp_path):
    face, other = (sample_path(name).read_bytes() for name in ("a_1", "a_2"))
    corrupt = b"\xff\xd8\xff\xe0" + b"\0" * 50
    path = tmp_path / "small.bin"
    path.write_bytes(pickle.dumps(([face, other, face, corrupt], [True, False])))
    console = Console(record=True, width=200)
    options = RunOptions(console=console)
    found = score_pairs(load_backbone("mobilefacenet"), open_pairs(path), options)
    assert found.skipped == 1
    assert "skipped image 3 of small.bin" in console.export_text()
    assert found.cosine == pytest.approx([0.80], abs=0.01)


def test_the_threshold_is_the_one_given_or_that_of_equal_errors(model, images):
    pairs = pairs_of(images, [0, 0], [0, 1], [True, False])
    scores = score_pairs(model, pairs, SILENT)
    assert chosen_threshold(0.3, scores) == 0.3
    middle = (1 + scores.cosine[1]) / 2
    assert chosen_threshold(None, scores) == pytest.approx(middle)
    with pytest.raises(ValueError, match=r"a cosine in \[-1, 1\], got 2"):
        chosen_threshold(2.0, scores)
    alone = score_pairs(model, pairs_of(images, [0], [1], [True]), SILENT)
    with pytest.raises(ValueError, match="expected both kinds"):
        chosen_threshold(None, alone)
