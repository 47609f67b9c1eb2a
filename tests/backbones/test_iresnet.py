import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.array_types import FaceModel
from fxai_jax.backbones.iresnet import DEPTHS, IResNet
from tests.reference import backbone_goldens, torch_names, weights
from tests.reference.backbone_cases import PUBLISHED, TINY
from tests.reference.torch_parity import compare_forward, compare_gradient

POOL = {"shortcut": "pool", "affine": False}
PLAIN = {"shortcut": "pool", "middle_norm": False}
SE = {"squeeze_excite": True}

CHECKPOINTS = {
    "arcface_r18": ({"depth": 18}, 24_025_600),
    "arcface_r34": ({"depth": 34}, 34_139_328),
    "arcface_r50": ({"depth": 50}, 43_590_848),
    "arcface_r100": ({"depth": 100}, 65_156_160),
    "arcface_r200": ({"depth": 200}, 118_833_920),
    "magface_r50": ({"depth": 50, "eps": 2e-5}, 43_590_848),
    "crfiqa_r50": ({"depth": 50, "quality": True}, 43_591_361),
    "crfiqa_r100": ({"depth": 100, "quality": True}, 65_156_673),
    "elastic_r100_se": ({"depth": 100} | SE, 65_528_384),
    "adaface_ir_18": ({"depth": 18} | POOL, 24_020_352),
    "adaface_ir_34": ({"depth": 34} | POOL, 34_134_080),
    "adaface_ir_50": ({"depth": 50} | POOL, 43_585_600),
    "adaface_ir_101": ({"depth": 101} | POOL, 65_150_912),
    "adaface_ir_se_50": ({"depth": 50} | POOL | SE, 43_808_320),
    "curr_ir101": ({"depth": 101, "affine": False} | PLAIN, 65_128_768),
    "curr_irse50": ({"depth": 50, "affine": False} | PLAIN | SE, 43_796_672),
    "treb_irse50": ({"depth": 50} | PLAIN | SE, 43_797_696),
    "facex_r50ir": ({"depth": 50} | PLAIN, 43_574_976),
    "facex_r152irse": ({"depth": 152} | PLAIN | SE, 71_148_736),
}
OURS = ["crfiqa", "magface", "adaface", "curricularface", "facex_se"]
LARGE = ["arcface_r18", "arcface_r50", "adaface_ir_18", "adaface_ir_se_50"]


@pytest.mark.parametrize("arch", CHECKPOINTS)
def test_has_a_place_for_every_tensor_of_the_checkpoint(arch):
    options, count = CHECKPOINTS[arch]
    state = weights.placeholders(weights.published_layout(arch))
    rules = torch_names.INSIGHTFACE
    if "input_layer.0.weight" in state:
        plain = options.get("middle_norm") is False
        rules = torch_names.CURRICULARFACE if plain else torch_names.ADAFACE
        state = torch_names.staged(state, DEPTHS[options["depth"]])
    expected, found = weights.structure(lambda: IResNet(**options))
    arrays = torch_names.arrays(state, rules)
    assert {path: array.shape for path, array in arrays.items()} == expected
    assert found == count


@pytest.mark.parametrize("name", OURS)
def test_equals_the_golden_file(name):
    backbone_goldens.check(name, TINY[name])


def test_quality_equals_the_linear_map():
    case = TINY["crfiqa"]
    state, golden = backbone_goldens.read("crfiqa")
    embedding = golden["embedding"]
    expected = state["qs.weight"][0] @ embedding + state["qs.bias"][0]
    found = case.fill(state).quality(jnp.asarray(embedding))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="no quality head"):
        averaging_net().quality(jnp.zeros(16))


def averaging_net(**options):
    """A net whose head gives the mean of each channel, from a channels-first grid."""
    kernel = np.repeat(np.eye(16, dtype=np.float32), 49, axis=0) / 49
    tiny = {"depth": (1, 1, 1, 1), "width": 2, "embedding_size": 16}
    return weights.identity(lambda: IResNet(**tiny, **options), fc__kernel=kernel)


def test_the_head_flattens_channels_first(rng):
    features = jnp.asarray(rng.normal(size=(7, 7, 16)), jnp.float32)
    net = averaging_net()
    np.testing.assert_allclose(
        net.head(features), features.mean((0, 1)), rtol=1e-3, atol=1e-5
    )
    assert isinstance(net, FaceModel)


def test_dropout_drops_elements_or_whole_channels(key):
    ones = jnp.ones((7, 7, 16))
    by_channel = averaging_net(dropout_kind="channel")
    by_element = averaging_net(dropout_kind="element")
    values = np.array(by_channel.head(ones, dropout_rate=0.5, key=key))
    assert np.all((np.abs(values) < 1e-3) | (np.abs(values - 2) < 1e-3))
    values = np.array(by_element.head(ones, dropout_rate=0.5, key=key))
    assert np.all((values > 0.3) & (values < 1.7))
    for net in (by_channel, by_element):
        with pytest.raises(ValueError, match="needs a key"):
            net.head(ones, dropout_rate=0.5)
        np.testing.assert_allclose(net.head(ones), jnp.ones(16), rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 51}, "depth must be one of"),
        ({"depth": (1, 2)}, "four stages"),
        ({"shortcut": "conv"}, "shortcut must be one of"),
        ({"dropout_kind": "pixel"}, "dropout_kind must be one of"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: IResNet(**options).fc.kernel[...])


@pytest.mark.torch
@pytest.mark.parametrize("name", ["crfiqa", "facex_se"])
def test_equals_pytorch(name, rng):
    compare_forward(TINY[name], rng)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", [*OURS, *LARGE])
def test_all_networks_equal_pytorch(name, rng):
    compare_forward((TINY | PUBLISHED)[name], rng)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", [*OURS, "arcface_r18"])
def test_gradients_equal_pytorch(name, rng):
    compare_gradient((TINY | PUBLISHED)[name], rng)
