import dataclasses
import re

import ml_dtypes
import numpy as np
import pytest

from fxai_conversion import converting
from fxai_conversion.choosing import choose, shapes_of
from fxai_conversion.converting import ConversionError, convert, plan
from fxai_conversion.recipes.catalogue import RECIPES
from tests.conversion.published import RECIPE_OF, layouts, small
from tests.reference.weights import published_layout

PARAMETERS = {
    "arcface_r18": 24_025_600,
    "arcface_r100": 65_156_160,
    "crfiqa_r50": 43_591_361,
    "elastic_r100_se": 65_528_384,
    "adaface_ir_101": 65_150_912,
    "adaface_ir_se_50": 43_808_320,
    "curr_ir101": 65_128_768,
    "treb_irse50": 43_797_696,
    "facex_r152irse": 71_148_736,
    "treb_mfn": 1_200_512,
    "arcface_mbf_v2": 2_059_520,
    "arcface_mbf_large": 6_314_880,
    "facenet_irv1": 23_482_624,
    "cvl_vit_base_net": 114_869_760,
}
"""As published."""


def planned(layout, recipe):
    return plan(layout, choose(layout, recipe))


def converted(tensors, recipe="arcface"):
    return convert(tensors, choose(shapes_of(tensors), recipe))


@pytest.mark.parametrize("arch", layouts())
def test_every_tensor_of_every_layout_is_used_or_left_out(arch):
    layout = published_layout(arch)
    found = planned(layout, RECIPE_OF[arch])
    assert found.moves.keys() | found.dropped.keys() == layout.keys()
    assert not found.moves.keys() & found.dropped.keys()
    assert {move.path for move in found.moves.values()} == found.leaves.keys()
    assert len(found.moves) == len(found.leaves)
    assert found.parameters == PARAMETERS.get(arch, found.parameters)


ARCHS = ["arcface_r18", "adaface_ir_18", "treb_mfn", "arcface_vit_t"]


@pytest.mark.parametrize("arch", ARCHS)
def test_one_wrong_tensor_is_named(rng, arch):
    layout, recipe = published_layout(arch), RECIPE_OF[arch]
    names = [name for name in layout if "num_batches" not in name]
    for name in rng.permutation([name for name in names if name != "mask_token"])[:3]:
        name = str(name)
        without = {key: shape for key, shape in layout.items() if key != name}
        reshaped = layout | {name: (*layout[name], 2)}
        renamed = without | {f"{name}_": layout[name]}
        for wrong in (without, reshaped, renamed):
            with pytest.raises(ValueError, match=name) as caught:
                planned(wrong, recipe)
            assert name in " ".join(
                getattr(caught.value, "problems", [str(caught.value)])
            )


@pytest.mark.parametrize(
    "extra",
    [
        "layer1.2.conv1.weight",
        "layer5.0.bn1.weight",
        "decoder.weight",
        "fc.weight_v",
    ],
)
def test_one_more_tensor_is_named(extra):
    layout = published_layout("arcface_r18")
    with pytest.raises(ConversionError, match=extra):
        planned(layout | {extra: (64,)}, "arcface")


@pytest.mark.parametrize(
    "extra", ["body.08.res_layer.0.weight", "layer1.0.res_layer.0.weight"]
)
def test_a_body_has_one_spelling(extra):
    layout = published_layout("adaface_ir_18")
    with pytest.raises(ConversionError, match=extra):
        planned(layout | {extra: (64,)}, "adaface")


def test_all_problems_come_in_one_error():
    tensors = small()
    tensors["layer2.1.prelu.weight"] = tensors["layer2.1.prelu.weight"][:3]
    tensors["layer3.0.extra"] = np.zeros(1, np.float32)
    del tensors["layer1.1.bn2.bias"], tensors["bn2.running_var"]
    with pytest.raises(ConversionError) as caught:
        converted(tensors)
    assert sorted(caught.value.problems) == [
        "layer2.1.prelu.weight has shape (3,), expected (16,)",
        "missing bn2.running_var",
        "missing layer1.1.bn2.bias",
        "unexpected layer3.0.extra",
    ]


def test_two_tensors_for_one_leaf_are_named():
    recipe = RECIPES["arcface"]
    rules = [*recipe.naming.rules, ("copy", "fc", "linear")]
    twice = dataclasses.replace(recipe, naming=recipe.naming._replace(rules=rules))
    layout = published_layout("arcface_r18")
    candidate = choose(layout, "arcface")._replace(recipe=twice)
    with pytest.raises(ConversionError, match=r"copy\.bias is one of 2"):
        plan(layout | {"copy.bias": (512,)}, candidate)


def test_a_forged_number_of_blocks_builds_no_giant():
    layout = published_layout("arcface_r18") | {"layer1.9999.conv1.weight": (64,)}
    with pytest.raises(ConversionError, match=r"layer1\.9999"):
        planned(layout, "arcface")


@pytest.mark.parametrize(
    ("arch", "name"),
    [
        ("arcface_r18", "layer1.{}.x"),
        ("adaface_ir_18", "body.{}.res_layer.1.x"),
        ("arcface_vit_t", "blocks.{}.x"),
        ("facenet_irv1", "repeat_1.{}.x"),
        ("treb_mfn", "conv_3.model.{}.x"),
        ("arcface_mbf_v2", "layers.3.layers.{}.x"),
    ],
)
def test_one_name_makes_no_block(arch, name):
    layout, recipe = published_layout(arch), RECIPE_OF[arch]
    extra = {name.format(number): (64,) for number in range(50, 1050)}
    with pytest.raises(ConversionError) as caught:
        planned(layout | extra, recipe)
    assert caught.value.problems == [f"unexpected {name}" for name in extra]


@pytest.mark.parametrize(
    ("arch", "name"),
    [("arcface_r18", "layer1.{}.{}"), ("adaface_ir_18", "body.{}.res_layer.1.{}")],
)
def test_more_blocks_than_any_network_has_are_never_built(arch, name, monkeypatch):
    extra = {name.format(n, x): (64,) for n in range(50, 1150) for x in "abcd"}
    monkeypatch.setattr(converting, "empty_network", None)
    with pytest.raises(ConversionError, match=r"has 1108 blocks, more than 1100"):
        planned(published_layout(arch) | extra, RECIPE_OF[arch])


def test_heads_that_do_not_divide_the_width_are_refused():
    layout = published_layout("arcface_vit_t")
    layout["patch_embed.proj.weight"] = (250, 3, 9, 9)
    with pytest.raises(ConversionError, match="sizes make no network"):
        planned(layout, "insightface-vit")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("fc.bias", lambda a: a * np.nan, "fc.bias is not finite"),
        ("fc.bias", lambda a: a + np.inf, "fc.bias is not finite"),
        ("fc.bias", lambda a: a.astype(np.float64) * 1e300, "fc.bias is not finite"),
        ("fc.bias", lambda a: a * np.float64(1e-60), "fc.bias is so small .float64"),
        ("bn1.running_var", lambda a: -a, "bn1.running_var is negative"),
        ("fc.weight", lambda a: a.astype(np.int8), "fc.weight is int8"),
        ("fc.weight", lambda a: a.astype(complex), "fc.weight is complex128"),
    ],
)
def test_values_that_no_network_has_are_named(name, change, message):
    tensors = small()
    tensors[name] = change(tensors[name])
    with pytest.raises(ConversionError, match=message):
        converted(tensors)


def test_what_was_zero_may_stay_zero():
    tensors = small()
    tensors["fc.bias"] = np.zeros(tensors["fc.bias"].shape)
    assert not converted(tensors).arrays["fc/bias"].any()


def test_dead_channels_are_counted():
    tensors = small()
    tensors["bn1.running_var"][:3] = [0, 5.6e-45, 1e-30]
    assert converted(tensors).tiny_variances == 2


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_precisions_are_cast_and_counted(dtype):
    rounded = {
        name: array if array.dtype == np.int64 else array.astype(dtype)
        for name, array in small().items()
    }
    found = converted(rounded)
    plain = {k: a.astype(np.float32) for k, a in rounded.items() if a.dtype == dtype}
    expected = converted(plain)
    assert found.casts == {np.dtype(dtype).name: 156}
    assert not expected.casts
    for path, array in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[path], array)
        assert found.arrays[path].dtype == np.float32


@pytest.mark.parametrize("prefix", ["state_dict.module.", "model.", "features.module."])
def test_order_and_wrapper_do_not_matter(rng, prefix):
    tensors = small()
    names = [str(name) for name in rng.permutation(list(tensors))]
    expected = converted(tensors).arrays
    found = converted({prefix + name: tensors[name] for name in names}).arrays
    assert found.keys() == expected.keys()
    for path, array in expected.items():
        np.testing.assert_array_equal(found[path], array)


@pytest.mark.parametrize(
    ("arch", "recipe", "prefix", "extra"),
    [
        ("arcface_r18", "magface", "state_dict.features.module.", "state_dict.fc.bias"),
        ("arcface_r18", "magface", "features.module.", "module.fc.weight"),
        ("arcface_r18", "magface", "features.module.", "parallel_fc.weight"),
        ("adaface_ir_18", "adaface", "state_dict.model.", "state_dict.head.kernel"),
        ("facenet_irv1", "facenet", "", "logits.bias"),
        ("arcface_r18", "topofr", "", "weight"),
        ("arcface_r18", "arcface", "state_dict_backbone.", "state_dict_softmax_fc.w"),
        ("facex_mfn", "facex-mobilefacenet", "backbone.", "state_dict.head.weight"),
        ("arcface_r18", "arcface", "model.", "optimizer.state.0.momentum_buffer"),
        ("arcface_r18", "arcface", "module.", "n_averaged"),
        ("arcface_r18", "arcface", "model.", "ema.shadow_params.0"),
    ],
)
def test_classifiers_and_training_state_are_left_out(arch, recipe, prefix, extra):
    layout = {prefix + name: shape for name, shape in published_layout(arch).items()}
    found = planned(layout | {extra: (1000, 512)}, recipe)
    assert found.dropped[extra]
    with pytest.raises(ConversionError, match="unexpected other"):
        planned(layout | {extra: (1000, 512), "other": (3,)}, recipe)


def test_where_the_network_can_be_read_alone_is_said():
    layout = {f"net.{k}": shape for k, shape in published_layout("arcface_r18").items()}
    with pytest.raises(ConversionError, match=r"decoder.*; --prefix net\. reads"):
        planned(layout | {"decoder.weight": (3, 3)}, "arcface")
    with pytest.raises(ConversionError) as caught:
        planned(layout | {"net.decoder.weight": (3, 3)}, "arcface")
    assert "--prefix" not in str(caught.value)


@pytest.mark.parametrize("name", ["treb1en-ir-se", "treb1en-mobilefacenet"])
def test_the_doubt_about_a_colour_order_is_said(name):
    recipe = RECIPES[name]
    assert recipe.fixed["order"] == "bgr"
    assert "doubt" in recipe.hint
    assert "feed RGB" in recipe.notes


def test_every_recipe_says_what_a_card_needs():
    for name, recipe in RECIPES.items():
        assert name == recipe.name
        assert {"mean", "scale", "order"} <= recipe.fixed.keys()
        assert all((recipe.files, recipe.hint, recipe.licence, recipe.citation))
        assert recipe.url.startswith("https://")
        assert re.match(r"[\w.-]+/[\w.-]+@[0-9a-f]{7} .*\.\w+:\d", recipe.read_from)
        assert recipe.required
    assert set(RECIPE_OF.values()) == RECIPES.keys() - {
        "topofr",
        "dqm-face",
        "lvface",
        "evolve",
        "cvlface-ir",
    }
