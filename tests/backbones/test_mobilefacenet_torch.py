import pytest

from fxai_jax.backbones.mobilefacenet import MobileFaceNet
from tests.reference import backbone_goldens, torch_names, weights
from tests.reference.backbone_cases import PUBLISHED, TINY
from tests.reference.torch_parity import compare_forward, compare_gradient

CHECKPOINTS = {
    "treb_mfn": ({}, 1_200_512),
    "facex_mfn": ({}, 1_200_512),
    "arcface_mbf_v1_2021": ({}, 1_200_512),
    "arcface_mbf_v2": ({"width": 2}, 2_059_520),
    "arcface_mbf_large": ({"width": 4, "blocks": (2, 8, 12, 4)}, 6_314_880),
}
LARGE = [
    "treb_mfn",
    "shipped",
    "arcface_mbf_v1_2021",
    "arcface_mbf_v2",
    "arcface_mbf_large",
]


@pytest.mark.parametrize("arch", CHECKPOINTS)
def test_has_a_place_for_every_tensor_of_the_checkpoint(arch):
    options, count = CHECKPOINTS[arch]
    state = weights.placeholders(weights.published_layout(arch))
    named = "conv1.conv.weight" in state
    rules = (
        torch_names.NAMED_MOBILEFACENET if named else torch_names.NUMBERED_MOBILEFACENET
    )
    expected, found = weights.structure(lambda: MobileFaceNet(**options))
    arrays = torch_names.arrays(state, rules)
    assert {path: array.shape for path, array in arrays.items()} == expected
    assert found == count


def test_equals_the_golden_file():
    backbone_goldens.check("mobilefacenet", TINY["mobilefacenet"])


@pytest.mark.torch
@pytest.mark.parametrize("name", ["mobilefacenet"])
def test_equals_pytorch(name, rng):
    compare_forward(TINY[name], rng)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_published_networks_equal_pytorch(name, rng):
    compare_forward(PUBLISHED[name], rng)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilefacenet", *LARGE])
def test_gradients_equal_pytorch(name, rng):
    compare_gradient((TINY | PUBLISHED)[name], rng)
