import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from PIL import Image

from fxai_jax import cli
from fxai_jax.checkpoints import load_card
from fxai_jax.data.faces import sample_path
from tests.faces import load_npz


def run(*args):
    cli.main([str(arg) for arg in args])


def fails(capsys, *args):
    """The one line that a user's mistake prints."""
    with pytest.raises(SystemExit) as stop:
        run(*args)
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("fxai-jax: error: ")
    assert "\n" not in error
    assert "Traceback" not in error
    return error


def test_demo_writes_figures_maps_and_manifests(tmp_path, capsys):
    run("demo", "--out", tmp_path)
    printed = capsys.readouterr().out
    assert "accepted" in printed
    assert "rejected" in printed
    assert str(tmp_path.name) in printed.replace("\n", "")
    for kind, cosine in (("genuine", 0.800), ("impostor", -0.076)):
        stem = tmp_path / f"demo_fggb_{kind}"
        with Image.open(f"{stem}.png") as figure:
            assert figure.size[0] > 800
        maps = load_npz(f"{stem}.npz")
        assert maps["probe_cosine"] == pytest.approx(cosine, abs=1e-3)
        filled = "similarity" if kind == "genuine" else "dissimilarity"
        assert maps[f"gallery_{filled}"].max() > 0
        manifest = json.loads(stem.with_suffix(".json").read_text())
        assert manifest["backbone"]["weights_sha256"] == (
            load_card("mobilefacenet").weights_sha256
        )


def test_explain_fggb_writes_what_it_was_told(tmp_path, capsys):
    run(
        *("explain", "fggb", sample_path("a_1"), sample_path("c_1")),
        *("--gradient", "split", "--threshold", "-0.5", "--out", tmp_path),
    )
    assert "accepted" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "fggb_a_1_c_1.json").read_text())
    assert manifest["options"]["gradient"] == "split"
    assert manifest["options"]["threshold"] == -0.5
    assert manifest["precision"] == "highest"
    assert manifest["versions"]["fxai-jax"] == version("fxai-jax")
    assert manifest["device"]["platform"] == "cpu"
    assert len(manifest["inputs"]["gallery"]["sha256"]) == 64
    maps = load_npz(tmp_path / "fggb_a_1_c_1.npz")
    assert maps["probe_signed"].shape == (112, 112)
    assert maps["probe_dissimilarity"].min() >= 0


def test_explain_aligns_photographs_with_landmarks(tmp_path, capsys):
    data = pytest.importorskip("skimage.data")
    photograph = tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()).save(photograph)
    points = [[205, 102], [247, 104], [225, 129], [202, 139], [245, 142]]
    landmarks = tmp_path / "points.json"
    landmarks.write_text(json.dumps({"astronaut.png": points}))
    run(
        *("explain", "fggb", photograph, photograph, "--landmarks", landmarks),
        *("--out", tmp_path),
    )
    streams = capsys.readouterr()
    assert "1.000" in streams.out
    assert "same file" in streams.err


def test_backbones_lists_what_ships(capsys):
    run("backbones")
    printed = capsys.readouterr().out
    assert "0.45" in printed
    assert "192" in printed


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("explain", "fggb", "{face}", "/no/such.png"), "no such file"),
        (("explain", "fggb", "{face}", "{text}"), "not an image"),
        (("explain", "fggb", "{face}", "{large}"), "112"),
        (("explain", "fggb", "{face}", "{face}", "--backbone", "r50"), "'r50'"),
        (("explain", "fggb", "{face}", "{face}", "--threshold", "7"), "got 7.0"),
        (("explain", "fggb", "{face}", "{face}", "--landmarks", "{text}"), "JSON"),
        (("explain", "fggb", "{face}", "{face}", "--gradient", "x"), "absolute"),
        (("explain", "fggb", "{face}"), "GALLERY"),
        (("explain", "shap"), "fggb"),
        (("explode",), "demo"),
        ((), "demo"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, capsys, args, message):
    text, large = tmp_path / "notes.png", tmp_path / "large.png"
    text.write_text("not a picture")
    Image.new("RGB", (300, 200)).save(large)
    names = {"face": sample_path("a_1"), "text": text, "large": large}
    assert message in fails(capsys, *(arg.format(**names) for arg in args))


def test_help_suffices(capsys):
    for args in ((), ("explain",), ("explain", "fggb"), ("demo",)):
        with pytest.raises(SystemExit) as stop:
            run(*args, "--help")
        assert not stop.value.code
        assert "usage: fxai-jax" in capsys.readouterr().out


def test_the_module_runs_as_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "fxai_jax", "backbones"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "112x112" in result.stdout
    assert result.stderr == ""
