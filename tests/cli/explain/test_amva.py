import shutil
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face, sample_path
from fxai_jax.explain.amva import compare, scalars
from fxai_jax.methods import amva
from fxai_jax.methods.quality import ser_fiq
from fxai_jax.runs.keys import image_key
from tests.cli.commands import results, run
from tests.visualize.figures import titles

NAMES = ("a_partial", "a_2", "b_1", "a_1")


@pytest.fixture
def folder(tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    for name in NAMES:
        shutil.copy(sample_path(name), faces)
    return faces


@pytest.fixture(scope="module")
def activations():
    model = load_backbone("mobilefacenet")
    activation = jax.jit(partial(amva.activation, chunk_size=64))
    return {name: activation(model, sample_face(name)) for name in NAMES}


def quality_of(name):
    face, model = sample_face(name), load_backbone("mobilefacenet")
    key = image_key(jax.random.key(0), face)
    return float(ser_fiq(model, key, face, passes=20).quality)


@pytest.mark.slow
def test_one_face_has_a_map(tmp_path, activations, saved):
    run("explain", "amva", sample_path("a_1"), "--out", tmp_path)
    arrays, manifest = results(tmp_path / "amva_a_1")
    np.testing.assert_allclose(arrays["activation"], activations["a_1"], rtol=1e-4)
    expected = amva.activation_map(activations["a_1"], (112, 112))
    np.testing.assert_allclose(arrays["map"], expected, atol=1e-4)
    assert manifest["options"]["method"] == "amva"
    assert titles(saved["amva_a_1.png"])[0] == "a_1"


@pytest.mark.slow
def test_a_set_is_split_by_quality(folder, tmp_path, activations, capsys, saved):
    out = tmp_path / "set"
    run("explain", "amva", folder, "--out", out, "--passes", "20", "--format", "svg")
    arrays, manifest = results(out / "amva")
    assert len(manifest["inputs"]) == 4
    assert manifest["options"]["worst"].endswith("a_partial.png")
    worst_first = sorted(NAMES, key=quality_of)
    low, high = (
        jnp.stack([activations[name] for name in names])
        for names in (worst_first[:2], worst_first[2:])
    )
    expected = compare(high, low, (112, 112))
    for side in ("high", "low"):
        for field in ("mean", "std", "median", "spread"):
            found = arrays[f"{side}_{field}"]
            value = getattr(getattr(expected, side), field)
            np.testing.assert_allclose(found, value, atol=1e-4)
    _, distance, area = scalars(expected)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"std maps {distance:.4f}, AUROC of the deviation {area:.3f}" in printed
    assert titles(saved["amva.svg"])[0] == "mean activation, high quality"


@pytest.mark.slow
def test_two_faces_make_no_groups(folder, tmp_path):
    for name in NAMES[:2]:
        (folder / f"{name}.png").unlink()
    run("explain", "amva", folder, "--out", tmp_path / "out", "--passes", 3)
    found = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert found == {"amva_a_1.png", "amva_b_1.png"}
