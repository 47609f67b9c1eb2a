"""Golden files of the tiny networks: what PyTorch gave, and the names of the weights.

The weights and the images are not stored: `tests.reference.weights` makes them anew.
"""

import json
from pathlib import Path

import numpy as np

from tests.reference import backbone_parity, weights
from tests.reference.backbone_parity import Outcome, relative_error

FOLDER = Path(__file__).parent.parent / "golden" / "backbones"
SAMPLE = (slice(3, None, 7), slice(3, None, 7))
"""The pixels whose gradient is stored."""


def read(name):
    """The weights by PyTorch name, and the stored arrays."""
    with np.load(FOLDER / f"{name}.npz") as stored:
        arrays = dict(stored)
    layout = json.loads(str(arrays.pop("layout")))
    return weights.state({k: tuple(v) for k, v in layout.items()}), arrays


def check(name, case):
    """Holds our network against the golden file; needs no PyTorch."""
    state, golden = read(name)
    probe, gallery = case.image(str(golden["probe"])), case.image("gallery")
    found = backbone_parity.ours(case, case.fill(state), probe, gallery)
    expected = Outcome([golden["features"]], golden["embedding"], golden["gradient"])
    backbone_parity.check_forward(found._replace(maps=found.maps[-1:]), expected)
    assert relative_error(found.gradient[SAMPLE], expected.gradient) <= 1e-4
