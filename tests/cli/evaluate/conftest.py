"""A network small enough for the tests of the evaluations."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from fxai_jax import cards, checkpoints
from tests.reference.backbone_cases import TINY


@pytest.fixture
def backbone(tmp_path, rng):
    """A small network with a card, in a folder."""
    case = TINY["cvlface"]
    model = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) ** 2, leaf.dtype),
        case.make(),
    )
    card = dataclasses.replace(
        cards.load_card("mobilefacenet"),
        family=case.family,
        options=case.options,
        embedding_size=16,
    )
    checkpoints.save_backbone(tmp_path / "net", model, card)
    return tmp_path / "net"
