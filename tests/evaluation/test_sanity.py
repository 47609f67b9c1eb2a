import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fxai_jax.evaluation import sanity
from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.registry import Explainer
from fxai_jax.evaluation.sanity import Sanity
from fxai_jax.evaluation.wrecks import layers_from_top, wrecked
from fxai_jax.methods.baselines import priors, xssab
from fxai_jax.metrics.sanity import cascade, leaf_names, rank_correlation
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.running import Results, run
from fxai_jax.runs.tasks import over_pairs
from tests.evaluation import tiny
from tests.reference.backbone_cases import TINY

SIZE, THRESHOLD = (6, 5), 0.3
LAYERS = ["head", "middle", "stem"]
TOPS = {
    "inception_resnet_v1": ("last_bn", "last_linear", "block8", "conv2d_1a"),
    "iresnet": ("bn3", "fc", "bn2", "conv1"),
    "mobilefacenet": ("bn", "linear", "conv_6_dw", "conv1"),
    "vit": ("bn2", "linear2", "bn1", "patch_embed"),
}

XSSAB = Explainer("x", lambda model, key, *pair, **o: xssab.explain(model, *pair, **o))
EDGES = Explainer(
    "e",
    lambda model, *pair, **o: priors.explain(priors.edges, model, *pair, **o),
    sign_is_importance=False,
)


class Network(nnx.Module):
    """The tree has another order than the layers; one is used by nobody."""

    def __init__(self, rng):
        def kernel(*shape):
            return nnx.Param(jnp.asarray(rng.normal(size=shape), jnp.float32))

        self.stem = kernel(SIZE[0] * SIZE[1] * 3, 12)
        self.middle = kernel(12, 12)
        self.head = kernel(12, 9)
        self.extra = kernel(9, 1)

    def __call__(self, image):
        hidden = jnp.tanh(jnp.asarray(image).reshape(-1) @ self.stem[...])
        return jnp.tanh(hidden @ self.middle[...]) @ self.head[...]


@pytest.fixture
def model(rng):
    return Network(rng)


@pytest.fixture
def networks(model, key):
    return model, cascade(model, key, prefixes=LAYERS)[-1]


@pytest.fixture
def pairs(rng):
    images = rng.uniform(size=(4, *SIZE, 3)).astype(np.float32)

    def read(i):
        if i == 3:
            raise ValueError("image 3 is damaged")
        return images[i]

    pairs = tiny.pairs_of(images, [0, 1, 2, 0], [1, 2, 0, 3], [1, 1, 0, 0])
    return dataclasses.replace(pairs, read=read)


def run_with(networks, pairs, explainer, layers=LAYERS, **options):
    static = {"entry": explainer, "layers": tuple(layers)}
    shared = *networks, jnp.float32(THRESHOLD)
    task = over_pairs("", sanity.measure, shared, pairs, static=static)
    return run(task, RunOptions(**options))


@pytest.mark.parametrize("name", TINY)
def test_the_layers_of_every_family_come_from_the_top(name):
    case = TINY[name]
    model = case.make()
    layers = layers_from_top(model, (case.size, case.size))
    assert (*layers[:3], layers[-1]) == TOPS[case.family]
    left = {name for name in leaf_names(model) if name.split(".")[0] not in layers}
    assert left == {n for n in leaf_names(model) if n.startswith("qs.")}
    assert bool(left) == case.options.get("quality", False)
    stages = [layer for layer in layers if layer.startswith(("layer", "repeat"))]
    assert stages == sorted(stages, reverse=True)


def test_the_order_survives_loading(model):
    loaded = jax.tree.unflatten(jax.tree.structure(model), jax.tree.leaves(model))
    assert [name for name in vars(loaded) if name in LAYERS] != LAYERS[::-1]
    assert layers_from_top(loaded, SIZE) == LAYERS


def test_each_depth_is_the_network_of_the_cascade(model, networks, key):
    expected = [model, *cascade(model, key, prefixes=LAYERS)]
    mixed = jax.jit(lambda depth: wrecked(*networks, LAYERS, depth))
    for depth, wreck in enumerate(expected):
        jax.tree.map(np.testing.assert_array_equal, mixed(depth), wreck)
    assert not np.array_equal(mixed(1).head[...], model.head[...])
    np.testing.assert_array_equal(mixed(1).middle[...], model.middle[...])


@pytest.mark.slow
def test_correlations_are_those_of_a_loop_over_networks(model, networks, pairs, key):
    probe, gallery = pairs.read(0), pairs.read(1)
    shared = *networks, jnp.float32(THRESHOLD)
    options = {"entry": XSSAB, "layers": tuple(LAYERS)}
    found = sanity.measure(shared, key, probe, gallery, **options)
    results = [
        xssab.explain(wreck, probe, gallery, threshold=THRESHOLD)
        for wreck in [model, *cascade(model, key, prefixes=LAYERS)]
    ]
    maps = [result.signed for result in results]
    for name, fun in (("correlation", jnp.asarray), ("magnitude", jnp.abs)):
        expected = [rank_correlation(fun(maps[0]), fun(map_)) for map_ in maps]
        np.testing.assert_allclose(found[name], expected, atol=0.02)
    np.testing.assert_allclose(found["cosine"], [r.cosine for r in results], atol=1e-5)
    assert float(found["correlation"][0]) == pytest.approx(1, abs=1e-6)
    assert float(found["correlation"][-1]) < 0.9


def test_an_explainer_is_traced_once_for_all_depths(networks, pairs):
    traced = []

    def explain(model, key, *pair, **options):
        traced.append(model)
        return xssab.explain(model, *pair, **options)

    explainer, device = Explainer("x", explain), (jax.devices()[0],)
    for layers in (LAYERS[:1], LAYERS):
        run_with(networks, pairs, explainer, layers, batch_size=1, devices=device)
    assert len(traced) == 2


def test_maps_without_a_sign_are_compared_by_magnitude(networks, pairs):
    signed = run_with(networks, pairs, XSSAB).values
    unsigned = XSSAB._replace(sign_is_importance=False)
    found = run_with(networks, pairs, unsigned).values
    np.testing.assert_array_equal(found["correlation"], found["magnitude"])
    np.testing.assert_allclose(found["magnitude"], signed["magnitude"], atol=1e-6)
    assert np.abs(found["correlation"] - signed["correlation"]).max() > 0.01


def test_the_control_cannot_change_where_decisions_do(networks, pairs):
    found = run_with(networks, pairs, EDGES)
    assert found.values["cosine"].shape == (3, 4)
    assert np.ptp(found.values["cosine"], axis=1).min() > 1e-3
    for measure in sanity.MEASURES:
        np.testing.assert_allclose(found.values[measure], 1, atol=1e-6)
    assert found.errors == ["image 3 is damaged"]


MADE_UP = {
    "correlation": np.array([[1.0, 0.5, -0.25], [1.0, 0.25, -0.25]]),
    "magnitude": np.array([[1.0, 0.5, 0.75], [1.0, 0.75, 0.75]]),
    "cosine": np.array([[0.5, 0.25, 1.0], [0.0, 0.5, 1.0]]),
}


def test_rows_in_per_cent(pairs):
    results = {"a": Results(np.arange(2), MADE_UP, [])}
    first, last = sanity.sanity_rows(results, {"a": "A"}, ["head", "stem"], pairs)
    assert (first["explainer"], first["layers"], first["down to"]) == ("A", 1, "head")
    assert first["correlation"] == pytest.approx((37.5, 25, 50))
    assert first["cosine change"] == pytest.approx(37.5)
    assert (last["layers"], last["down to"]) == (2, "stem")
    assert last["magnitude"] == pytest.approx((75, 75, 75))
    assert last["cosine change"] == pytest.approx(75)
    assert sanity.insensitive(results, "correlation") == {}
    assert sanity.insensitive(results, "magnitude") == {"a": 75}


def test_the_chart_and_the_notes_of_made_up_correlations():
    control = {name: np.ones((2, 3)) for name in MADE_UP}
    results = {
        "a": Results(np.arange(2), MADE_UP, []),
        "edges": Results(np.arange(2), control, []),
    }
    titles = {"a": "A", "edges": "edges"}
    maps, magnitudes = sanity.chart(results, titles).panels
    assert (maps.title, magnitudes.title) == ("maps", "magnitudes of the maps")
    line = maps.lines["A"]
    assert (line.x.tolist(), line.y.tolist()) == ([0, 1, 2], [100, 37.5, -25])
    assert magnitudes.lines["A"].y.tolist() == [100, 62.5, 75]
    assert not line.reference
    assert maps.lines["edges"].reference
    *_, by_sign, by_magnitude = sanity.notes(results, titles, 0.25)
    assert by_sign.endswith("destroyed): none.")
    assert by_magnitude.endswith("destroyed): A (75.0).")


def test_the_report_of_a_network_and_its_wrecks(rng):
    size = tiny.SIZE
    images = list(rng.uniform(size=(3, size, size, 3)).astype(np.float32))
    pairs = tiny.pairs_of(images, [0, 1, 2], [1, 2, 0], [1, 1, 0])
    model = tiny.upper_half(rng.normal(size=(size * size * 3 // 2, 8)) / size)
    protocol = Sanity(explainers=("gradient",), threshold=0.2)
    report = evaluate(protocol, pairs, backbone=tiny.network(model))
    assert report.table.title == "Maps of a network and of its wrecks: 3 pairs, tiny"
    assert report.manifest["options"]["layers"] == ("weights",)
    gradient, control = report.table.rows
    assert (gradient["explainer"], control["explainer"]) == ("gradient", "edges")
    assert control["magnitude"] == pytest.approx((100, 100, 100), abs=1e-4)
    # Half of the pixels are 0 for every network, and so alike.
    changed = gradient["magnitude"].value
    assert 50 < changed < 95
    assert report.table.notes[4].endswith(f"destroyed): gradient ({changed:.1f}).")
