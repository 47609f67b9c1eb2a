import importlib
import sys

import jax
import pytest

from fxai_jax.backbones import registry
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone, model_arrays
from fxai_jax.data.samples import sample_path
from tests.cli.commands import fails, results, run

EXAMPLE = "example_family"


@pytest.fixture
def example(request, monkeypatch):
    """The package of the example, as far as importing it goes."""
    monkeypatch.syspath_prepend(request.path.parent.parent / EXAMPLE)
    monkeypatch.delitem(sys.modules, EXAMPLE, raising=False)
    return importlib.import_module(EXAMPLE)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """No family is registered at first, nor afterwards."""
    monkeypatch.setattr(registry, "_REGISTERED", {})


def install(folder, monkeypatch, value=f"{EXAMPLE}:Example", package="other"):
    """What pip leaves of a package that offers a family."""
    info = folder / f"{package}-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {package}\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\nexample = {value}\n")
    monkeypatch.syspath_prepend(folder)


def test_a_checkpoint_of_another_package_is_read(example, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="unknown network family 'example'; known"):
        example.save(tmp_path / "net")
    install(tmp_path / "site", monkeypatch)
    written = example.save(tmp_path / "net")
    assert load_card(tmp_path / "net") == written
    model = load_backbone(tmp_path / "net")
    assert isinstance(model, example.Example)
    assert model_arrays(model)["patch"].std() == pytest.approx(1, abs=0.05)
    assert registry.families()["example"] == "other 2.0"


def test_every_command_explains_with_it(example, tmp_path, monkeypatch, capsys):
    install(tmp_path / "site", monkeypatch)
    written = example.save(tmp_path / "net")
    command = ("explain", "fggb", sample_path("a_1"), sample_path("b_1"))
    rest = ("--backbone", tmp_path / "net", "--out", tmp_path)
    assert "nobody measured a threshold for Example" in fails(capsys, *command, *rest)
    run(*command, *rest, "--threshold", 0.5)
    maps, manifest = results(tmp_path / "fggb_a_1_b_1")
    assert maps["probe_signed"].any()
    assert manifest["backbone"]["family"] == "example"
    assert manifest["backbone"]["weights_sha256"] == written.weights_sha256
    capsys.readouterr()
    run("backbones")
    assert "other 2.0" in capsys.readouterr().out


def test_a_family_is_registered_in_a_program(example, tmp_path):
    registry.register_family("example", example.Example)
    registry.register_family("example", example.Example)
    example.save(tmp_path / "net")
    assert isinstance(load_backbone(tmp_path / "net"), example.Example)
    assert registry.families()["example"] == "registered"


def test_a_name_belongs_to_one_class(example):
    with pytest.raises(ValueError, match="'vit' is VisionTransformer already; choose"):
        registry.register_family("vit", example.Example)
    registry.register_family("mine", example.Example)
    with pytest.raises(ValueError, match="'mine' is Example already"):
        registry.register_family("mine", dict)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("name", "cls"), [("", dict), (3, dict), ("mine", 3)])
def test_what_is_no_family_is_refused(name, cls):
    with pytest.raises(ValueError, match="expected a family's name and class"):
        registry.register_family(name, cls)


def test_a_package_never_replaces_what_is_built_in(tmp_path, monkeypatch, example):
    install(tmp_path / "site", monkeypatch)
    entries = tmp_path / "site" / "other-2.0.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text().replace("example =", "mobilefacenet ="))
    assert registry.families()["mobilefacenet"] == "built in"
    found = registry.build("mobilefacenet", {})
    assert type(found).__name__ == "MobileFaceNet"


def test_nothing_is_imported_before_a_card_names_it(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "loud_family.py").write_text("raise RuntimeError('loud')")
    install(tmp_path / "site" / "sub", monkeypatch, value="loud_family:Net")
    monkeypatch.syspath_prepend(tmp_path / "site")
    load_backbone("mobilefacenet")
    assert "example" in registry.families()
    message = r"'example' of other 2\.0 cannot be imported \(RuntimeError: loud\)"
    with pytest.raises(ValueError, match=message):
        registry.build("example", {})


def test_two_packages_with_one_family_are_named(tmp_path, monkeypatch, example):
    install(tmp_path / "a", monkeypatch)
    install(tmp_path / "b", monkeypatch, package="another")
    assert isinstance(registry.build("example", {}), example.Example)  # the same class
    install(tmp_path / "c", monkeypatch, value="mine:Net", package="third")
    with pytest.raises(ValueError, match=r"is in (other|another|third) 2\.0 and .*all"):
        registry.build("example", {})


def test_a_family_that_is_no_model_is_refused_with_its_folder(example, tmp_path):
    class Batched(example.Example):
        def __call__(self, image):
            return super().__call__(image)[None]

    registry.register_family("example", Batched)
    message = (
        r"net: of images of .* its network gives none \(model\(image\) is float32 "
    )
    with pytest.raises(ValueError, match=message + r"\(1, 16\), expected \(d,\)"):
        example.save(tmp_path / "net")


def test_a_class_that_makes_no_pytree_is_named():
    registry.register_family("plain", type("Plain", (), {}))
    with pytest.raises(ValueError, match="makes a Plain, expected a pytree of arrays"):
        registry.build("plain", {})
    with pytest.raises(ValueError, match="the options of 'plain' do not fit"):
        jax.eval_shape(lambda: registry.build("plain", {"depth": 3}))
