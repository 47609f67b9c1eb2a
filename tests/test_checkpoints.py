import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax import cards, checkpoints
from fxai_jax.backbones.mobilefacenet import MobileFaceNet


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "network"
    shutil.copytree(cards.checkpoint_folder("mobilefacenet"), copy)
    return copy


def edit_card(folder, **changes):
    path = folder / "card.json"
    card = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in card.items() if v is not None}))


def test_the_shipped_network_loads_by_name_and_by_path(folder):
    assert cards.list_backbones() == ("mobilefacenet",)
    named, pathed = map(checkpoints.load_backbone, ("mobilefacenet", folder))
    for name, array in checkpoints.model_arrays(named).items():
        np.testing.assert_array_equal(array, checkpoints.model_arrays(pathed)[name])


def test_the_card_says_what_a_paper_must_cite():
    card = cards.load_card("mobilefacenet")
    assert card.threshold == 0.45
    assert card.embedding_size == 192
    assert card.options["scale"] == 128.0
    assert card.quality["center"] == 0.6915
    assert card.quality["gamma"]["uniform"] == 9.07
    assert len(card.source["package_sha256"]) == 64
    assert "MIT" in card.licence
    assert "Apache-2.0" in card.licence


def test_dtype_casts_the_parameters():
    model = checkpoints.load_backbone("mobilefacenet", dtype=jnp.bfloat16)
    assert model.linear.kernel[...].dtype == jnp.bfloat16
    face = jax.ShapeDtypeStruct((112, 112, 3), jnp.bfloat16)
    assert jax.eval_shape(lambda m, x: m(x), model, face).dtype == jnp.bfloat16


def test_save_and_load_change_no_bit(tmp_path, rng):
    card = cards.load_card("mobilefacenet")
    model = MobileFaceNet(**card.options)
    values = rng.normal(size=(512, 192)).astype(np.float32)
    model.linear.kernel[...] = values
    written = checkpoints.save_backbone(tmp_path / "net", model, card)
    assert written.weights_sha256 != card.weights_sha256
    again = checkpoints.load_backbone(tmp_path / "net")
    np.testing.assert_array_equal(again.linear.kernel[...], values)
    assert cards.load_card(tmp_path / "net") == written


def test_the_digest_sees_every_change(rng):
    arrays = {"a": rng.normal(size=3).astype(np.float32), "b": np.zeros((2, 1))}
    digest = checkpoints.arrays_sha256(arrays)
    assert digest == checkpoints.arrays_sha256(dict(reversed(arrays.items())))
    others = [
        arrays | {"a": np.nextafter(arrays["a"], 9)},
        arrays | {"b": np.zeros((1, 2))},
        arrays | {"b": np.zeros((2, 1), np.int64)},
        {"c": arrays["a"], "b": arrays["b"]},
    ]
    assert digest not in map(checkpoints.arrays_sha256, others)


def test_a_missing_network_is_named():
    with pytest.raises(ValueError, match=r"'arcface'.*mobilefacenet.*nor a checkpoint"):
        checkpoints.load_backbone("arcface")


def test_a_folder_without_card_points_to_the_converter(tmp_path):
    with pytest.raises(ValueError, match=r"no card\.json.*fxai-convert"):
        checkpoints.load_backbone(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"name": "x", "surprise": 1}'])
def test_a_foreign_card_is_refused(folder, text):
    (folder / "card.json").write_text(text)
    with pytest.raises(ValueError, match="is not a card of this library"):
        checkpoints.load_backbone(folder)


def test_a_card_of_another_layout_is_refused(folder):
    edit_card(folder, format=99)
    with pytest.raises(ValueError, match="layout 99, this version reads 1"):
        checkpoints.load_backbone(folder)


def test_missing_arrays_are_named(folder):
    shutil.rmtree(folder / "arrays")
    with pytest.raises(ValueError, match="incomplete: it has no arrays"):
        checkpoints.load_backbone(folder)


def test_damaged_arrays_are_named(folder, rng):
    largest = max((folder / "arrays").rglob("*"), key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    for position in rng.integers(len(content) // 4, len(content), size=64):
        content[position] ^= 0xFF
    largest.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        checkpoints.load_backbone(folder)


def test_a_lost_file_is_named(folder):
    largest = max((folder / "arrays").rglob("*"), key=lambda p: p.stat().st_size)
    largest.unlink()
    with pytest.raises(ValueError, match="damaged"):
        checkpoints.load_backbone(folder)


def test_arrays_of_another_network_are_named(folder):
    options = cards.load_card(folder).options
    edit_card(folder, options=options | {"embedding_size": 512})
    with pytest.raises(ValueError, match=r"bn/bias is float32\(192,\), expected"):
        checkpoints.load_backbone(folder)
    edit_card(folder, options=options | {"blocks": [1, 5, 6, 2]})
    with pytest.raises(ValueError, match=r"missing conv_3/layers/4/.* and \d+ more"):
        checkpoints.load_backbone(folder)


def test_other_arrays_of_the_right_shape_are_noticed(folder):
    edit_card(folder, weights_sha256="0" * 64)
    with pytest.raises(ValueError, match="damaged: its arrays have sha256"):
        checkpoints.load_backbone(folder)


def test_an_unknown_family_or_option_is_named(folder):
    options = cards.load_card(folder).options
    edit_card(folder, options=options | {"depth": 3})
    with pytest.raises(ValueError, match="options of 'mobilefacenet' do not fit"):
        checkpoints.load_backbone(folder)
    edit_card(folder, family="resnext")
    with pytest.raises(ValueError, match="unknown network family 'resnext'"):
        checkpoints.load_backbone(folder)
