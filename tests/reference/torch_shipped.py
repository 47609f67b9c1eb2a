"""The shipped network in PyTorch, with the same weights."""

import torch

from fxai_jax.checkpoints import load_backbone, model_arrays
from tests.reference.torch_mobilefacenet import NamedNet
from tests.reference.torch_names import NAMED_MOBILEFACENET, arrays


def shipped_network(dtype=torch.float32):
    """PyTorch function from (n, 3, h, w) in [0, 1] to raw embeddings."""
    net = shipped_module(dtype)
    return lambda x: net(normalised(x))


def normalised(x):
    """Pixels in [0, 1] in the network's own input space."""
    return (255 * x - 127.5) / 128


def shipped_module(dtype=torch.float32):
    """PyTorch module from normalised pixels to raw embeddings."""
    net = NamedNet(192, strided=(0, 1, 0, 1))
    ours = model_arrays(load_backbone("mobilefacenet"))
    state = net.state_dict()
    for name, tensor in state.items():
        target = arrays({name: tensor.numpy()}, NAMED_MOBILEFACENET)
        if target:
            state[name] = torch.tensor(_back(ours[next(iter(target))], tensor.ndim))
    net.load_state_dict(state)
    return net.eval().requires_grad_(False).to(dtype)


def as_torch(image, dtype=torch.float32):
    """One image (h, w, c) as a batch of one (1, c, h, w)."""
    return torch.tensor(image, dtype=dtype).permute(2, 0, 1)[None].contiguous()


def channel_loop(embed, probe, gallery, threshold):
    """FGGB as it is published: one backward pass after another, "absolute"."""
    probe = probe.clone().requires_grad_(True)
    feature = torch.nn.functional.normalize(embed(probe)[0], dim=0, eps=1e-8)
    other = torch.nn.functional.normalize(embed(gallery)[0], dim=0, eps=1e-8)
    weights = (feature * other).detach() - threshold / len(feature)
    total = torch.zeros(probe.shape[2:], dtype=probe.dtype)
    for weight, channel in zip(weights, feature, strict=True):
        (gradient,) = torch.autograd.grad(channel, probe, retain_graph=True)
        map_ = gradient[0].abs().mean(0)
        total += weight * map_ / (map_.norm() + 1e-8)
    return total


def _back(array, rank):
    if rank == 4:
        return array.transpose(3, 2, 0, 1).copy()
    return array.T.copy()
