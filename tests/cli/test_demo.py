import importlib
from importlib.metadata import version

import pytest
from PIL import Image

from fxai_jax.cards import load_card
from tests.cli.commands import results, run


@pytest.mark.slow
def test_demo_shows_all_four_methods(tmp_path, capsys, monkeypatch):
    module = importlib.import_module("fxai_jax.cli.demo")
    monkeypatch.setattr(module, "WHOLE", ("a_1", "b_1"))  # AMVA takes seconds a face
    run("demo", "--out", tmp_path)
    printed = capsys.readouterr().out.replace("\n", "")
    for word in ("accepted", "rejected", "plq", "AUROC", tmp_path.name):
        assert word in printed
    stems = [path.with_suffix("") for path in sorted(tmp_path.glob("*.png"))]
    assert [stem.name for stem in stems] == [
        "demo_amva",
        "demo_fggb_genuine",
        "demo_fggb_impostor",
        "demo_frequency_genuine",
        "demo_frequency_impostor",
        "demo_plq_a_1",
        "demo_plq_a_3",
    ]
    for stem in stems:
        with Image.open(stem.with_suffix(".png")) as figure:
            assert min(figure.size) > 480  # pixels: fit for a page
        manifest = results(stem)[1]
        assert manifest["versions"]["fxai-jax"] == version("fxai-jax")
        digest = load_card("mobilefacenet").weights_sha256
        assert manifest["backbone"]["weights_sha256"] == digest
    for kind, cosine in (("genuine", 0.800), ("impostor", -0.076)):
        maps, _ = results(tmp_path / f"demo_fggb_{kind}")
        assert maps["probe_cosine"] == pytest.approx(cosine, abs=1e-3)
        filled = "similarity" if kind == "genuine" else "dissimilarity"
        assert maps[f"gallery_{filled}"].max() > 0
