import json
import shutil

import pytest

from fxai_jax.cards import checkpoint_folder, load_card
from fxai_jax.explain.plq import quality_constants


def test_the_constants_are_those_of_the_regression():
    card = load_card("mobilefacenet")
    known = {"alpha": 180.0, "center": 0.6915}
    assert quality_constants(card, "uniform") == known | {"gamma": 9.07}
    assert quality_constants(card, "minimum_norm") == known | {"gamma": 11.38}


def test_a_regression_that_was_not_calibrated_is_named(tmp_path):
    folder = shutil.copytree(checkpoint_folder("mobilefacenet"), tmp_path / "net")
    card = json.loads((folder / "card.json").read_text())
    card["quality"]["gamma"] = {"uniform": 9}
    (folder / "card.json").write_text(json.dumps(card))
    assert quality_constants(load_card(folder), "uniform")["gamma"] == 9
    with pytest.raises(ValueError, match=r"'minimum_norm': run fxai-jax calibrate"):
        quality_constants(load_card(folder), "minimum_norm")
