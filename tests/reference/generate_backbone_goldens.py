"""Writes tests/golden/backbones. Needs PyTorch:

python -m tests.reference.generate_backbone_goldens

A unit that rounds to the other side of a kink changes a gradient by a thousandth, so
of several probes the one is taken whose units stay farthest from their kinks.
"""

import json

import numpy as np
import torch
from torch import nn

from tests.reference import backbone_goldens, backbone_parity, weights
from tests.reference.backbone_cases import TINY

KINKS = {nn.PReLU: (0,), nn.ReLU: (0,), nn.ReLU6: (0, 6)}
PROBES = [f"probe {index}" for index in range(16)]


def margin(net, batch):
    """Smallest distance of a unit from a kink, relative to the root mean square."""
    margins = []

    def measure(module, inputs):
        (x,) = inputs
        distance = min((x - kink).abs().min() for kink in KINKS[type(module)])
        margins.append(distance / x.square().mean().sqrt())

    hooks = [
        module.register_forward_pre_hook(measure)
        for module in net.modules()
        if type(module) in KINKS
    ]
    with torch.no_grad():
        net(batch)
    for hook in hooks:
        hook.remove()
    return min(margins).item()


def write(name, case):
    """Writes the file of one network."""
    net = case.torch_net().double()
    layout = {k: tuple(v.shape) for k, v in net.state_dict().items()}
    state = weights.state(layout)
    net.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})

    def image(name):
        return case.image(name).astype(np.float64)

    def safety(name):
        return margin(net, backbone_parity.torch_batch(case, image(name)))

    probe = max(PROBES, key=safety)
    print(f"{name}: {probe} stays {safety(probe):.1e} from every kink")
    outcome = backbone_parity.theirs(case, net, image(probe), image("gallery"))
    np.savez_compressed(
        backbone_goldens.FOLDER / f"{name}.npz",
        layout=np.array(json.dumps(layout)),
        probe=np.array(probe),
        features=outcome.maps[-1].astype(np.float32),
        embedding=outcome.embedding.astype(np.float32),
        gradient=outcome.gradient[backbone_goldens.SAMPLE].astype(np.float32),
    )


if __name__ == "__main__":
    for name, case in TINY.items():
        write(name, case)
