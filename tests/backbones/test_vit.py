import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.array_types import FaceModel
from fxai_jax.backbones.vit import VisionTransformer
from tests.reference import backbone_goldens, torch_names, weights
from tests.reference.backbone_cases import PUBLISHED, TINY
from tests.reference.torch_parity import compare_forward, compare_gradient

BASE = {"patch": 8, "depth": 24, "heads": 16, "mlp_ratio": 3}

# The published counts hold a mask token of `width` numbers that serves training alone.
CHECKPOINTS = {
    "arcface_vit_t": ({"width": 256}, 19_137_792 - 256),
    "arcface_vit_s": ({}, 76_023_296 - 512),
    "arcface_vit_b": ({"depth": 24}, 113_833_472 - 512),
    "arcface_vit_l": ({"width": 768, "depth": 24}, 255_684_352 - 768),
    "transface_s": ({"gated": True}, 86_660_864 - 512),
    "cvl_vit_base_net": (BASE, 114_869_760),
    "cvl_vit_small_net": ({"patch": 8, "mlp_ratio": 5}, 95_952_384),
}
OURS = ["vit", "transface", "cvlface"]
LARGE = ["arcface_vit_t"]


@pytest.mark.parametrize("arch", CHECKPOINTS)
def test_has_a_place_for_every_tensor_of_the_checkpoint(arch):
    options, count = CHECKPOINTS[arch]
    state = weights.placeholders(weights.published_layout(arch))
    expected, found = weights.structure(lambda: VisionTransformer(**options))
    arrays = torch_names.arrays(state, torch_names.VIT)
    assert {path: array.shape for path, array in arrays.items()} == expected
    assert found == count


@pytest.mark.parametrize("name", OURS)
def test_equals_the_golden_file(name):
    backbone_goldens.check(name, TINY[name])


def test_pixels_beside_the_last_patch_are_not_seen(rng):
    state, _ = backbone_goldens.read("vit")
    net = TINY["vit"].fill(state)
    image = jnp.asarray(rng.uniform(size=(112, 112, 3)), jnp.float32)
    gradient = np.abs(
        jax.jit(jax.grad(lambda x: jnp.sum(net.features(x)[..., 0])))(image)
    )
    assert np.all(gradient[108:] == 0)
    assert np.all(gradient[:, 108:] == 0)
    assert gradient[107, :108].min() > 0


def test_dropout_falls_before_the_last_linear_map(key):
    tiny = {"width": 16, "depth": 0, "heads": 4, "embedding_size": 16}
    net = weights.identity(
        lambda: VisionTransformer(**tiny),
        bn1__bias=np.ones(16, np.float32),
        linear2__kernel=np.eye(16, dtype=np.float32),
    )
    features = jnp.zeros((12, 12, 16))
    values = np.array(net.head(features, dropout_rate=0.5, key=key))
    assert np.all((np.abs(values) < 1e-3) | (np.abs(values - 2) < 1e-3))
    np.testing.assert_allclose(net.head(features), jnp.ones(16), rtol=1e-3)
    assert isinstance(net, FaceModel)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads must divide width, got 5 for 16"):
        VisionTransformer(width=16, depth=1, heads=5)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["transface"])
def test_equals_pytorch(name, rng):
    compare_forward(TINY[name], rng)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", [*OURS, *LARGE])
def test_all_networks_equal_pytorch(name, rng):
    compare_forward((TINY | PUBLISHED)[name], rng)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", [*OURS, *LARGE])
def test_gradients_equal_pytorch(name, rng):
    compare_gradient((TINY | PUBLISHED)[name], rng)
