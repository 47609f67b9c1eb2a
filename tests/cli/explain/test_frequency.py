from functools import partial

import jax
import numpy as np
import pytest

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face, sample_path
from fxai_jax.methods import frequency
from tests.cli.commands import results, run


@pytest.mark.slow
def test_influences_and_figure_are_those_of_the_method(tmp_path, capsys, saved):
    run(
        *("explain", "frequency", sample_path("a_1"), sample_path("a_2")),
        *("--width", "8", "--corners", "drop", "--perturb", "both", "--out", tmp_path),
        *("--format", "svg"),
    )
    assert "accepted" in capsys.readouterr().out
    arrays, manifest = results(tmp_path / "frequency_a_1_a_2")
    assert manifest["options"] == {
        "method": "frequency",
        "width": 8,
        "shape": "radial",
        "corners": "drop",
        "perturb": "both",
        "threshold": 0.45,
        "landmarks": None,
    }
    bands = frequency.radial_bands((112, 112), width=8, corners="drop")
    np.testing.assert_array_equal(arrays["edges"], bands.edges)
    np.testing.assert_array_equal(arrays["coefficients"], bands.coefficients)
    explain = jax.jit(partial(frequency.explain, perturb="both", chunk_size=5))
    model, faces = (
        load_backbone("mobilefacenet"),
        [sample_face(n) for n in ("a_1", "a_2")],
    )
    for side, pair in (("probe", faces), ("gallery", faces[::-1])):
        expected = explain(model, *pair, bands.masks)
        for field, value in expected._asdict().items():
            np.testing.assert_allclose(arrays[f"{side}_{field}"], value, atol=2e-5)
    assert abs(arrays["probe_directed"]).max() > 0.1
    figure = saved["frequency_a_1_a_2.svg"]
    assert figure.get_suptitle() == "cosine 0.800 ≥ threshold 0.450: accepted"
    (bars,) = (a for a in figure.axes if a.get_ylabel().startswith("cosine lost"))
    heights = [bar.get_height() for bar in bars.patches]
    assert heights == pytest.approx(arrays["probe_directed"].tolist())
