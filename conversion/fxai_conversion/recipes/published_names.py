"""The published namings; `fxai_conversion.recipes.rules` says how rules read."""

from fxai_conversion.recipes import layouts
from fxai_conversion.recipes.naming import Naming
from fxai_conversion.recipes.rules import Rules


def _conv_norm(source: str, path: str) -> Rules:
    return [
        (f"{source}.conv", f"{path}/conv", "conv"),
        (f"{source}.bn", f"{path}/bn", "norm"),
    ]


def _conv_block(source: str, path: str) -> Rules:
    return [*_conv_norm(source, path), (f"{source}.prelu", f"{path}/prelu", "prelu")]


def _conv_layers(source: str, path: str) -> Rules:
    return [
        (f"{source}.layers.0", f"{path}/conv", "conv"),
        (f"{source}.layers.1", f"{path}/bn", "norm"),
        (f"{source}.layers.2", f"{path}/prelu", "prelu"),
    ]


def _unit_layers(source: str, path: str) -> Rules:
    return [
        rule
        for index, name in enumerate(("conv", "conv_dw", "project"))
        for rule in _conv_layers(f"{source}.layers.{index}", f"{path}/{name}")
    ]


_BLOCK = "layer{}.{}"
_OURS = "layer{}/layers/{}"

INSIGHTFACE = Naming(
    family="iresnet",
    layout=layouts.insightface,
    rules=[
        ("conv1", "conv1", "conv"),
        ("bn1", "bn1", "norm"),
        ("prelu", "prelu", "prelu"),
        (f"{_BLOCK}.conv{{}}", f"{_OURS}/conv{{}}", "conv"),
        (f"{_BLOCK}.bn{{}}", f"{_OURS}/bn{{}}", "norm"),
        (f"{_BLOCK}.prelu", f"{_OURS}/prelu", "prelu"),
        (f"{_BLOCK}.se_block.fc{{}}", f"{_OURS}/se/fc{{}}", "pointwise"),
        (f"{_BLOCK}.downsample.0", f"{_OURS}/downsample/layers/0", "conv"),
        (f"{_BLOCK}.downsample.1", f"{_OURS}/downsample/layers/1", "norm"),
        ("bn2", "bn2", "norm"),
        ("fc", "fc", "linear"),
        ("features", "bn3", "norm"),
        ("qs", "qs", "linear"),
    ],
)
"""`IResNet` from insightface, ElasticFace, MagFace, CR-FIQA, TopoFR."""

_BODY: Rules = [
    ("input_layer.0", "conv1", "conv"),
    ("input_layer.1", "bn1", "norm"),
    ("input_layer.2", "prelu", "prelu"),
    (f"{_BLOCK}.res_layer.0", f"{_OURS}/bn1", "norm"),
    (f"{_BLOCK}.res_layer.1", f"{_OURS}/conv1", "conv"),
    (f"{_BLOCK}.shortcut_layer.0", f"{_OURS}/downsample/layers/0", "conv"),
    (f"{_BLOCK}.shortcut_layer.1", f"{_OURS}/downsample/layers/1", "norm"),
    ("output_layer.0", "bn2", "norm"),
    ("output_layer.3", "fc", "linear"),
    ("output_layer.4", "bn3", "norm"),
]

ADAFACE = Naming(
    family="iresnet",
    layout=layouts.body,
    rules=[
        *_BODY,
        (f"{_BLOCK}.res_layer.2", f"{_OURS}/bn2", "norm"),
        (f"{_BLOCK}.res_layer.3", f"{_OURS}/prelu", "prelu"),
        (f"{_BLOCK}.res_layer.4", f"{_OURS}/conv2", "conv"),
        (f"{_BLOCK}.res_layer.5", f"{_OURS}/bn3", "norm"),
        (f"{_BLOCK}.res_layer.se_block.fc{{}}", f"{_OURS}/se/fc{{}}", "pointwise"),
    ],
    flat_body=True,
)
"""`IResNet` from AdaFace and CVLface."""

CURRICULARFACE = Naming(
    family="iresnet",
    layout=layouts.body,
    rules=[
        *_BODY,
        (f"{_BLOCK}.res_layer.2", f"{_OURS}/prelu", "prelu"),
        (f"{_BLOCK}.res_layer.3", f"{_OURS}/conv2", "conv"),
        (f"{_BLOCK}.res_layer.4", f"{_OURS}/bn3", "norm"),
        (f"{_BLOCK}.res_layer.5.fc{{}}", f"{_OURS}/se/fc{{}}", "pointwise"),
    ],
    flat_body=True,
)
"""`IResNet` from CurricularFace, TreB1eN, face.evoLVe, FaceX-Zoo."""

_STEM = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a", "conv2d_4b")
_REPEAT = "repeat_{}/layers/{}"

FACENET = Naming(
    family="inception_resnet_v1",
    layout=layouts.facenet,
    rules=[
        *[rule for name in _STEM for rule in _conv_norm(name, name)],
        *_conv_norm("repeat_{}.{}.branch0", f"{_REPEAT}/branches/0/layers/0"),
        *_conv_norm("repeat_{}.{}.branch1.{}", f"{_REPEAT}/branches/1/layers/{{}}"),
        *_conv_norm("repeat_{}.{}.branch2.{}", f"{_REPEAT}/branches/2/layers/{{}}"),
        ("repeat_{}.{}.conv2d", f"{_REPEAT}/conv2d", "pointwise"),
        *_conv_norm("mixed_6a.branch0", "mixed_6a/branches/0/layers/0"),
        *_conv_norm("mixed_6a.branch1.{}", "mixed_6a/branches/1/layers/{}"),
        *_conv_norm("mixed_7a.branch{}.{}", "mixed_7a/branches/{}/layers/{}"),
        *_conv_norm("block8.branch0", "block8/branches/0/layers/0"),
        *_conv_norm("block8.branch1.{}", "block8/branches/1/layers/{}"),
        ("block8.conv2d", "block8/conv2d", "pointwise"),
        ("last_linear", "last_linear", "linear"),
        ("last_bn", "last_bn", "norm"),
    ],
)
"""`InceptionResnetV1` from facenet-pytorch."""

VIT = Naming(
    family="vit",
    layout=layouts.transformer,
    rules=[
        ("", "", "tokens"),
        ("patch_embed.proj", "patch_embed", "patch"),
        ("blocks.{}.norm{}", "blocks/layers/{}/norm{}", "norm"),
        ("blocks.{}.attn.qkv", "blocks/layers/{}/attn/qkv", "linear"),
        ("blocks.{}.attn.proj", "blocks/layers/{}/attn/proj", "linear"),
        ("blocks.{}.mlp.fc{}", "blocks/layers/{}/mlp/fc{}", "linear"),
        ("norm", "norm", "norm"),
        ("feature.0", "linear1", "linear"),
        ("feature.1", "bn1", "norm"),
        ("feature.2", "linear2", "linear"),
        ("feature.3", "bn2", "norm"),
        ("senet.0", "gate/fc1", "linear"),
        ("senet.2", "gate/fc2", "linear"),
    ],
)
"""`VisionTransformer` from insightface, TransFace, CVLface."""

_PARTS = ("conv", "conv_dw", "project")

NAMED_MOBILEFACENET = Naming(
    family="mobilefacenet",
    layout=layouts.named_mobilefacenet,
    rules=[
        *[
            rule
            for name in ("conv1", "conv2_dw", "conv_6_sep", "conv_6_dw")
            for rule in _conv_block(name, name)
        ],
        *[
            rule
            for part in _PARTS
            for rule in [
                *_conv_block(f"conv_{{}}.{part}", f"conv_{{}}/{part}"),
                *_conv_block(
                    f"conv_{{}}.model.{{}}.{part}", f"conv_{{}}/layers/{{}}/{part}"
                ),
            ]
        ],
        ("linear", "linear", "linear"),
        ("bn", "bn", "norm"),
    ],
)
"""`MobileFaceNet` from TreB1eN and FaceX-Zoo."""

NUMBERED_MOBILEFACENET = Naming(
    family="mobilefacenet",
    layout=layouts.numbered_mobilefacenet,
    rules=[
        *_conv_layers("layers.0", "conv1"),
        *_conv_layers("layers.1", "conv2_dw"),
        *_unit_layers("layers.1.layers.{}", "conv2_dw/layers/{}"),
        *_unit_layers("layers.2", "conv_23"),
        *_unit_layers("layers.3.layers.{}", "conv_3/layers/{}"),
        *_unit_layers("layers.4", "conv_34"),
        *_unit_layers("layers.5.layers.{}", "conv_4/layers/{}"),
        *_unit_layers("layers.6", "conv_45"),
        *_unit_layers("layers.7.layers.{}", "conv_5/layers/{}"),
        *_conv_layers("conv_sep", "conv_6_sep"),
        *_conv_layers("features.layers.0", "conv_6_dw"),
        ("features.layers.2", "linear", "linear"),
        ("features.layers.3", "bn", "norm"),
    ],
)
"""`MobileFaceNet` from insightface."""
