"""A network, pairs and explainers so small that the truth is known."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from fxai_jax.array_types import PairSaliency
from fxai_jax.backbones.layers import dropout
from fxai_jax.cards import load_card
from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.registry import Explainer
from fxai_jax.numerics import cosine, split_sign
from fxai_jax.own.importing import Network

SIZE = 32


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class UpperHalf:
    """A face model that looks at the upper half of an image alone."""

    weights: jax.Array

    def __call__(self, image):
        return self.head(self.features(image))

    def features(self, image):
        return jnp.asarray(image)[: SIZE // 2]

    def head(self, features, *, dropout_rate=0.0, key=None):
        kept = dropout(features.reshape(-1), dropout_rate, key)
        return jnp.tanh(kept @ self.weights) + 0.1


def upper_half(weights):
    return UpperHalf(jnp.asarray(weights, jnp.float32))


def network(model):
    """The model with a card, as `fxai_jax.evaluate` takes it."""
    card = dataclasses.replace(
        load_card("mobilefacenet"), name="tiny", image_size=(SIZE, SIZE), threshold=0.5
    )
    return Network(model, card)


def pairs_of(images, probe, gallery, genuine, **groups):
    """Pairs of arrays; None in the place of an image cannot be read."""

    def read(i):
        if images[i] is None:
            raise ValueError(f"image {i} is damaged")
        return images[i]

    return Pairs(
        images=[f"image {i}" for i in range(len(images))],
        read=read,
        measure=lambda i: (SIZE, SIZE),
        probe=np.asarray(probe),
        gallery=np.asarray(gallery),
        genuine=np.asarray(genuine, bool),
        groups={name: list(values) for name, values in groups.items()},
    )


def explainer(map_of, **options):
    """An explainer that ranks pixels by a function of probe and gallery."""

    def explain(model, key, probe, gallery, *, threshold):
        signed = map_of(jnp.asarray(probe), jnp.asarray(gallery), key)
        value = cosine(model(probe), model(gallery))
        return PairSaliency(*split_sign(signed), signed, value)

    return Explainer("made up", explain, smooth=False, **options)


def rows_map(sign):
    """Ranks rows from the top (1) or from the bottom (-1)."""
    rows = jnp.arange(SIZE, 0, -1, dtype=jnp.float32)[:, None]
    return lambda probe, gallery, key: sign * rows * jnp.ones((1, SIZE))


def noise(probe, gallery, key):
    return jax.random.uniform(key, (SIZE, SIZE))
