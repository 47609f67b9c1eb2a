"""One small network of each family, with random numbers that keep it alive."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from fxai_jax.backbones import registry
from fxai_jax.backbones.layers import (
    BatchNorm,
    Conv,
    InputConvention,
    Linear,
    PReLU,
    dropout,
)
from fxai_jax.checkpoints import empty_network, fill, network_leaves

OPTIONS = {
    "mobilefacenet": {"blocks": (1, 1, 1, 1), "embedding_size": 8},
    "iresnet": {"depth": (1, 1, 1, 1), "width": 8, "embedding_size": 8},
    "inception_resnet_v1": {"repeats": (1, 1, 1), "embedding_size": 8},
    "vit": {"patch": 28, "width": 16, "depth": 2, "heads": 2, "embedding_size": 8},
}
FAMILIES = tuple(OPTIONS)
assert sorted(FAMILIES) == sorted(registry.FAMILIES)


def small(family, rng, dtype=jnp.float32):
    """The network and the size of its images."""
    network = empty_network(family, OPTIONS[family])
    leaves = network_leaves(network).items()
    arrays = {path: _leaf(path, leaf.shape, rng) for path, leaf in leaves}
    placed = {path: jnp.asarray(array, dtype) for path, array in arrays.items()}
    return fill(network, placed), 160 if family == "inception_resnet_v1" else 112


def _leaf(path, shape, rng):
    name = path.rpartition("/")[2]
    if name == "kernel":
        fan_in = np.prod(shape[:-1], dtype=int)
        return rng.normal(size=shape) * np.sqrt(2 / fan_in)
    if name in ("scale", "var"):
        return rng.uniform(0.6, 1.4, shape)
    return rng.uniform(-0.2, 0.2, shape)


def cast(model, dtype):
    """The same network in another type."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype), model)


class Tiny(nnx.Module):
    """Every layer of the large ones, for few pixels; it compiles in a second."""

    def __init__(self, rng, *, size=16):
        """Fills every leaf with random numbers; `size` is the side of the images."""
        self.input = InputConvention()
        self.conv = Conv(3, 4, 3, stride=2, padding=((1, 1), (1, 1)))
        self.bn = BatchNorm(4)
        self.prelu = PReLU(4)
        self.depthwise = Conv(4, 4, 3, padding=((1, 1), (1, 1)), groups=4)
        self.linear = Linear(size * size, 6)
        leaves = network_leaves(self).items()
        arrays = {path: _leaf(path, leaf.shape, rng) for path, leaf in leaves}
        nnx.update(
            self, nnx.state(fill(self, {k: jnp.float32(v) for k, v in arrays.items()}))
        )

    def __call__(self, image):
        """The embedding."""
        return self.head(self.features(image))

    def features(self, image):
        """The last map, half the size, of 4 channels."""
        x = self.prelu(self.bn(self.conv(self.input(image, self.conv.kernel.dtype))))
        return self.depthwise(x)

    def head(self, features, *, dropout_rate=0.0, key=None):
        """The embedding of the map."""
        return self.linear(dropout(features.reshape(-1), dropout_rate, key))
