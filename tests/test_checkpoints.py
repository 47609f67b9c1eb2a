import contextlib
import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorstore as ts

from fxai_jax import cards, checkpoints, holes
from fxai_jax.arrays import arrays_sha256
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
    digest = arrays_sha256(arrays)
    assert digest == arrays_sha256(dict(reversed(arrays.items())))
    others = [
        arrays | {"a": np.nextafter(arrays["a"], 9)},
        arrays | {"b": np.zeros((1, 2))},
        arrays | {"b": np.zeros((2, 1), np.int64)},
        {"c": arrays["a"], "b": arrays["b"]},
    ]
    assert digest not in map(arrays_sha256, others)


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
    edit_card(folder, options=options | {"embedding_size": 512}, embedding_size=512)
    with pytest.raises(ValueError, match=r"bn/bias is float32\(192,\), expected"):
        checkpoints.load_backbone(folder)
    edit_card(folder, options=options | {"blocks": [1, 5, 6, 2]}, embedding_size=192)
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


def claiming(folder, name, **changes):
    """Rewrites the zarr metadata of an array in the store."""
    base = {"driver": "file", "path": f"{folder / 'arrays'}/"}
    store = ts.KvStore.open({"driver": "ocdbt", "base": base}).result()
    key = f"{name}/.zarray".encode()
    metadata = json.loads(store.read(key).result().value) | changes
    store.write(key, json.dumps(metadata).encode()).result()


@pytest.mark.parametrize("changes", [{"shape": [10**12]}, {"chunks": [10**12]}])
def test_an_array_that_no_file_holds_is_refused_before_it_is_read(folder, changes):
    claiming(folder, "bn.bias", **changes)
    with pytest.raises(ValueError, match=r"damaged.*claim 4\d{12} bytes, its files"):
        checkpoints.load_backbone(folder)


HOSTILE = {
    "name": 5,
    "family": ["mobilefacenet"],
    "options": [],
    "image_size": "ab",
    "embedding_size": 10**12,
    "format": "1",
    "source": None,
    "licence": {},
    "threshold": True,
    "quality": 0.5,
    "notes": 1,
    "weights_sha256": 0,
}


@pytest.mark.parametrize("size", [[10**6, 10**6], [0, 112], [112, True], [112]])
def test_images_that_no_network_takes_are_refused(folder, size):
    edit_card(folder, image_size=size)
    with pytest.raises(ValueError, match="is not a card of this library"):
        cards.load_card(folder)


def test_a_bool_is_no_number_of_a_card(folder):
    edit_card(folder, embedding_size=True)
    with pytest.raises(ValueError, match="embedding_size is a bool"):
        cards.load_card(folder)


@pytest.mark.parametrize("field", HOSTILE)
def test_a_card_with_a_field_of_another_type_is_refused(folder, field):
    card = json.loads((folder / "card.json").read_text()) | {field: HOSTILE[field]}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="is not a card of this library"):
        cards.load_card(folder)


@pytest.mark.parametrize("key", ["embedding_size", "width", "blocks", "depth"])
def test_a_network_that_nobody_has_is_never_built(folder, rng, key):
    options = cards.load_card(folder).options
    size = int(10 ** rng.integers(7, 18))
    for value in (size, -1, [1, size, 1, 1]):
        edit_card(folder, options=options | {key: value})
        with pytest.raises(ValueError, match="is out of range"):
            cards.load_card(folder)
    edit_card(folder, options=options | {"blocks": [1, 1000, 1000, 1]})
    with pytest.raises(ValueError, match="has 2002 blocks, more than 1100"):
        cards.load_card(folder)


QUALITY = {"alpha": 180, "center": 0.69, "gamma": {"uniform": 9.07}}
BAD = (True, "9", None, [9], float("nan"), float("inf"), 2**130, -1, 0)


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("field", ["alpha", "center", "gamma"])
def test_a_calibration_of_no_network_is_refused(folder, field, value):
    changed = {"uniform": value} if field == "gamma" else value
    edit_card(folder, quality=QUALITY | {field: changed})
    with pytest.raises(ValueError, match=rf"its quality's {field}.*, not a number fr"):
        cards.load_card(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("center", 69),
        ("gamma", {"uniform": 39}),
        ("quantile_10", 1.5),
        ("median", "0.7"),
        ("quantile_90", None),
        ("gamma_at_quality", 0),
    ],
)
def test_a_calibration_out_of_range_is_refused(folder, field, value):
    edit_card(folder, quality=QUALITY | {field: value})
    with pytest.raises(ValueError, match=rf"its quality's {field}.*, not a number fr"):
        cards.load_card(folder)


@pytest.mark.parametrize("gamma", [9.07, "9", [9], None, {"unifrom": 9.07}])
def test_gamma_is_one_number_for_each_regression(folder, gamma):
    edit_card(folder, quality=QUALITY | {"gamma": gamma})
    with pytest.raises(ValueError, match=r"quality's gamma is .*fxai-jax calibrate"):
        cards.load_card(folder)


def test_a_calibration_without_alpha_is_refused(folder):
    edit_card(folder, quality={"center": 0.69, "gamma": {}})
    with pytest.raises(ValueError, match="its quality's alpha is None, not a number"):
        cards.load_card(folder)


def test_a_calibration_of_one_regression_is_read(folder):
    edit_card(folder, quality=QUALITY)
    assert cards.load_card(folder).quality == QUALITY
    edges = {"center": 1.0, "gamma": {}, "quantile_10": 0, "median": 1}
    edit_card(folder, quality=QUALITY | edges)
    assert cards.load_card(folder).quality["center"] == 1.0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((option, value) for option in ("scale", "eps") for value in BAD),
        *(("mean", value) for value in BAD[:-2]),
        ("scale", -127.5),
        ("scale", 1e-60),
        ("mean", 1e300),
    ],
)
def test_an_input_convention_that_gives_no_numbers_is_refused(folder, option, value):
    options = cards.load_card(folder).options
    edit_card(folder, options=options | {option: value})
    with pytest.raises(ValueError, match=rf"its option {option} is .*, not a number"):
        cards.load_card(folder)


def test_a_mean_may_be_zero_or_negative(folder):
    options = cards.load_card(folder).options
    for mean in (0, -1, -1.5):
        edit_card(folder, options=options | {"mean": mean})
        assert cards.load_card(folder).options["mean"] == mean


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding_size": 17}, r"embeddings \(17,\), its network gives \(192,\)"),
        ({"image_size": [224, 224]}, r"of images of \(224, 224\) pixels its card"),
    ],
)
def test_sizes_of_another_network_are_refused(folder, changes, message):
    model, card = checkpoints.load_backbone(folder), cards.load_card(folder)
    edit_card(folder, **changes)
    with pytest.raises(ValueError, match=message):
        checkpoints.load_backbone(folder)
    for field, value in changes.items():
        value = tuple(value) if field == "image_size" else value
        card = dataclasses.replace(card, **{field: value})
    with pytest.raises(ValueError, match=message):
        checkpoints.save_backbone(folder.with_name("new"), model, card)
    assert not folder.with_name("new").exists()


@pytest.mark.parametrize("kept", [{"quality": None}, {"threshold": None}])
def test_a_measured_checkpoint_is_not_replaced(folder, kept):
    model, card = checkpoints.load_backbone(folder), cards.load_card(folder)
    cards.write_card(folder, dataclasses.replace(card, **kept))
    bare = dataclasses.replace(card, threshold=None, quality=None)
    with pytest.raises(ValueError, match=r"network is calibrated: name a new folder"):
        checkpoints.save_backbone(folder, model, bare)
    assert cards.load_card(folder) == dataclasses.replace(card, **kept)
    cards.write_card(folder, card)
    checkpoints.save_backbone(folder, model, card)  # its own measurements stay
    cards.write_card(folder, bare)
    assert checkpoints.save_backbone(folder, model, card) == card


def scribbled(rng, value):
    """A value of JSON, somewhere replaced by another."""
    if isinstance(value, dict | list) and value and rng.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        chosen = keys[rng.integers(len(keys))]
        copy = value.copy()
        copy[chosen] = scribbled(rng, value[chosen])
        return copy
    others = [None, -1, 0, 1e300, 2**70, "", "\x1b[2J", [], {}, [[1]], True, 3]
    return others[rng.integers(len(others))]


@pytest.mark.slow
def test_a_scribbled_card_is_read_or_refused(folder, rng):
    card = json.loads((folder / "card.json").read_text())
    for _ in range(60):
        (folder / "card.json").write_text(json.dumps(scribbled(rng, card)))
        with contextlib.suppress(ValueError):
            checkpoints.load_backbone(folder)


@pytest.mark.parametrize(
    "text", ["[" * 10**5, '{"a":' * 10**5, "9" * 5000, "{" * 2**21]
)
def test_a_deep_or_long_card_is_refused(folder, text):
    (folder / "card.json").write_text(text)
    with pytest.raises(ValueError, match="is not a card of this library"):
        checkpoints.load_backbone(folder)


def test_a_sparse_file_holds_what_is_written(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.write(b"a" * 8192)
        file.seek(2**30)
        file.write(b"b" * 8192)
    if (tmp_path / "sparse").stat().st_blocks > 2**20:
        pytest.skip("this file system has no holes")
    assert 16384 <= holes.held_bytes(tmp_path / "sparse") <= 2**20
    with pytest.raises(ValueError, match=r"sparse file, which claims 1073750016 bytes"):
        holes.check_not_sparse(tmp_path / "sparse")
