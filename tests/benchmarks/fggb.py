"""FGGB and the forward pass against PyTorch with the same weights, two threads.

``python -m tests.benchmarks.fggb``
"""

from functools import partial

import jax
import numpy as np
import torch

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import fggb
from tests.benchmarks.side_by_side import compare
from tests.reference.torch_shipped import as_torch, channel_loop, shipped_network


def main():
    torch.set_num_threads(2)
    model, network = load_backbone("mobilefacenet"), shipped_network()
    probe, gallery = sample_face("a_2"), sample_face("a_1")
    probe_t, gallery_t = as_torch(probe), as_torch(gallery)

    embed = jax.jit(lambda m, x: m(x))
    compare(
        "forward, 1 image",
        lambda: jax.block_until_ready(embed(model, probe)),
        lambda: network(probe_t),
        rounds=50,
    )
    batch = np.repeat(probe[None], 32, axis=0)
    batch_t = probe_t.repeat(32, 1, 1, 1)
    embed_batch = jax.jit(jax.vmap(lambda m, x: m(x), (None, 0)))
    compare(
        "forward, 32 images",
        lambda: jax.block_until_ready(embed_batch(model, batch)),
        lambda: network(batch_t),
        rounds=10,
    )
    explain = jax.jit(
        partial(fggb.explain, threshold=0.45), static_argnames="chunk_size"
    )
    for chunk_size in (4, 8, 16, 32):
        ours = partial(explain, model, probe, gallery, chunk_size=chunk_size)
        compare(
            f"FGGB, chunk_size {chunk_size}",
            lambda ours=ours: jax.block_until_ready(ours()),
            lambda: channel_loop(network, probe_t, gallery_t, 0.45),
        )
    maps = np.asarray(explain(model, probe, gallery, chunk_size=16).signed)
    loop = channel_loop(network, probe_t, gallery_t, 0.45).numpy()
    print(f"maps agree to {np.abs(maps - loop).max() / np.abs(loop).max():.1e}")


if __name__ == "__main__":
    main()
