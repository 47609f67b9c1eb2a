"""Comparison of one network with PyTorch on fresh weights and images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.reference import backbone_parity, weights


def compare_forward(case, rng):
    """Holds the maps of all stages and the embedding against PyTorch in float32."""
    model, net, images = _both(case, rng)
    found = backbone_parity.ours(case, model, *images)
    backbone_parity.check_forward(found, backbone_parity.theirs(case, net, *images))


def compare_gradient(case, rng):
    """Holds the gradient of a pair's cosine against PyTorch.

    In float64: in float32 some unit of a large network falls on the other side of its
    kink, which changes the gradient by a thousandth.
    """
    model, net, images = _both(case, rng)
    images = [image.astype(np.float64) for image in images]
    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), model)
        found = np.asarray(backbone_parity.ours(case, model, *images).gradient)
    expected = backbone_parity.theirs(case, net.double(), *images).gradient
    assert backbone_parity.relative_error(found, expected) <= 1e-10


def _both(case, rng):
    torch = pytest.importorskip("torch")

    def fresh(name, shape):
        return rng.random(shape)

    net = case.torch_net()
    layout = {name: tuple(v.shape) for name, v in net.state_dict().items()}
    state = weights.state(layout, fresh)
    net.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    images = [case.image(name, fresh) for name in ("probe", "gallery")]
    return case.fill(state), net, images
