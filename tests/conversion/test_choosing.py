import numpy as np
import pytest

from fxai_conversion.choosing import AmbiguousCheckpoint, candidates, choose, evidence
from tests.conversion.published import RECIPE_OF, SHARED, layouts
from tests.reference.weights import published_layout


def proposed(layout):
    return {candidate.recipe.name for candidate in candidates(layout)}


def below(prefix, layout):
    return {prefix + name: shape for name, shape in layout.items()}


@pytest.mark.parametrize("arch", layouts())
def test_proposes_what_has_these_tensors_and_nothing_else(arch):
    recipe = RECIPE_OF[arch]
    layout = published_layout(arch)
    assert proposed(layout) == SHARED.get(recipe, {recipe})
    assert choose(layout, recipe).recipe.name == recipe


def test_arcface_elasticface_and_magface_are_never_guessed():
    with pytest.raises(AmbiguousCheckpoint) as caught:
        choose(published_layout("arcface_r50"))
    for word in ("arcface", "elasticface", "magface", "--recipe", "BGR"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("arch", "prefix", "recipe"),
    [
        ("magface_r50", "state_dict.features.module.", "magface"),
        ("magface_r50", "state_dict.module.features.", "magface"),
        ("magface_r50", "features.module.", "magface"),
        ("adaface_ir_50", "state_dict.model.", "adaface"),
        ("adaface_ir_50", "net.", "cvlface-ir"),
        ("adaface_ir_50", "model.net.", "cvlface-ir"),
        ("facex_mfn", "state_dict.backbone.", "facex-mobilefacenet"),
        ("facex_r50ir", "state_dict.module.backbone.", "facex-ir"),
    ],
)
def test_a_wrapper_that_one_family_writes_decides(arch, prefix, recipe):
    found = choose(below(prefix, published_layout(arch)))
    assert (found.recipe.name, found.prefix) == (recipe, prefix)


@pytest.mark.parametrize("prefix", ["module.", "state_dict.module.", "a.b.features."])
def test_any_other_wrapper_is_found_and_decides_nothing(prefix):
    layout = below(prefix, published_layout("arcface_r18"))
    assert {candidate.prefix for candidate in candidates(layout)} == {prefix}
    assert proposed(layout) == SHARED["arcface"]


def test_one_more_tensor_tells_crfiqa_and_topofr():
    layout = published_layout("arcface_r18")
    assert proposed(layout | {"weight": (93431, 512)}) == {"topofr"}
    assert proposed(layout | {"qs.weight": (1, 512), "qs.bias": (1,)}) == {"crfiqa"}


def test_a_named_recipe_overrides_the_wrapper():
    layout = below("features.module.", published_layout("arcface_r18"))
    assert choose(layout, "arcface").recipe.name == "arcface"


def test_two_networks_in_one_file_are_never_guessed():
    layout = published_layout("facenet_irv1")
    both = below("model.", layout) | below("ema.", layout)
    with pytest.raises(AmbiguousCheckpoint, match=r"--prefix, 'model\.', 'ema\.'"):
        choose(both)


def test_a_recipe_that_does_not_fit_says_why():
    layout = published_layout("arcface_r18")
    with pytest.raises(ValueError, match=r"facenet does not fit: conv2d_1a.*missing"):
        choose(layout, "facenet")
    with pytest.raises(ValueError, match=r"conv1.weight is \(64, 1, 3, 3\), expected"):
        choose(layout | {"conv1.weight": (64, 1, 3, 3)}, "arcface")
    with pytest.raises(ValueError, match=r"qs\.weight is there"):
        choose(layout | {"qs.weight": (1, 512)}, "arcface")
    with pytest.raises(ValueError, match="no recipe 'arkface'; choose one of arcface"):
        choose(layout, "arkface")


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"net.keypoint_linear.weight": (18816, 10)}, "landmarks"),
        ({"body.0.res_layer.8.running_var": (256,)}, "bottleneck"),
        ({"gdconv.0.weight": (512, 1, 7, 7)}, "foamliu"),
        ({"encoder.weight": (2, 2)}, "no recipe has its 1 tensors"),
        ({}, "no recipe has its 0 tensors"),
    ],
)
def test_an_unknown_network_is_refused_with_a_reason(layout, message):
    with pytest.raises(ValueError, match=message):
        choose(layout)


def test_the_last_norms_gain_is_evidence():
    name = "state_dict.module.features.weight"
    assert "all ones, as arcface" in evidence({name: np.ones(3)})[0]
    assert "not all ones, as magface" in evidence({name: np.full(3, 1.01)})[0]
    assert not evidence({"features.0.weight": np.ones(3)})
    assert not evidence({name: np.ones((3, 3))})
