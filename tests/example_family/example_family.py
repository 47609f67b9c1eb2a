"""A tiny network family, and a checkpoint of it: python -m example_family FOLDER."""

import sys

import jax
import jax.numpy as jnp
from flax import nnx

import fxai_jax as fx
from fxai_jax.cards import Card


class Example(nnx.Module):
    """Patches of 16 x 16 pixels, one layer, and their mean."""

    def __init__(self, *, channels: int = 8, embedding_size: int = 16):
        self.patch = nnx.Param(jnp.zeros((16 * 16 * 3, channels)))
        self.kernel = nnx.Param(jnp.zeros((channels, embedding_size)))

    def __call__(self, image):
        return self.head(self.features(image))

    def features(self, image):
        grid = jnp.reshape(2 * image - 1, (7, 16, 7, 16, 3)).transpose(0, 2, 1, 3, 4)
        return jnp.tanh(grid.reshape(7, 7, -1) @ self.patch[...])

    def head(self, features, *, dropout_rate=0.0, key=None):
        if key is not None:
            kept = jax.random.bernoulli(key, 1 - dropout_rate, features.shape)
            features = jnp.where(kept, features / (1 - dropout_rate), 0)
        return features.mean(axis=(0, 1)) @ self.kernel[...]


def save(folder) -> Card:
    """Writes a checkpoint of random weights."""
    options = {"channels": 8, "embedding_size": 16}
    network, keys = Example(**options), iter(jax.random.split(jax.random.key(0), 2))
    network = jax.tree.map(lambda x: jax.random.normal(next(keys), x.shape), network)
    sizes = {"image_size": (112, 112), "embedding_size": 16}
    told = {"source": {}, "licence": "Apache-2.0", "weights_sha256": ""}
    card = Card("Example", "example", options, **sizes, alignment="arcface-112", **told)
    return fx.save_backbone(folder, network, card)


if __name__ == "__main__":
    print(save(sys.argv[1]))
