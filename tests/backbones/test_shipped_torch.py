import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.faces import sample_face
from fxai_jax.methods import fggb
from fxai_jax.numerics import cosine
from tests.faces import relative

torch = pytest.importorskip("torch")

from tests.reference.torch_shipped import (  # noqa: E402
    as_torch,
    channel_loop,
    shipped_network,
)

pytestmark = pytest.mark.torch


def test_embeddings_equal_pytorch():
    model, network = load_backbone("mobilefacenet"), shipped_network()
    for name in ("a_1", "b_1", "a_partial"):
        face = sample_face(name)
        expected = network(as_torch(face))[0].numpy()
        assert relative(model(face), expected) < 1e-5


def test_cosine_gradients_and_fggb_equal_pytorch():
    # float64: a PReLU near its kink falls on the same side in both frameworks
    with jax.enable_x64(True):
        model = load_backbone("mobilefacenet", dtype=jnp.float64)
        network = shipped_network(torch.float64)
        faces = [sample_face(name).astype(np.float64) for name in ("a_1", "b_1")]
        probe, gallery = (as_torch(face, torch.float64) for face in faces)
        probe.requires_grad_(True)
        similarity = torch.nn.functional.cosine_similarity(
            network(probe), network(gallery)
        )
        expected = torch.autograd.grad(similarity, probe)[0][0].permute(1, 2, 0)
        reference = model(jnp.asarray(faces[1]))
        found = jax.grad(lambda x: cosine(model(x), reference))(jnp.asarray(faces[0]))
        assert relative(found, expected.numpy()) < 1e-8
        loop = channel_loop(network, probe.detach(), gallery, 0.45)
        maps = jax.jit(fggb.explain, static_argnames="chunk_size")(
            model, *map(jnp.asarray, faces), threshold=0.45, chunk_size=16
        )
        assert relative(maps.signed, loop.numpy()) < 1e-8
