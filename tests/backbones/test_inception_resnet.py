import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.array_types import FaceModel
from fxai_jax.backbones.inception_resnet import InceptionResnetV1
from tests.reference import backbone_goldens, torch_names, weights
from tests.reference.backbone_cases import PUBLISHED, TINY
from tests.reference.torch_parity import compare_forward, compare_gradient

LARGE = ["facenet_irv1"]


def test_has_a_place_for_every_tensor_of_the_checkpoint():
    state = weights.placeholders(weights.published_layout("facenet_irv1"))
    expected, count = weights.structure(InceptionResnetV1)
    arrays = torch_names.arrays(state, torch_names.FACENET)
    assert {path: array.shape for path, array in arrays.items()} == expected
    assert count == 23_482_624


def test_equals_the_golden_file():
    backbone_goldens.check("facenet", TINY["facenet"])


def test_dropout_falls_on_the_averages(key):
    net = weights.identity(
        lambda: InceptionResnetV1(repeats=(0, 0, 0), embedding_size=1792),
        last_linear__kernel=np.eye(1792, dtype=np.float32),
    )
    features = jnp.ones((3, 3, 1792))
    values = np.array(net.head(features, dropout_rate=0.6, key=key))
    assert np.all((np.abs(values) < 1e-3) | (np.abs(values - 2.5) < 1e-2))
    assert abs(np.mean(values > 1) - 0.4) < 0.1
    with pytest.raises(ValueError, match="needs a key"):
        net.head(features, dropout_rate=0.6)
    assert isinstance(net, FaceModel)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["facenet"])
def test_equals_pytorch(name, rng):
    compare_forward(TINY[name], rng)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_published_networks_equal_pytorch(name, rng):
    compare_forward(PUBLISHED[name], rng)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", ["facenet"])
def test_gradients_equal_pytorch(name, rng):
    compare_gradient((TINY | PUBLISHED)[name], rng)
