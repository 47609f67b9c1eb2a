import dataclasses
import json
import os
import shutil
import sys

import jax
import numpy as np
import pytest

from fxai_conversion import cli
from fxai_conversion.containers.reader import read
from fxai_conversion.export import write_safetensors
from fxai_jax import checkpoints
from fxai_jax.cards import load_card, write_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face
from tests.conversion import reader_files
from tests.reference import backbone_goldens
from tests.reference.backbone_cases import TINY
from tests.reference.backbone_parity import angle_error, relative_error

RECIPES = {
    "adaface": "adaface",
    "crfiqa": "crfiqa",
    "curricularface": "curricularface",
    "cvlface": "cvlface-vit",
    "facenet": "facenet",
    "facex_se": "facex-ir",
    "magface": "magface",
    "mobilefacenet": "insightface-mobilefacenet",
}
"""Recipe by golden file; the other two files have four attention heads."""


def run(*args):
    cli.main([str(arg) for arg in args])


def fails(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run(*args)
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("fxai-convert: error: ")
    assert "\n" not in error
    return error


def floats(tensors):
    return {name: a for name, a in tensors.items() if a.dtype == np.float32}


def torch_file(path, tensors, *wrappers):
    """A zip archive as `torch.save` writes it, with the tensors below the wrappers."""
    storages = {str(index): array for index, array in enumerate(tensors.values())}
    parts = {
        name: reader_files.dense(key, array)
        for (name, array), key in zip(tensors.items(), storages, strict=True)
    }
    body = reader_files.mapping(**parts)
    for wrapper in reversed(wrappers):
        body = reader_files.mapping(**{wrapper: body})
    raw = {key: array.tobytes() for key, array in storages.items()}
    path.write_bytes(reader_files.zip_file(body, raw))
    return path


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A narrow, shallow ArcFace network: its file, its tensors and its folder."""
    folder = tmp_path_factory.mktemp("arcface")
    tensors, _ = backbone_goldens.read("magface")
    file = torch_file(folder / "backbone.pth", tensors, "state_dict")
    run("convert", file, "--recipe", "arcface", "--out", folder / "net")
    return file, tensors, folder / "net"


@pytest.mark.parametrize("name", RECIPES)
def test_a_converted_network_gives_what_pytorch_gave(tmp_path, name):
    state, golden = backbone_goldens.read(name)
    file = tmp_path / "model.safetensors"
    write_safetensors(file, floats(state))
    run("convert", file, "--recipe", RECIPES[name], "--out", tmp_path / "net")
    card, case = load_card(tmp_path / "net"), TINY[name]
    model = load_backbone(tmp_path / "net")
    probe = case.image(str(golden["probe"]))
    found = np.asarray(jax.jit(lambda m, x: m(x))(model, probe))
    assert relative_error(found, golden["embedding"]) <= 2e-5
    assert angle_error(found, golden["embedding"]) <= 1e-6
    assert card.embedding_size == len(found)
    assert card.image_size == probe.shape[:2]
    assert getattr(model, "dropout_kind", "element") == (
        "channel" if name == "magface" else "element"
    )


def test_the_folder_says_where_it_comes_from(converted):
    file, tensors, folder = converted
    card, raw = load_card(folder), read(file)
    assert card.source["file_sha256"] == raw.sha256
    assert card.source["recipe"] == "arcface"
    assert card.source["input_read_from"].startswith("deepinsight/insightface@")
    assert "non-commercial" in card.licence
    assert (card.threshold, card.quality) == (None, None)
    assert card.options["depth"] == [1, 1, 1, 1]
    report = json.loads((folder / "report.json").read_text())
    names = {f"state_dict.{name}" for name in tensors}
    assert report["used"].keys() | report["dropped"].keys() == names
    assert report["prefix"] == "state_dict."
    assert report["parameters"] == sum(
        a.size for n, a in floats(tensors).items() if "running" not in n
    )
    assert "collections.OrderedDict" in report["globals_seen"]


def test_export_gives_the_tensors_back_bit_for_bit(converted, tmp_path, capsys):
    _, tensors, folder = converted
    run("export", folder, "--out", tmp_path / "back.safetensors")
    assert f"{len(floats(tensors))} tensors" in capsys.readouterr().out
    back = read(tmp_path / "back.safetensors").tensors
    assert back.keys() == floats(tensors).keys()
    for name, array in back.items():
        assert array.tobytes() == tensors[name].tobytes(), name
        assert array.shape == tensors[name].shape


@pytest.mark.parametrize(
    "name", ["crfiqa", "adaface", "facex_se", "mobilefacenet", "cvlface"]
)
def test_every_naming_comes_back_bit_for_bit(tmp_path, name):
    state, _ = backbone_goldens.read(name)
    first, last = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    write_safetensors(first, floats(state))
    run("convert", first, "--recipe", RECIPES[name], "--out", tmp_path / "net")
    run("export", tmp_path / "net", "--out", last)
    expected, found = read(first).tensors, read(last).tensors
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert found[key].tobytes() == array.tobytes(), key


def test_a_bgr_recipe_reads_the_colours_the_other_way_round(tmp_path):
    state, _ = backbone_goldens.read("facex_se")
    write_safetensors(tmp_path / "model.safetensors", floats(state))
    face = np.asarray(sample_face("a_1"), np.float32)
    found = []
    for recipe in ("evolve", "facex-ir"):
        out = ("--out", tmp_path / recipe)
        run("convert", tmp_path / "model.safetensors", "--recipe", recipe, *out)
        model = load_backbone(tmp_path / recipe)
        found.append(jax.jit(jax.vmap(model))(np.stack([face, reversed_(face)])))
    rgb, bgr = np.asarray(found)
    assert relative_error(bgr[1], rgb[0]) <= 2e-5
    assert relative_error(bgr[0], rgb[0]) > 1e-2


def reversed_(face):
    """Colours reversed, and the greys that 128 maps to where 127.5 maps the face's."""
    return 0.5 + (face[..., ::-1] - 0.5) * np.float32(128 / 127.5)


def test_verify_shows_cosines_and_compares_with_a_reference(
    converted, tmp_path, capsys
):
    folder = converted[2]
    images = np.stack([sample_face("a_1"), sample_face("b_1")])
    embeddings = np.asarray(jax.jit(jax.vmap(load_backbone(folder)))(images))
    np.savez(tmp_path / "golden.npz", images=images, embeddings=embeddings)
    run("verify", folder, "--reference", tmp_path / "golden.npz")
    printed = capsys.readouterr().out
    assert "finite, and the same twice" in printed
    assert "1.000" in printed
    assert "relative error" in printed
    np.savez(tmp_path / "golden.npz", images=images, embeddings=3 * embeddings)
    assert "a norm is off by 0.67" in fails(
        capsys, "verify", folder, "--reference", tmp_path / "golden.npz"
    )
    np.savez(tmp_path / "golden.npz", images=images, embeddings=embeddings[::-1])
    assert "1 - cosine" in fails(
        capsys, "verify", folder, "--reference", tmp_path / "golden.npz"
    )


def test_inspect_describes_a_file_and_asks_the_question(converted, capsys):
    run("inspect", converted[0])
    printed = " ".join(capsys.readouterr().out.split())
    for words in (
        "zip, nested",
        "collections.OrderedDict",
        f"{len(converted[1])} tensors",
        "fits arcface below 'state_dict.'",
        "fits magface",
        "name who published it",
        "not all ones, as magface",
    ):
        assert words in printed


def wrong(tensors, kind):
    """The tensors with one mistake."""
    if kind == "unexpected":
        return tensors | {"fc.bias2": tensors["fc.bias"]}
    if kind == "not finite":
        return tensors | {"fc.bias": tensors["fc.bias"] * np.float32(np.nan)}
    missing = "fc.weight" if kind == "telling" else "layer1.0.bn2.bias"
    return {name: a for name, a in tensors.items() if name != missing}


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (
            "unexpected",
            "does not fit arcface, elasticface, magface, topofr, dqm-face: ",
        ),
        ("unexpected", "unexpected fc.bias2"),
        ("not finite", "topofr, dqm-face: fc.bias is not finite everywhere"),
        ("missing", "topofr, dqm-face: missing layer1.0.bn2.bias"),
        (
            "telling",
            "nearest is arcface, but fc.weight is missing, expected (any, any)",
        ),
    ],
)
def test_inspect_says_what_is_wrong_where_convert_refuses(
    converted, tmp_path, capsys, kind, line
):
    file = torch_file(tmp_path / "wrong.pth", wrong(converted[1], kind))
    fails(capsys, "convert", file, "--recipe", "arcface", "--out", tmp_path / "net")
    run("inspect", file)
    printed = capsys.readouterr().out
    assert line in printed
    assert "\nfits" not in printed
    assert "name who published it" not in printed


def test_a_prefix_that_no_name_has_is_said(converted, tmp_path, capsys):
    convert = ("convert", converted[0], "--prefix", "nothing", "--out", tmp_path / "n")
    message = "no tensor's name begins with 'nothing'; names begin with 'state_dict'"
    assert message in fails(capsys, *convert)
    assert message in fails(capsys, *convert, "--recipe", "arcface")


def test_a_calibrated_checkpoint_is_not_replaced(converted, tmp_path, capsys):
    shutil.copytree(converted[2], tmp_path / "net")
    card = dataclasses.replace(load_card(tmp_path / "net"), threshold=0.3)
    write_card(tmp_path / "net", card)
    before = contents(tmp_path)
    convert = ("convert", converted[0], "--recipe", "arcface")
    message = "net is calibrated: name a new folder or remove it first"
    assert message in fails(capsys, *convert, "--out", tmp_path / "net")
    assert contents(tmp_path) == before


def test_a_hostile_name_is_printed_as_it_is(tmp_path, capsys):
    write_safetensors(tmp_path / "x", {"[/red].w": np.zeros(1, np.float32)})
    run("inspect", tmp_path / "x")
    assert "[/red]" in capsys.readouterr().out


def test_a_mistake_is_one_line_and_exit_code_2(converted, tmp_path, capsys):
    file, tensors, folder = converted
    out = ("--out", tmp_path / "net")
    assert "--recipe" in fails(capsys, "convert", file, *out)
    assert "no recipe 'arc'" in fails(capsys, "convert", file, "--recipe", "arc", *out)
    assert "MobileFaceNet, 192-D" in fails(capsys, "export", "mobilefacenet", *out)
    assert "no such" in fails(capsys, "convert", "/no/such", *out).lower()
    less = torch_file(
        tmp_path / "less.pth", {**tensors, "fc.bias2": tensors["fc.bias"]}
    )
    message = fails(capsys, "convert", less, "--recipe", "arcface", *out)
    assert "unexpected fc.bias2" in message
    assert not (tmp_path / "net").exists()
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", images=np.zeros((1, 9, 9, 3)), embeddings=0)
    for name in ("text.npz", "other.npz"):
        assert name in fails(capsys, "verify", folder, "--reference", tmp_path / name)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    "kept", ["arrays/mine.npy", "notes.txt", "arrays", "card.json"]
)
def test_what_a_user_keeps_in_a_folder_is_not_lost(converted, tmp_path, capsys, kept):
    file, _, folder = converted
    out = tmp_path / "net"
    if kept in ("arrays", "card.json"):
        (out / "arrays").mkdir(parents=True)
        (out / "card.json").write_text('{"mine": 1}')
    else:
        shutil.copytree(folder, out)
        (out / kept).write_text("mine")
    before = contents(tmp_path)
    convert = ("convert", file, "--recipe", "arcface", "--out", out)
    assert "would be lost" in fails(capsys, *convert)
    assert contents(tmp_path) == before


def test_an_earlier_checkpoint_is_replaced(converted, tmp_path):
    file, _, folder = converted
    shutil.copytree(folder, tmp_path / "net")
    run("convert", file, "--recipe", "elasticface", "--out", tmp_path / "net")
    assert load_card(tmp_path / "net").source["recipe"] == "elasticface"
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


@pytest.mark.parametrize(
    ("out", "why"), [("", "is empty"), (".", "folder you are in"), ("gs://b", "addr")]
)
def test_a_place_that_is_none_is_refused(
    converted, tmp_path, monkeypatch, capsys, out, why
):
    monkeypatch.chdir(tmp_path)
    convert = ("convert", converted[0], "--recipe", "arcface")
    assert why in fails(capsys, *convert, "--out", out)
    fails(capsys, "export", converted[2], "--out", out)
    assert not list(tmp_path.iterdir())


def test_export_replaces_no_file(converted, tmp_path, capsys):
    (tmp_path / "mine.pth").write_text("mine")
    export = ("export", converted[2], "--out", tmp_path / "mine.pth")
    assert "mine.pth exists" in fails(capsys, *export)
    assert (tmp_path / "mine.pth").read_text() == "mine"


def test_what_a_card_says_reaches_the_terminal_in_print(converted, tmp_path, capsys):
    shutil.copytree(converted[2], tmp_path / "net")
    card = json.loads((tmp_path / "net" / "card.json").read_text())
    text = "[bold]a\x1b[2J\u202eb\nc\x07" + "d" * 9999
    card |= {"name": text, "licence": text}
    (tmp_path / "net" / "card.json").write_text(json.dumps(card))
    run("verify", tmp_path / "net")
    run("export", tmp_path / "net", "--out", tmp_path / "back")
    printed = capsys.readouterr().out
    for line in printed.splitlines():
        assert line.isprintable(), line
        assert len(line) < 3000
    assert printed.count(r"[bold]a\x1b[2J\u202eb\nc\x07ddd") == 2
    card |= {"weights_sha256": text}
    (tmp_path / "net" / "card.json").write_text(json.dumps(card))
    assert fails(capsys, "verify", tmp_path / "net").isprintable()


def test_ctrl_c_leaves_nothing_behind(converted, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "write_card", interrupt)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as stop:
        run("convert", converted[0], "--recipe", "arcface", "--out", tmp_path / "net")
    assert stop.value.code == 130
    assert capsys.readouterr().err.strip() == "fxai-convert: interrupted"
    assert not list(tmp_path.iterdir())


def test_a_backbone_with_a_head_of_the_users_is_taken(converted, tmp_path, capsys):
    head = {"head.weight": np.zeros((9, 512), np.float32)}
    file = torch_file(tmp_path / "mine.pth", converted[1] | head)
    run("convert", file, "--recipe", "arcface", "--out", tmp_path / "net")
    printed = capsys.readouterr().out
    assert "left out 1: classifier of the training identities (head.weight)" in printed
    report = json.loads((tmp_path / "net" / "report.json").read_text())
    assert report["dropped"]["head.weight"] == "classifier of the training identities"


def test_the_doubt_about_a_colour_order_is_printed(tmp_path, capsys):
    state, _ = backbone_goldens.read("facex_se")
    file = tmp_path / "model.safetensors"
    write_safetensors(file, floats(state))
    run("convert", file, "--recipe", "treb1en-ir-se", "--out", tmp_path / "net")
    assert "BGR is in doubt" in capsys.readouterr().out
    card = load_card(tmp_path / "net")
    assert card.options["order"] == "bgr"
    assert "data_pipe.py:21-22,58-60,90-92" in card.source["input_read_from"]


@pytest.mark.skipif(sys.platform == "darwin", reason="names are text there")
def test_a_name_that_is_no_utf_8_is_written(converted, tmp_path):
    file = tmp_path / os.fsdecode(b"mod\xe8le.pth")
    shutil.copy(converted[0], file)
    run("convert", file, "--recipe", "arcface", "--out", tmp_path / "net")
    assert load_card(tmp_path / "net").source["file"] == r"mod\xe8le.pth"


def test_one_of_two_networks_is_converted(tmp_path, capsys):
    state, _ = backbone_goldens.read("curricularface")
    both = {
        f"{top}.{k}": a for top in ("ema", "model") for k, a in floats(state).items()
    }
    write_safetensors(tmp_path / "both", both)
    out = ("--out", tmp_path / "net")
    assert "--prefix" in fails(capsys, "convert", tmp_path / "both", *out)
    run("convert", tmp_path / "both", "--prefix", "ema.", *out)
    assert "not below ema." in capsys.readouterr().out


def test_recipes_lists_every_family(capsys):
    run("recipes")
    printed = capsys.readouterr().out
    for name in ("insightface-mobilefacenet", "curricularface", "cvlface-vit"):
        assert name in printed
