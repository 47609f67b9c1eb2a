import json
import os
import shutil
from functools import partial

import jax
import numpy as np
import pytest

from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face, sample_path
from fxai_jax.explain.plq import compile_plq, quality_constants
from fxai_jax.methods import plq
from fxai_jax.runs.keys import image_key
from tests.cli.commands import results, run
from tests.visualize.figures import image, titles


@pytest.mark.slow
def test_map_and_quality_are_those_of_the_method(tmp_path, capsys, saved):
    path, face = sample_path("a_1"), sample_face("a_1")
    options = ("--regression", "minimum_norm", "--passes", 20, "--seed", 3)
    run("explain", "plq", path, *options, "--out", tmp_path, "--format", "pdf")
    arrays, manifest = results(tmp_path / "plq_a_1")
    constants = quality_constants(load_card("mobilefacenet"), "minimum_norm")
    assert manifest["options"] == {
        "method": "plq",
        "regression": "minimum_norm",
        "passes": 20,
        "seed": 3,
        **constants,
        "landmarks": None,
    }
    assert constants["gamma"] == 11.38
    fields = {"regression": "minimum_norm", "passes": 20, **constants}
    explain = jax.jit(partial(plq.explain, **fields))
    key = image_key(jax.random.key(3), face)
    expected = explain(load_backbone("mobilefacenet"), key, face)
    np.testing.assert_allclose(arrays["map"], expected.map, atol=5e-3)
    np.testing.assert_allclose(
        arrays["ser_fiq_quality"], expected.ser_fiq.quality, rtol=1e-5
    )
    quality = float(arrays["quality"])
    assert f"{quality:.4f}" in capsys.readouterr().out
    figure = saved["plq_a_1.pdf"]
    assert figure.get_suptitle().startswith(f"quality Q = {quality:.3f}")
    assert titles(figure)[:2] == ["a_1", "pixel quality"]
    np.testing.assert_array_equal(
        image(figure, "pixel quality").get_array(), arrays["map"]
    )


@pytest.mark.slow
def test_a_saturated_quality_is_reported(tmp_path, capsys):
    run("explain", "plq", sample_path("a_partial"), "--out", tmp_path)
    assert "saturated" in capsys.readouterr().err


@pytest.mark.slow
def test_faces_of_one_name_keep_their_own_results(tmp_path, monkeypatch):
    card = load_card("mobilefacenet")
    compiled = compile_plq(load_backbone("mobilefacenet"), card, passes=3)
    monkeypatch.setattr(
        "fxai_jax.cli.explain.plq.compile_plq", lambda *_, **options: compiled
    )
    copies, out = {}, tmp_path / "out"
    for folder, name, face in (
        ("anna", "1.png", "a_1"),
        ("bert", "1.png", "b_1"),
        ("bert", "1.PNG", "c_1"),
        ("anna", os.fsdecode(b"\xe9$\\x[b].png"), "a_3"),
        ("anna", "x" * 240 + ".png", "a_2"),
    ):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        copies[shutil.copy(sample_path(face), path)] = sample_face(face)
    for _ in range(2):  # the second time over its own results
        for path in copies:
            run("explain", "plq", path, "--passes", "3", "--out", out)
    manifests = [json.loads(path.read_bytes()) for path in out.glob("*.json")]
    found = [manifest["inputs"]["image"]["path"] for manifest in manifests]
    assert sorted(found) == sorted(str(path) for path in copies)
    names = {path.name for path in out.glob("*.npz")}
    assert {"plq_1.npz", "plq_1.png.npz", "plq_1.PNG.npz"} < names
    assert len(names) == len(list(out.glob("*.png"))) == 5
