from functools import partial

import jax
import numpy as np

from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face, sample_path
from fxai_jax.explain.plq import quality_constants
from fxai_jax.methods import plq
from fxai_jax.runs.keys import image_key
from tests.cli.commands import results, run
from tests.visualize.figures import image, titles


def test_map_and_quality_are_those_of_the_method(tmp_path, capsys, saved):
    path, face = sample_path("a_1"), sample_face("a_1")
    options = ("--regression", "minimum_norm", "--passes", 20, "--seed", 3)
    run("explain", "plq", path, *options, "--out", tmp_path)
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
    figure = saved["plq_a_1.png"]
    assert figure.get_suptitle().startswith(f"quality Q = {quality:.3f}")
    assert titles(figure)[:2] == ["a_1", "pixel quality"]
    np.testing.assert_array_equal(
        image(figure, "pixel quality").get_array(), arrays["map"]
    )


def test_a_saturated_quality_is_reported(tmp_path, capsys):
    run("explain", "plq", sample_path("a_partial"), "--out", tmp_path)
    assert "saturated" in capsys.readouterr().err
