"""From the names of published PyTorch checkpoints to the leaves of our networks.

A rule is (regex over a PyTorch module's name, path of our module, kind); the kind says
what each tensor of that module becomes. Every name must match exactly one rule.
"""

import re


def _conv(kernel):
    return kernel.transpose(2, 3, 1, 0)


def _linear(kernel):
    return kernel.reshape(kernel.shape[:2]).T


def _patch(kernel):
    return kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])


def _same(array):
    return array


def _first(array):
    return array[0]


KINDS = {
    "conv": {"weight": ("kernel", _conv)},
    "linear": {"weight": ("kernel", _linear), "bias": ("bias", _same)},
    "patch": {"weight": ("kernel", _patch), "bias": ("bias", _same)},
    "norm": {
        "weight": ("scale", _same),
        "bias": ("bias", _same),
        "running_mean": ("mean", _same),
        "running_var": ("var", _same),
        "num_batches_tracked": None,
    },
    "prelu": {"weight": ("slope", _same)},
    "tokens": {"pos_embed": ("pos_embed", _first), "mask_token": None},
}
"""Tensors of a PyTorch module by kind; None is left out: of use in training alone."""

Rules = list[tuple[str, str, str]]


def _conv_norm(source, path):
    return [
        (rf"{source}\.conv", f"{path}/conv", "conv"),
        (rf"{source}\.bn", f"{path}/bn", "norm"),
    ]


def _conv_layers(source, path):
    return [
        (rf"{source}\.layers\.0", f"{path}/conv", "conv"),
        (rf"{source}\.layers\.1", f"{path}/bn", "norm"),
        (rf"{source}\.layers\.2", f"{path}/prelu", "prelu"),
    ]


def _unit_layers(source, path):
    return [
        rule
        for index, name in enumerate(("conv", "conv_dw", "project"))
        for rule in _conv_layers(rf"{source}\.layers\.{index}", f"{path}/{name}")
    ]


_BLOCK = r"layer(\d)\.(\d+)"
_OURS = r"layer\1/layers/\2"

INSIGHTFACE: Rules = [
    (r"conv1", "conv1", "conv"),
    (r"bn1", "bn1", "norm"),
    (r"prelu", "prelu", "prelu"),
    (rf"{_BLOCK}\.conv(\d)", rf"{_OURS}/conv\3", "conv"),
    (rf"{_BLOCK}\.bn(\d)", rf"{_OURS}/bn\3", "norm"),
    (rf"{_BLOCK}\.prelu", rf"{_OURS}/prelu", "prelu"),
    (rf"{_BLOCK}\.se_block\.(fc\d)", rf"{_OURS}/se/\3", "linear"),
    (rf"{_BLOCK}\.downsample\.0", rf"{_OURS}/downsample/layers/0", "conv"),
    (rf"{_BLOCK}\.downsample\.1", rf"{_OURS}/downsample/layers/1", "norm"),
    (r"bn2", "bn2", "norm"),
    (r"fc", "fc", "linear"),
    (r"features", "bn3", "norm"),
    (r"qs", "qs", "linear"),
]
"""`IResNet` from insightface, ElasticFace, MagFace, CR-FIQA."""

_BODY: Rules = [
    (r"input_layer\.0", "conv1", "conv"),
    (r"input_layer\.1", "bn1", "norm"),
    (r"input_layer\.2", "prelu", "prelu"),
    (rf"{_BLOCK}\.res_layer\.0", rf"{_OURS}/bn1", "norm"),
    (rf"{_BLOCK}\.res_layer\.1", rf"{_OURS}/conv1", "conv"),
    (rf"{_BLOCK}\.res_layer\.(?:5|se_block)\.(fc\d)", rf"{_OURS}/se/\3", "linear"),
    (rf"{_BLOCK}\.shortcut_layer\.0", rf"{_OURS}/downsample/layers/0", "conv"),
    (rf"{_BLOCK}\.shortcut_layer\.1", rf"{_OURS}/downsample/layers/1", "norm"),
    (r"output_layer\.0", "bn2", "norm"),
    (r"output_layer\.3", "fc", "linear"),
    (r"output_layer\.4", "bn3", "norm"),
]

ADAFACE: Rules = [
    *_BODY,
    (rf"{_BLOCK}\.res_layer\.2", rf"{_OURS}/bn2", "norm"),
    (rf"{_BLOCK}\.res_layer\.3", rf"{_OURS}/prelu", "prelu"),
    (rf"{_BLOCK}\.res_layer\.4", rf"{_OURS}/conv2", "conv"),
    (rf"{_BLOCK}\.res_layer\.5", rf"{_OURS}/bn3", "norm"),
]
"""`IResNet` from AdaFace and CVLface, once `staged`."""

CURRICULARFACE: Rules = [
    *_BODY,
    (rf"{_BLOCK}\.res_layer\.2", rf"{_OURS}/prelu", "prelu"),
    (rf"{_BLOCK}\.res_layer\.3", rf"{_OURS}/conv2", "conv"),
    (rf"{_BLOCK}\.res_layer\.4", rf"{_OURS}/bn3", "norm"),
]
"""`IResNet` from CurricularFace, TreB1eN, face.evoLVe, FaceX-Zoo, once `staged`."""

_REPEAT = r"(repeat_\d)\.(\d+)"
_SINGLE = r"(mixed_\d\w|block8)"

FACENET: Rules = [
    *_conv_norm(r"(conv2d_\w+)", r"\1"),
    *_conv_norm(rf"{_REPEAT}\.branch(\d)", r"\1/layers/\2/branches/\3/layers/0"),
    *_conv_norm(rf"{_REPEAT}\.branch(\d)\.(\d)", r"\1/layers/\2/branches/\3/layers/\4"),
    (rf"{_REPEAT}\.conv2d", r"\1/layers/\2/conv2d", "linear"),
    *_conv_norm(rf"{_SINGLE}\.branch(\d)", r"\1/branches/\2/layers/0"),
    *_conv_norm(rf"{_SINGLE}\.branch(\d)\.(\d)", r"\1/branches/\2/layers/\3"),
    (rf"{_SINGLE}\.conv2d", r"\1/conv2d", "linear"),
    (r"last_linear", "last_linear", "linear"),
    (r"last_bn", "last_bn", "norm"),
]
"""`InceptionResnetV1` from facenet-pytorch."""

_VIT_BLOCK = r"blocks\.(\d+)"

VIT: Rules = [
    (r"", "", "tokens"),
    (r"patch_embed\.proj", "patch_embed", "patch"),
    (rf"{_VIT_BLOCK}\.(norm\d)", r"blocks/layers/\1/\2", "norm"),
    (rf"{_VIT_BLOCK}\.(attn|mlp)\.(\w+)", r"blocks/layers/\1/\2/\3", "linear"),
    (r"norm", "norm", "norm"),
    (r"feature\.0", "linear1", "linear"),
    (r"feature\.1", "bn1", "norm"),
    (r"feature\.2", "linear2", "linear"),
    (r"feature\.3", "bn2", "norm"),
    (r"senet\.0", "gate/fc1", "linear"),
    (r"senet\.2", "gate/fc2", "linear"),
]
"""`VisionTransformer` from insightface, TransFace, CVLface."""

_UNIT = r"(conv_\d+)\.(conv|conv_dw|project)"
_UNITS = r"(conv_\d)\.model\.(\d+)\.(conv|conv_dw|project)"

NAMED_MOBILEFACENET: Rules = [
    *_conv_norm(r"(conv\w+)", r"\1"),
    (r"(conv\w+)\.prelu", r"\1/prelu", "prelu"),
    *_conv_norm(_UNIT, r"\1/\2"),
    (rf"{_UNIT}\.prelu", r"\1/\2/prelu", "prelu"),
    *_conv_norm(_UNITS, r"\1/layers/\2/\3"),
    (rf"{_UNITS}\.prelu", r"\1/layers/\2/\3/prelu", "prelu"),
    (r"linear", "linear", "linear"),
    (r"bn", "bn", "norm"),
]
"""`MobileFaceNet` from TreB1eN and FaceX-Zoo."""

NUMBERED_MOBILEFACENET: Rules = [
    *_conv_layers(r"layers\.0", "conv1"),
    *_conv_layers(r"layers\.1", "conv2_dw"),
    *_unit_layers(r"layers\.1\.layers\.(\d+)", r"conv2_dw/layers/\1"),
    *_unit_layers(r"layers\.2", "conv_23"),
    *_unit_layers(r"layers\.3\.layers\.(\d+)", r"conv_3/layers/\1"),
    *_unit_layers(r"layers\.4", "conv_34"),
    *_unit_layers(r"layers\.5\.layers\.(\d+)", r"conv_4/layers/\1"),
    *_unit_layers(r"layers\.6", "conv_45"),
    *_unit_layers(r"layers\.7\.layers\.(\d+)", r"conv_5/layers/\1"),
    *_conv_layers(r"conv_sep", "conv_6_sep"),
    *_conv_layers(r"features\.layers\.0", "conv_6_dw"),
    (r"features\.layers\.2", "linear", "linear"),
    (r"features\.layers\.3", "bn", "norm"),
]
"""`MobileFaceNet` from insightface."""


def arrays(state, rules):
    """The leaves of our network, by path, from NumPy tensors by PyTorch name."""
    leaves = {}
    for name, tensor in state.items():
        path, transform = _target(name, rules)
        if path is None:
            continue
        assert path not in leaves, f"{name} is the second tensor for {path}"
        leaves[path] = transform(tensor)
    return leaves


def staged(state, blocks):
    """Names a flat ``body`` of blocks by stage: ``body.3`` becomes ``layer2.1``."""
    places = [
        f"layer{stage}.{index}"
        for stage, count in enumerate(blocks, start=1)
        for index in range(count)
    ]
    return {
        re.sub(r"^body\.(\d+)", lambda match: places[int(match[1])], name): tensor
        for name, tensor in state.items()
    }


def _target(name, rules):
    module, _, leaf = name.rpartition(".")
    matches = [
        (match.expand(path), kind)
        for regex, path, kind in rules
        if (match := re.fullmatch(regex, module))
    ]
    assert len(matches) == 1, f"{name} matches {len(matches)} rules"
    path, kind = matches[0]
    target = KINDS[kind][leaf]
    if target is None:
        return None, None
    ours, transform = target
    return f"{path}/{ours}".lstrip("/"), transform
