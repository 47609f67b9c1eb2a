"""PLQ, AMVA and frequency against PyTorch with the same weights, two threads.

``python -m tests.benchmarks.methods``
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import amva, frequency, plq
from tests.benchmarks.side_by_side import compare
from tests.reference.torch_shipped import as_torch, normalised, shipped_module

CONSTANTS = {"alpha": 180.0, "center": 0.6915, "gamma": 9.07}


def torch_plq(net, image, passes=100):
    """SER-FIQ from one trunk pass, then the gradient of the sum of the embedding."""
    pixels = image.clone().requires_grad_(True)
    pooled = net.conv_6_dw(net.stages(normalised(pixels))[-1]).flatten(1)
    with torch.no_grad():
        kept = functional.dropout(pooled.expand(passes, -1), 0.5, training=True)
        heads = functional.normalize(net.bn(net.linear(kept)), dim=1)
        quality = 2 * torch.sigmoid(-torch.pdist(heads).mean())
        scaled = torch.sigmoid(180.0 * (quality - 0.6915))
    total = functional.normalize(net.bn(net.linear(pooled)), dim=1).sum()
    (gradient,) = torch.autograd.grad(total, pixels)
    gradient = scaled / total.detach() * gradient / 255
    magnitude = gradient.abs().mean(1)
    return 1 - 1 / (1 + 10**9.07 * magnitude**2)


@torch.no_grad()
def torch_amva(net, image, batch=64):
    """Score-CAM on the cosine, 64 masked images at a time."""
    x = normalised(image)
    features = net.stages(x)[-1]
    reference = net.head(features)
    maps = functional.interpolate(features, size=(112, 112), mode="bilinear")[0]
    low = maps.amin((1, 2), keepdim=True)
    masks = (maps - low) / (maps.amax((1, 2), keepdim=True) - low)
    scores = [
        functional.cosine_similarity(net(x * part[:, None]), reference)
        for part in masks.split(batch)
    ]
    return torch.einsum("kij,k->ij", features[0], torch.cat(scores))


@torch.no_grad()
def torch_frequency(net, probe, gallery, masks):
    """All bands of one probe in one batch."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(probe), dim=(-2, -1))
    kept = torch.where(masks[:, None], 0, spectrum)
    images = torch.fft.ifft2(torch.fft.ifftshift(kept, dim=(-2, -1))).real
    embeddings = net(normalised(torch.cat([probe, images])))
    cosines = functional.cosine_similarity(embeddings, net(normalised(gallery)))
    return cosines[0] - cosines[1:]


def main():
    torch.set_num_threads(2)
    model, net = load_backbone("mobilefacenet"), shipped_module()
    probe, gallery = sample_face("a_2"), sample_face("a_1")
    probe_t, gallery_t = as_torch(probe), as_torch(gallery)
    key, bands = jax.random.key(0), frequency.radial_bands((112, 112))
    masks_t = torch.tensor(np.asarray(bands.masks))

    quality = jax.jit(partial(plq.explain, **CONSTANTS))
    compare(
        "PLQ, 100 passes",
        lambda: jax.block_until_ready(quality(model, key, probe)),
        lambda: torch_plq(net, probe_t),
        rounds=20,
    )
    bands_of = partial(
        jax.jit(frequency.explain, static_argnames="chunk_size"), chunk_size=5
    )
    compare(
        "frequency, 15 bands, chunk_size 5",
        lambda: jax.block_until_ready(bands_of(model, probe, gallery, bands.masks)),
        lambda: torch_frequency(net, probe_t, gallery_t, masks_t),
        rounds=20,
    )
    for chunk_size in (4, 16):
        attention = partial(
            jax.jit(amva.activation, static_argnames="chunk_size"),
            chunk_size=chunk_size,
        )
        compare(
            f"AMVA, chunk_size {chunk_size}",
            lambda attention=attention: jax.block_until_ready(attention(model, probe)),
            lambda: torch_amva(net, probe_t),
        )
    ours = np.asarray(attention(model, probe))
    theirs = torch_amva(net, probe_t).numpy()
    influence = bands_of(model, probe, gallery, bands.masks).directed
    reference = torch_frequency(net, probe_t, gallery_t, masks_t).numpy()
    print(f"AMVA agrees to {np.abs(ours - theirs).max() / np.abs(theirs).max():.1e}")
    print(f"frequency agrees to {float(jnp.abs(influence - reference).max()):.1e}")


if __name__ == "__main__":
    main()
