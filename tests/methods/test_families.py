"""All four methods on every family of networks, tiny ones with random weights."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.methods import amva, fggb, frequency, plq
from tests.reference import weights
from tests.reference.backbone_cases import TINY

FAMILIES = ("crfiqa", "magface", "adaface", "curricularface", "facenet", "transface")
CASES = [*FAMILIES, "vit", "cvlface", "mobilefacenet"]


@pytest.fixture(scope="module", params=CASES)
def network(request):
    case = TINY[request.param]
    layout = {name: tuple(t.shape) for name, t in _state(case).items()}
    return case.fill(weights.state(layout)), case


def _state(case):
    pytest.importorskip("torch")
    return case.torch_net().state_dict()


@pytest.mark.slow
def test_all_methods_run_on_every_family(network):
    model, case = network
    size = (case.size, case.size)
    probe, gallery = (jnp.asarray(case.image(name)) for name in ("probe", "gallery"))
    bands = frequency.radial_bands(size, width=16)
    calls = {
        "fggb": partial(fggb.explain, threshold=0.3, chunk_size=8),
        "frequency": lambda m, a, b: frequency.explain(m, a, b, bands.masks),
        "plq": lambda m, a, b: plq.explain(m, jax.random.key(0), a, passes=5),
        "amva": lambda m, a, b: amva.activation_map(
            amva.activation(m, a, chunk_size=8), size
        ),
    }
    results = {name: jax.jit(f)(model, probe, gallery) for name, f in calls.items()}
    for name, result in results.items():
        for leaf in jax.tree.leaves(result):
            assert np.isfinite(np.asarray(leaf)).all(), name
    assert results["fggb"].signed.shape == size
    assert float(jnp.abs(results["fggb"].signed).max()) > 0
    assert float(results["frequency"].absolute.max()) > 0
    assert float(jnp.abs(results["plq"].gradient).max()) > 0
    assert results["amva"].max() == pytest.approx(1, abs=1e-5)
