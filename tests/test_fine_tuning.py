"""A network that is trained further, saved and used by the commands."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import fxai_jax as fx
from fxai_jax.checkpoints import model_arrays
from fxai_jax.data.samples import sample_path
from fxai_jax.numerics import cosine
from tests.cli.commands import fails, results, run
from tests.reference.backbone_cases import TINY

CARD = fx.load_card("mobilefacenet")
SGD = optax.sgd(0.1)
FACE = jax.ShapeDtypeStruct((112, 112, 3), jnp.float32)


@pytest.fixture(scope="module")
def features():
    """Feature maps of a probe and a gallery face; the trunk is not trained."""
    trunk = jax.jit(lambda model, image: model.features(image))
    model = fx.load_backbone("mobilefacenet")
    return [trunk(model, fx.sample_face(name)) for name in ("a_1", "b_1")]


def loss(model, features):
    probe, gallery = (model.head(each) for each in features)
    return cosine(probe, gallery)


@pytest.fixture(scope="module")
def tuned(features):
    """The shipped network after three steps on its head."""
    graph, params, rest = nnx.split(fx.load_backbone("mobilefacenet"), nnx.Param, ...)
    gradient = jax.grad(lambda given: loss(nnx.merge(graph, given, rest), features))

    @jax.jit
    def step(params):
        updates, _ = SGD.update(gradient(params), SGD.init(params))
        return optax.apply_updates(params, updates)

    for _ in range(3):
        params = step(params)
    return nnx.merge(graph, params, rest)


@pytest.fixture
def tiny(rng):
    """A small network with batch norms, and its card."""
    case = TINY["cvlface"]
    model = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) ** 2, leaf.dtype),
        case.make(),
    )
    network = {"family": case.family, "options": case.options, "embedding_size": 16}
    return model, dataclasses.replace(CARD, **network)


def ones(model):
    """A feature map of the model's shape."""
    return jnp.ones(jax.eval_shape(lambda m, x: m.features(x), model, FACE).shape)


def both(model, other, kind):
    """Pairs of leaves of one kind of variable."""
    leaves = (jax.tree.leaves(nnx.state(each, kind)) for each in (model, other))
    return list(zip(*leaves, strict=True))


def test_parameters_move_and_running_statistics_do_not(tuned, features):
    start = fx.load_backbone("mobilefacenet")
    assert loss(tuned, features) < loss(start, features) - 0.1
    assert (tuned.linear.kernel[...] != start.linear.kernel[...]).mean() > 0.9
    np.testing.assert_array_equal(
        tuned.conv1.conv.kernel[...], start.conv1.conv.kernel[...]
    )
    statistics = both(tuned, start, nnx.BatchStat)
    assert len(statistics) > 50
    for after, before in statistics:
        np.testing.assert_array_equal(after, before)


def test_the_optimiser_of_flax_takes_the_parameters_alone(tiny):
    model, _ = tiny
    start = jax.tree.map(jnp.copy, model)
    features = ones(model)
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    gradient = jax.jit(
        jax.grad(lambda given: nnx.merge(graph, given, rest).head(features).sum())
    )(params)
    nnx.Optimizer(model, SGD, wrt=nnx.Param).update(model, gradient)
    assert any((a != b).any() for a, b in both(model, start, nnx.Param))
    assert all((a == b).all() for a, b in both(model, start, nnx.BatchStat))


def test_an_optimiser_over_all_leaves_moves_the_running_statistics(tiny):
    """Why the recipe of `save_backbone` names the parameters."""
    model, _ = tiny
    gradient = jax.jit(jax.grad(lambda m: m.head(ones(m)).sum()))(model)
    updates, _ = SGD.update(gradient, SGD.init(model))
    moved = optax.apply_updates(model, updates)
    assert any((a != b).any() for a, b in both(moved, model, nnx.BatchStat))


@pytest.mark.slow
def test_the_commands_use_the_network_that_was_saved(tuned, features, tmp_path, capsys):
    written = fx.save_backbone(tmp_path / "net", tuned, CARD)
    assert written.weights_sha256 != CARD.weights_sha256
    backbone = ("--backbone", tmp_path / "net", "--out", tmp_path)
    faces = (sample_path("a_1"), sample_path("b_1"))
    explain = ("explain", "fggb", *faces, *backbone)
    assert "nobody measured a threshold" in fails(capsys, *explain)
    run(*explain, "--threshold", 0.3)
    maps, manifest = results(tmp_path / "fggb_a_1_b_1")
    expected = float(loss(tuned, features))
    assert maps["probe_cosine"] == pytest.approx(expected, abs=1e-4)
    assert manifest["backbone"]["weights_sha256"] == written.weights_sha256
    run("evaluate", "verification", *backbone)
    report = json.loads((tmp_path / "verification.json").read_text())
    digest = report["manifest"]["backbone"]["weights_sha256"]
    assert digest == written.weights_sha256


def test_a_card_of_changed_arrays_loses_what_was_measured(tuned, tmp_path):
    written = fx.save_backbone(tmp_path / "net", tuned, CARD)
    assert written.threshold is written.quality is None
    assert written.threshold_measured_on == ""
    assert written.source == CARD.source | {"changed_from": CARD.weights_sha256}
    kept = ("name", "family", "options", "image_size", "embedding_size", "alignment")
    for name in (*kept, "licence", "notes"):
        assert getattr(written, name) == getattr(CARD, name)
    assert fx.load_card(tmp_path / "net") == written
    same = fx.save_backbone(tmp_path / "same", tuned, written)
    assert same == written


def test_a_card_without_digest_keeps_what_it_says(tuned, tmp_path):
    own = dataclasses.replace(CARD, weights_sha256="", threshold=0.2)
    written = fx.save_backbone(tmp_path / "net", tuned, own)
    assert (written.threshold, written.quality) == (0.2, CARD.quality)
    assert written.source == CARD.source


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_every_floating_type_comes_back_bit_for_bit(tiny, tmp_path, dtype):
    model, card = tiny
    model = jax.tree.map(lambda leaf: np.asarray(leaf).astype(dtype), model)
    fx.save_backbone(tmp_path / "net", model, card)
    with jax.enable_x64(dtype == "float64"):
        again = model_arrays(fx.load_backbone(tmp_path / "net"))
    for name, array in model_arrays(model).items():
        assert array.dtype == again[name].dtype == dtype
        assert array.tobytes() == again[name].tobytes()
    as_float32 = fx.load_backbone(tmp_path / "net", dtype=jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(as_float32)} == {np.dtype("float32")}


def test_types_may_differ_between_leaves(tiny, tmp_path):
    model, card = tiny
    paths, tree = jax.tree_util.tree_flatten_with_path(model)
    types = [
        jnp.bfloat16 if "kernel" in str(path) else jnp.float32 for path, _ in paths
    ]
    mixed = [leaf.astype(t) for (_, leaf), t in zip(paths, types, strict=True)]
    fx.save_backbone(tmp_path / "net", tree.unflatten(mixed), card)
    again = jax.tree.leaves(fx.load_backbone(tmp_path / "net"))
    assert [leaf.dtype for leaf in again] == types
    assert len({*types}) == 2


def test_a_type_that_is_not_switched_on_is_never_rounded_silently(tiny, tmp_path):
    model, card = tiny
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), model)
    fx.save_backbone(tmp_path / "net", wide, card)
    with pytest.raises(ValueError, match="no float64 unless it is switched on: pass"):
        fx.load_backbone(tmp_path / "net")
    with pytest.raises(ValueError, match="dtype is int32, expected a floating type"):
        fx.load_backbone(tmp_path / "net", dtype=jnp.int32)


def test_other_than_floating_parameters_are_refused(tiny, tmp_path):
    model, card = tiny
    whole = jax.tree.map(lambda leaf: leaf.astype(jnp.int8), model)
    with pytest.raises(ValueError, match=r" is int8\(.*\), expected float32"):
        fx.save_backbone(tmp_path / "net", whole, card)
    assert not (tmp_path / "net").exists()


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_card_is_refused(tuned, tmp_path):
    with pytest.raises(TypeError, match=r"expected a card such as load_card.*got str"):
        fx.save_backbone(tmp_path / "net", tuned, "mobilefacenet")
