"""Networks of one's own, by the name of their code."""

import json
import re
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import fxai_jax as fx
from fxai_jax.cards import fingerprint, threshold_of
from fxai_jax.data.samples import sample_path
from fxai_jax.networks import open_network
from tests.cli.commands import fails, results, run

SOURCE = """
import dataclasses, functools
import jax, jax.numpy as jnp, numpy as np
import fxai_jax as fx

kernel = np.random.default_rng(0).normal(size=(192, 8)).astype(np.float32)

@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Net:
    kernel: jax.Array = dataclasses.field(default_factory=lambda: jnp.asarray(kernel))
    def __call__(self, image):
        return self.head(self.features(image))
    def features(self, image):
        return jnp.tanh(3 * image[7::14, 7::14] - 1)
    def head(self, features, *, dropout_rate=0.0, key=None):
        x = features.reshape(-1)
        if key is not None:
            x = jnp.where(jax.random.bernoulli(key, 1 - dropout_rate, x.shape), x, 0)
        return x @ self.kernel

def plain():
    return lambda image: Net()(image)

def bound():
    return functools.partial(lambda kernel, image: Net(kernel)(image), kernel)

def half():
    return Net(jnp.asarray(kernel, jnp.bfloat16))

def small():
    def network(image):
        return image.mean((0, 1))
    network.image_size = 40
    return network

def carded():
    return fx.Network(fx.load_backbone("mobilefacenet"), fx.load_card("mobilefacenet"))

def tuned():
    model = jax.tree.map(lambda leaf: 1.01 * leaf, carded().model)
    return model, carded().card

def other_size():
    card = dataclasses.replace(fx.load_card("mobilefacenet"), weights_sha256="")
    return Net(), card

def batched():
    return lambda image: Net()(image)[None]

def number():
    return 3

def a_class():
    return Net

def broken():
    raise RuntimeError("no weights\\nhere")

def needs(image):
    return image

size = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A working directory with a module, and the name of something in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine_net", raising=False)
    (tmp_path / "mine_net.py").write_text(SOURCE)
    yield "mine_net:{}".format
    sys.modules.pop("mine_net", None)


@pytest.mark.parametrize("name", ["Net", "plain", "bound", "half"])
def test_code_is_a_network_with_a_card(mine, name):
    model, card = open_network(mine(name))
    assert (card.name, card.family) == (mine(name), mine(name))
    assert (card.image_size, card.embedding_size) == ((112, 112), 8)
    assert (card.threshold, card.quality) == (None, None)
    face = fx.sample_face("a_1")
    found = np.asarray(model(face))
    assert found.dtype == np.float32
    reference = np.asarray(sys.modules["mine_net"].Net()(face))
    rounding = 2e-2 if name == "half" else 1e-5
    assert np.abs(found - reference).max() < rounding * np.abs(reference).max()
    with pytest.raises(ValueError, match=rf"threshold for {mine(name)}: give --thres"):
        threshold_of(card, None)


def test_the_digest_is_that_of_the_arrays_wherever_they_are(mine, tmp_path):
    def digests():
        sys.modules.pop("mine_net", None)
        names = ("Net", "plain", "bound", "small")
        return [open_network(mine(name)).card.weights_sha256 for name in names]

    first = digests()
    assert digests() == first
    changed = SOURCE.replace("default_rng(0)", "default_rng(1)")
    (tmp_path / "mine_net.py").write_text(changed)
    second = digests()
    assert [a != b for a, b in zip(first, second, strict=True)] == [1, 1, 1, 0]


def test_another_file_is_another_network(mine, tmp_path):
    before = fingerprint(open_network(mine("small")).card)
    (tmp_path / "mine_net.py").write_text(SOURCE.replace("image.mean", "image.max"))
    sys.modules.pop("mine_net")
    after = fingerprint(open_network(mine("small")).card)
    assert before["weights_sha256"] == after["weights_sha256"]
    assert before != after


def test_a_model_may_say_its_size(mine):
    assert open_network(mine("small")).card.image_size == (40, 40)


def test_a_card_of_the_same_arrays_keeps_its_threshold(mine):
    shipped = fx.load_card("mobilefacenet")
    card = open_network(mine("carded")).card
    assert card.threshold == 0.45
    assert card.weights_sha256 == shipped.weights_sha256
    assert card.family == mine("carded")
    assert card.options.keys() == {*shipped.options, "code_sha256"}
    assert open_network(mine("tuned")).card.threshold is None


def test_a_folder_of_any_type_is_used_in_float32(tmp_path):
    half = fx.load_backbone("mobilefacenet", dtype=jnp.bfloat16)
    written = fx.save_backbone(tmp_path / "net", half, fx.load_card("mobilefacenet"))
    model, card = open_network(tmp_path / "net")
    assert card == written
    assert model.linear.kernel.dtype == jnp.float32
    exact = half.linear.kernel[...].astype(jnp.float32)
    np.testing.assert_array_equal(model.linear.kernel[...], exact)


def test_it_is_loaded_by_the_same_name_in_python(mine):
    model = fx.load_backbone(mine("Net"))
    assert model.kernel.dtype == jnp.float32
    assert fx.load_backbone(mine("Net"), dtype="bfloat16").kernel.dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("number", "returned a value of type int, expected a model, which maps"),
        ("a_class", "returned the class Net, expected a model"),
        ("broken", "fails when it is called (RuntimeError: no weights here); name a"),
        ("needs", "fails when it is called (TypeError: needs() missing 1 required"),
        ("size", "is a value of type int, expected a function or class that returns"),
        ("nett", "it has Net, plain, bound, half, small"),
        ("batched", "model(image) is float32 (1, 8), expected (d,)"),
        ("other_size", "its card expects embeddings (192,), its model gives (8,)"),
    ],
)
def test_what_returns_no_model_is_refused_in_one_line(mine, capsys, name, words):
    faces = (sample_path("a_1"), sample_path("b_1"))
    error = fails(capsys, "explain", "fggb", *faces, "--backbone", mine(name))
    assert words in error
    assert "mine_net" in error


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "no module 'mine_net' for mine_net:Net, neither installed nor in"),
        ("import torch_that_is_not_there", "mine_net needs the module 'torch_that_is"),
        ("def (", "importing mine_net fails (SyntaxError: "),
        ("raise SystemExit(2)", "importing mine_net fails (SystemExit: 2)"),
        ("1 / 0", "importing mine_net fails (ZeroDivisionError: division by zero)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(mine, tmp_path, source, words):
    file = tmp_path / "mine_net.py"
    file.unlink() if source is None else file.write_text(source)
    with pytest.raises(ValueError, match=re.escape(words)):
        open_network(mine("Net"))


def test_a_folder_of_that_name_is_no_code(mine, tmp_path):
    (tmp_path / "mine_net:Net").mkdir()
    with pytest.raises(ValueError, match=r"mine_net:Net has no card\.json"):
        open_network(mine("Net"))


def test_a_command_takes_it(mine, tmp_path, capsys):
    rest = ("--backbone", mine("Net"), "--out", tmp_path / "out")
    faces = (sample_path("a_1"), sample_path("b_1"))
    error = fails(capsys, "explain", "fggb", *faces, *rest)
    assert f"nobody measured a threshold for {mine('Net')}: give --threshold" in error
    run("explain", "fggb", *faces, *rest, "--threshold", 0.3)
    maps, manifest = results(tmp_path / "out" / "fggb_a_1_b_1")
    card = open_network(mine("Net")).card
    assert manifest["backbone"] == {
        "name": mine("Net"),
        "family": mine("Net"),
        "options": {"code_sha256": card.options["code_sha256"]},
        "weights_sha256": card.weights_sha256,
    }
    model, faces = fx.load_backbone(mine("Net")), map(fx.sample_face, ("a_1", "b_1"))
    expected = fx.fggb.explain(model, *faces, threshold=0.3)
    np.testing.assert_allclose(maps["probe_signed"], expected.signed, atol=1e-4)
    error = fails(capsys, "calibrate", sample_path("a_1"), *rest[:2])
    assert "has no card to write into: save its model as a folder with" in error


@pytest.mark.slow
def test_every_command_takes_it(mine, tmp_path):
    rest = ("--backbone", mine("Net"), "--out", tmp_path / "out")
    run("explain", "amva", sample_path("a_1"), *rest)
    run("quality", sample_path("a_1"), *rest, "--passes", 3)
    pair = sample_path("a_1"), sample_path("b_1")
    run("explain", "frequency", *pair, *rest, "--threshold", 0)
    run("evaluate", "verification", *rest)
    for name in ("amva_a_1", "frequency_a_1_b_1"):
        manifest = results(tmp_path / "out" / name)[1]
        assert manifest["backbone"]["name"] == mine("Net")
    report = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert report["manifest"]["backbone"]["name"] == mine("Net")


def test_arrays_that_a_function_closed_over_cannot_be_randomised(mine):
    sanity = fx.protocols.Sanity(explainers=("fggb",), threshold=0.3)
    with pytest.raises(ValueError, match="mine_net:plain has no arrays to randomise"):
        fx.evaluate(sanity, backbone=mine("plain"), limit=2)


def test_an_evaluation_takes_it_by_name(mine):
    report = fx.evaluate(fx.protocols.Verification(), backbone=mine("plain"))
    own = fx.evaluate(fx.protocols.Verification(), backbone=open_network(mine("Net")))
    assert report.table.rows[0] == own.table.rows[0]
    assert report.manifest["backbone"]["name"] == mine("plain")
