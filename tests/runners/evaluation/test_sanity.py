import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fxai_jax.data.pair_sets import PairSet
from fxai_jax.methods.baselines import priors, xssab
from fxai_jax.metrics.sanity import cascade, leaf_names, rank_correlation
from fxai_jax.runners.evaluation import sanity
from fxai_jax.runners.evaluation.explainers import Explainer
from tests.reference.backbone_cases import TINY

SIZE, THRESHOLD = (6, 5), 0.3
LAYERS = ["head", "middle", "stem"]
TOPS = {
    "inception_resnet_v1": ("last_bn", "last_linear", "block8", "conv2d_1a"),
    "iresnet": ("bn3", "fc", "bn2", "conv1"),
    "mobilefacenet": ("bn", "linear", "conv_6_dw", "conv1"),
    "vit": ("bn2", "linear2", "bn1", "patch_embed"),
}

XSSAB = Explainer(lambda model, key, *pair, **o: xssab.explain(model, *pair, **o), "x")
EDGES = Explainer(
    lambda model, key, *pair, **o: priors.edges(model, *pair, **o), "e", signed=False
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

    numbers = np.array([0, 1, 2, 0]), np.array([1, 2, 0, 3])
    names = [f"{i}.png" for i in range(4)]
    return PairSet(names, read, *numbers, np.arange(4) < 2, {}, lambda i: SIZE)


@pytest.mark.parametrize("name", TINY)
def test_the_layers_of_every_family_come_from_the_top(name):
    case = TINY[name]
    model = case.make()
    layers = sanity.layers_from_top(model, (case.size, case.size))
    assert (*layers[:3], layers[-1]) == TOPS[case.family]
    left = {name for name in leaf_names(model) if name.split(".")[0] not in layers}
    assert left == {n for n in leaf_names(model) if n.startswith("qs.")}
    assert bool(left) == case.options.get("quality", False)
    stages = [layer for layer in layers if layer.startswith(("layer", "repeat"))]
    assert stages == sorted(stages, reverse=True)


def test_the_order_survives_loading(model):
    loaded = jax.tree.unflatten(jax.tree.structure(model), jax.tree.leaves(model))
    assert [name for name in vars(loaded) if name in LAYERS] != LAYERS[::-1]
    assert sanity.layers_from_top(loaded, SIZE) == LAYERS


def test_each_depth_is_the_network_of_the_cascade(model, networks, key):
    expected = [model, *cascade(model, key, prefixes=LAYERS)]
    mixed = jax.jit(lambda depth: sanity.wrecked(*networks, LAYERS, depth))
    for depth, wreck in enumerate(expected):
        jax.tree.map(np.testing.assert_array_equal, mixed(depth), wreck)
    assert not np.array_equal(mixed(1).head[...], model.head[...])
    np.testing.assert_array_equal(mixed(1).middle[...], model.middle[...])


def test_correlations_are_those_of_a_loop_over_networks(model, networks, pairs, key):
    probe, gallery = pairs.read(0), pairs.read(1)
    found = sanity.pair_correlations(
        networks,
        key,
        probe,
        gallery,
        explainer=XSSAB,
        layers=LAYERS,
        threshold=THRESHOLD,
    )
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


def test_an_explainer_is_traced_once_for_all_depths(networks, pairs, key):
    traced = []

    def explain(model, key, *pair, **options):
        traced.append(model)
        return xssab.explain(model, *pair, **options)

    for layers in (LAYERS[:1], LAYERS):
        options = {"layers": layers, "threshold": THRESHOLD, "batch_size": 1}
        options |= {"devices": jax.devices()[:1]}
        sanity.run_explainer(networks, key, pairs, Explainer(explain, "x"), **options)
    assert len(traced) == 2


def test_the_control_cannot_change_where_decisions_do(networks, pairs, key):
    options = {"layers": LAYERS, "threshold": THRESHOLD}
    run = sanity.run_explainer(networks, key, pairs, EDGES, **options)
    assert run.values["cosine"].shape == (3, 4)
    for measure in sanity.MEASURES:
        np.testing.assert_allclose(run.values[measure], 1, atol=1e-6)
    assert run.errors == ["image 3 is damaged"]
    broken = pairs._replace(read=lambda i: pairs.read(3))
    with pytest.raises(ValueError, match="e failed on every pair: image 3 is damaged"):
        sanity.run_explainer(networks, key, broken, EDGES, **options)


def test_rows_in_per_cent():
    runs = {
        "a": sanity.Run(
            {
                "correlation": np.array([[1.0, 0.5, -0.25], [1.0, 0.25, -0.25]]),
                "magnitude": np.array([[1.0, 0.5, 0.75], [1.0, 0.75, 0.75]]),
                "cosine": np.array([[0.5, 0.25, 1.0], [0.0, 0.5, 1.0]]),
            },
            [],
        )
    }
    first, last = sanity.sanity_rows(runs, {"a": "A"}, ["head", "stem"])
    assert (first["explainer"], first["layers"], first["down to"]) == ("A", 1, "head")
    assert first["correlation"].value == pytest.approx(37.5)
    assert first["correlation"].low == pytest.approx(25)
    assert first["correlation"].high == pytest.approx(50)
    assert first["cosine change"] == pytest.approx(37.5)
    assert last["magnitude"] == pytest.approx((75, 75, 75))
    assert last["cosine change"] == pytest.approx(75)
    assert sanity.mean_curve(runs["a"], "correlation").tolist() == [100, 37.5, -25]
    assert sanity.insensitive(runs, "correlation") == {}
    assert sanity.insensitive(runs, "magnitude") == {"a": 75}
