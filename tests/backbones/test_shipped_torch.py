import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
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
        found = jax.jit(lambda m, x: m(x))(model, face)
        assert relative(found, expected) < 1e-5


def gradient(network, probe, gallery):
    probe.requires_grad_(True)
    cosines = torch.nn.functional.cosine_similarity(network(probe), network(gallery))
    (pixels,) = torch.autograd.grad(cosines, probe)
    return pixels[0].permute(1, 2, 0).numpy()


# float64: a PReLU near its kink falls on the same side in both frameworks
@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield load_backbone("mobilefacenet", dtype=jnp.float64)


@pytest.mark.slow
def test_gradients_of_the_cosine_equal_pytorch(double):
    faces = [sample_face(name).astype(np.float64) for name in ("a_1", "b_1")]
    images = (as_torch(face, torch.float64) for face in faces)
    expected = gradient(shipped_network(torch.float64), *images)
    found = jax.jit(jax.grad(lambda x, m, y: cosine(m(x), m(y))))(
        jnp.asarray(faces[0]), double, jnp.asarray(faces[1])
    )
    assert relative(found, expected) < 1e-8


@pytest.mark.slow
def test_fggb_equals_the_published_loop(double):
    faces = [sample_face(name).astype(np.float64) for name in ("a_1", "b_1")]
    images = (as_torch(face, torch.float64) for face in faces)
    loop = channel_loop(shipped_network(torch.float64), *images, 0.45)
    maps = jax.jit(fggb.explain, static_argnames="chunk_size")(
        double, *map(jnp.asarray, faces), threshold=0.45, chunk_size=16
    )
    assert relative(maps.signed, loop.numpy()) < 1e-8
