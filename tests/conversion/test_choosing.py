import numpy as np
import pytest

from fxai_conversion.choosing import AmbiguousCheckpoint, candidates, choose, evidence
from fxai_conversion.converting import plan
from fxai_conversion.recipes.companions import CLASSIFIER
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
    for word in ("arcface", "elasticface", "magface", "topofr", "BGR"):
        assert word in str(caught.value)
    assert "--recipe arcface (from insightface" in str(caught.value)
    assert ". " not in str(caught.value).replace("arcface_torch. ", "")


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


def test_the_quality_head_tells_crfiqa():
    layout = published_layout("arcface_r18")
    assert proposed(layout | {"qs.weight": (1, 512), "qs.bias": (1,)}) == {"crfiqa"}


HEADS = """weight kernel head.weight head.kernel head.t margin.weight arcface.weight
classifier.weight classifier.bias classifier.0.weight fc.weight fc.bias logits.weight
module.fc.weight model.head.weight state_dict.head.kernel parallel_fc.weight_norm
state_dict_softmax_fc.weight criterion.kernel loss.weight"""


@pytest.mark.parametrize("arch", layouts())
def test_a_classifier_decides_nothing_and_is_left_out(rng, arch):
    prefix = str(rng.choice(["", "module.", "model.", "state_dict.model.", "net."]))
    layout = below(prefix, published_layout(arch))
    expected = proposed(layout)
    names = [name for name in HEADS.split() if name not in layout]
    names += [f"{prefix}{name}" for name in ("margin.weight", "head.kernel")]
    heads = {
        str(name): (int(rng.integers(2, 100_000)), 512)[: int(rng.integers(1, 3))]
        for name in rng.permutation(names)[:6]
    }
    for name, shape in heads.items():
        assert proposed(layout | {name: shape}) == expected, name
    assert proposed(layout | heads) == expected
    dropped = plan(layout | heads, choose(layout | heads, RECIPE_OF[arch])).dropped
    assert {dropped[name] for name in heads} == {CLASSIFIER}


def test_a_classifier_alone_is_named():
    with pytest.raises(ValueError, match=r"fc\.weight.*classifier.*without a network"):
        choose({"fc.weight": (1000, 512), "fc.bias": (1000,), "epoch": ()})


def test_a_vision_transformer_with_a_quality_head_is_refused():
    layout = published_layout("arcface_vit_s") | {"head_qs.0.weight": (512,)}
    with pytest.raises(ValueError, match="ViT-FIQA"):
        choose(layout)


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
        ({"head_qs.0.weight": (512,), "qs_token": (1, 1, 512)}, "ViT-FIQA"),
        ({"layer1.0.conv3.weight": (256, 64, 1, 1)}, "torchvision"),
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
