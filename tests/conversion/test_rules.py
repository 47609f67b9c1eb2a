import numpy as np
import pytest

from fxai_conversion.recipes import published_names
from fxai_conversion.recipes.catalogue import RECIPES
from fxai_conversion.recipes.naming import translation
from fxai_conversion.recipes.rules import KINDS, Move, Target, source_of, target_of
from tests.conversion.published import RECIPE_OF, layouts
from tests.reference import weights


@pytest.mark.parametrize("arch", layouts())
def test_every_name_has_one_place_and_the_place_has_that_name(arch):
    recipe = RECIPES[RECIPE_OF[arch]]
    layout = weights.published_layout(arch)
    names = translation(recipe.naming, recipe.naming.layout(layout))
    for name in layout:
        found = names.inward(name)
        if isinstance(found, Target):
            assert names.outward(found.path)[0] == name
        else:
            assert found
            assert name.endswith(("num_batches_tracked", "mask_token"))


SHAPES = {
    "conv": (5, 4, 3, 2),
    "linear": (5, 4),
    "pointwise": (5, 4, 1, 1),
    "patch": (5, 3, 2, 2),
    "tokens": (1, 4, 5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_layout_is_undone_bit_for_bit(rng, kind):
    for name, move in KINDS[kind].items():
        if isinstance(move, Move):
            shape = SHAPES.get(kind, (5,)) if name != "bias" else (5,)
            source = rng.normal(size=shape).astype(np.float32)
            back = move.backward(move.forward(source))
            assert back.shape == shape
            np.testing.assert_array_equal(back, source)


def test_a_linear_map_stands_on_the_right(rng):
    kernel, vector = rng.normal(size=(4, 4)), rng.normal(size=4)
    ours = vector @ KINDS["linear"]["weight"].forward(kernel)
    np.testing.assert_allclose(ours, kernel @ vector, rtol=1e-12)


def test_a_patch_kernel_reads_rows_then_columns_then_colours(rng):
    kernel = rng.normal(size=(5, 3, 4, 4))
    image = rng.normal(size=(4, 4, 3))
    ours = image.reshape(-1) @ KINDS["patch"]["weight"].forward(kernel)
    theirs = np.einsum("ochw,hwc->o", kernel, image)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


UNKNOWN = (
    "",
    "fc",
    "fc.weight.x",
    "xfc.bias",
    "fc\n.weight",
    "layer1.0.conv1.gamma",
    "layer1..conv1.weight",
    "layer1.٣.conv1.weight",
    "layer1.00000.conv1.weight",
)


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_names_have_no_place(name):
    assert target_of(name, published_names.INSIGHTFACE.rules) is None


def test_unknown_leaves_have_no_name():
    with pytest.raises(LookupError, match="no rule"):
        source_of("layer1/layers/0/conv1/bias", published_names.INSIGHTFACE.rules)
    with pytest.raises(LookupError, match="no rule"):
        source_of("nothing", published_names.INSIGHTFACE.rules)


def test_two_rules_for_one_name_are_a_mistake():
    rules = [("fc{}", "a{}", "linear"), ("fc1", "b", "linear")]
    with pytest.raises(LookupError, match="2 rules"):
        target_of("fc1.weight", rules)
