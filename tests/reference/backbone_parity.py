"""What our networks and the PyTorch references give for one case, and how far apart."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fxai_jax.backbones.layers import max_pool
from fxai_jax.numerics import cosine


class Outcome(NamedTuple):
    """What one network gives for a pair of images."""

    maps: list
    embedding: np.ndarray
    gradient: np.ndarray


# The networks are tiny and run once: half the compile time matters more than speed.
QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}


@partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def _run(stages, model, image, reference):
    def pair_cosine(image):
        embedding = model(image)
        return cosine(embedding, reference), (stages(model, image), embedding)

    gradient, (maps, embedding) = jax.grad(pair_cosine, has_aux=True)(image)
    return Outcome(maps, embedding, gradient)


def ours(case, model, probe, gallery):
    """What our network gives; float64 where the model and the images are."""
    stages = STAGES[case.family]
    anything = jnp.ones(case.options.get("embedding_size", 512), probe.dtype)
    reference = _run(stages, model, gallery, anything).embedding
    return _run(stages, model, probe, reference)


def theirs(case, net, probe, gallery):
    """What PyTorch gives, in our layout; float64 where the network and images are."""
    import torch

    image = torch_batch(case, probe).requires_grad_()
    maps = net.stages(image)
    embedding = net.head(maps[-1])[0]
    reference = net(torch_batch(case, gallery))[0]
    torch.nn.functional.cosine_similarity(embedding, reference, dim=0).backward()
    _, scale, colours = _convention(case)
    return Outcome(
        [_channels_last(x) for x in maps],
        embedding.detach().numpy(),
        _channels_last(image.grad)[:, :, colours] * 255 / scale,
    )


def torch_batch(case, image):
    """One image as PyTorch reads it, in the network's own convention."""
    import torch

    mean, scale, colours = _convention(case)
    pixels = ((255 * image - mean) / scale)[None, :, :, colours]
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def _convention(case):
    mean, scale, order = case.convention
    return mean, scale, slice(None, None, -1 if order == "bgr" else 1)


def _channels_last(x):
    return x.detach()[0].permute(1, 2, 0).numpy()


def relative_error(actual, expected):
    """Norm of the difference over the norm of the expectation."""
    actual, expected = np.float64(actual), np.float64(expected)
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def angle_error(actual, expected):
    """1 - cosine of two embeddings."""
    actual, expected = np.float64(actual), np.float64(expected)
    norms = np.linalg.norm(actual) * np.linalg.norm(expected)
    return 1 - actual @ expected / norms


def check_forward(found, expected):
    """Holds maps and embedding against the tolerances agreed for float32."""
    pairs = zip(found.maps, expected.maps, strict=True)
    errors = [relative_error(*pair) for pair in pairs]
    errors.append(relative_error(found.embedding, expected.embedding))
    assert max(errors) <= 2e-5, errors
    assert angle_error(found.embedding, expected.embedding) <= 1e-6


def _iresnet_stages(model, image):
    x = model.prelu(model.bn1(model.conv1(model.input(image, image.dtype))))
    maps = []
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = stage(x)
        maps.append(x)
    return [*maps[:-1], model.features(image)]


def _facenet_stages(model, image):
    x = model.conv2d_2b(
        model.conv2d_2a(model.conv2d_1a(model.input(image, image.dtype)))
    )
    x = model.conv2d_3b(max_pool(x, 3, 2))
    stem = model.conv2d_4b(model.conv2d_4a(x))
    first = model.mixed_6a(model.repeat_1(stem))
    second = model.mixed_7a(model.repeat_2(first))
    return [stem, first, second, model.features(image)]


def _vit_stages(model, image):
    features = model.features(image)
    size, rows = model.patch, features.shape[0]
    cut = model.input(image, image.dtype)[: rows * size, : rows * size]
    pixels = cut.reshape(rows, size, rows, size, 3).swapaxes(1, 2)
    tokens = model.patch_embed(pixels.reshape(rows * rows, -1)) + model.pos_embed[...]
    maps = []
    for block in model.blocks.layers:
        tokens = block(tokens)
        maps.append(tokens.reshape(rows, rows, -1))
    return [*maps, features]


def _mobilefacenet_stages(model, image):
    x = model.conv2_dw(model.conv1(model.input(image, image.dtype)))
    maps = [x]
    for down, same in (
        (model.conv_23, model.conv_3),
        (model.conv_34, model.conv_4),
        (model.conv_45, model.conv_5),
    ):
        x = same(down(x))
        maps.append(x)
    return [*maps, model.features(image)]


STAGES = {
    "iresnet": _iresnet_stages,
    "inception_resnet_v1": _facenet_stages,
    "vit": _vit_stages,
    "mobilefacenet": _mobilefacenet_stages,
}
