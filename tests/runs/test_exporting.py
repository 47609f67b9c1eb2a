import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export as jax_export

import fxai_jax as fx
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from fxai_jax.methods import amva, baselines, fggb, frequency, plq, quality
from tests.networks import Tiny

SIZE = (16, 16)
MASKS = frequency.radial_bands(SIZE, width=3).masks
PAIR = ("probe", "gallery")
METHODS = {
    "fggb": (fggb.explain, {"chunk_size": 4}, (*PAIR, "threshold")),
    "plq": (plq.explain, {"passes": 4, "alpha": 30.0}, ("key", "image")),
    "ser_fiq": (quality.ser_fiq, {"passes": 4}, ("key", "image")),
    "amva": (amva.activation, {"chunk_size": 4}, ("image",)),
    "frequency": (frequency.explain, {"masks": MASKS}, PAIR),
    "xssab": (baselines.xssab.explain, {"threshold": 0.3}, PAIR),
}


@pytest.fixture
def model(rng):
    return Tiny(rng)


@pytest.fixture
def images(rng):
    return jnp.asarray(rng.uniform(size=(2, 5, *SIZE, 3)), jnp.float32)


@pytest.mark.parametrize("name", METHODS)
def test_a_program_that_was_written_computes_what_the_method_does(
    name, model, images, key
):
    method, options, names = METHODS[name]
    numbers = {
        "key": jax.random.split(key, 5),
        "image": images[0],
        "probe": images[0],
        "gallery": images[1],
        "threshold": jnp.float32(0.4),
    }
    program = fx.export(method, model, size=SIZE, **options)
    assert program.platforms == ("cpu", "cuda", "tpu")
    read = jax_export.deserialize(program.serialize())
    given = [numbers[name] for name in names]
    found = read.call(jax.tree.leaves(model), *given)

    def one(*arrays):
        return method(model, **dict(zip(names, arrays, strict=True)), **options)

    axes = [None if name == "threshold" else 0 for name in names]
    expected = jax.jit(jax.vmap(one, axes))(*given)
    assert type(found) is type(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6 * max(1, np.abs(b).max()))


@pytest.mark.slow
def test_batches_of_any_length_of_one_and_none(model, images):
    options = {"threshold": 0.4, "chunk_size": 4, "size": SIZE, "platforms": ["cpu"]}
    leaves, (a, b) = jax.tree.leaves(model), images
    expected = fggb.explain(model, a[0], b[0], threshold=0.4).signed
    alone = fx.export(fggb.explain, model, batch=None, **options)
    two = fx.export(fggb.explain, model, batch=2, **options)
    found = alone.call(leaves, a[0], b[0]).signed
    np.testing.assert_allclose(found, expected, atol=1e-6)
    found = two.call(leaves, a[:2], b[:2]).signed[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(ValueError, match="shape"):
        two.call(leaves, a, b)


@pytest.mark.slow
def test_a_program_is_called_in_a_fresh_process(tmp_path):
    model = load_backbone("mobilefacenet")
    a, b = sample_face("a_1"), sample_face("a_2")
    program = fx.export(
        fx.fggb.explain, model, threshold=0.45, chunk_size=16, platforms=["cpu"]
    )
    (tmp_path / "program").write_bytes(program.serialize())
    code = f"""
import jax, numpy as np, fxai_jax as fx
from jax import export
from fxai_jax.methods import fggb
program = export.deserialize(open({str(tmp_path / "program")!r}, "rb").read())
faces = [fx.sample_face(name)[None] for name in ("a_1", "a_2")]
found = program.call(jax.tree.leaves(fx.load_backbone("mobilefacenet")), *faces)
assert type(found).__name__ == "PairSaliency"
print(float(found.cosine[0]), float(found.signed.max()))
"""
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    expected = jax.jit(lambda *x: fggb.explain(*x, threshold=0.45, chunk_size=16))(
        model, a, b
    )
    cosine, largest = map(float, printed.split())
    assert cosine == pytest.approx(float(expected.cosine), abs=1e-6)
    assert largest == pytest.approx(float(expected.signed.max()), rel=1e-4)


@pytest.mark.slow
def test_networks_and_results_serialise_as_they_are():
    """Without the library's own `export`."""
    model = load_backbone("mobilefacenet")
    face = jax.ShapeDtypeStruct((112, 112, 3), jnp.float32)
    call = jax.jit(lambda *x: baselines.xssab.explain(*x, threshold=0.45))
    program = jax_export.export(call)(model, face, face)
    read = jax_export.deserialize(program.serialize())
    a, b = (jnp.asarray(sample_face(name)) for name in ("a_1", "a_2"))
    found, expected = read.call(model, a, b), call(model, a, b)
    np.testing.assert_allclose(found.signed, expected.signed, atol=1e-7)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (frequency.explain, {}, "fix it: masks="),
        (fggb.explain, {"chunk": 3}, "no option 'chunk'"),
        (fggb.explain, {"platforms": ["gpu"]}, "list of .*'cuda'"),
    ],
)
def test_missing_and_unknown_options_are_refused(model, method, options, message):
    with pytest.raises(ValueError, match=message):
        fx.export(method, model, size=SIZE, **options)
