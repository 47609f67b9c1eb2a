"""MobileFaceNet, the small face-recognition network that ships with the library."""

from collections.abc import Sequence

from flax import nnx

from fxai_jax.array_types import Embedding, FeatureMap, Image, PRNGKey, Score
from fxai_jax.backbones.layers import (
    BatchNorm,
    Conv,
    InputConvention,
    Linear,
    Map,
    Padding,
    PReLU,
    dropout,
)

STRIDED_PADDING: dict[str, Padding] = {
    "torch": ((1, 1), (1, 1)),
    "tensorflow": ((0, 1), (0, 1)),
}
"""Padding of a 3x3 convolution with stride 2, by the framework it was trained in."""


class ConvBlock(nnx.Module):
    """Convolution, batch norm and, if `active`, PReLU."""

    def __init__(
        self, channels_in: int, channels_out: int, size: int, *, active=True, **options
    ):
        """Makes the block; `options` go to `Conv`."""
        self.conv = Conv(channels_in, channels_out, size, **options)
        self.bn = BatchNorm(channels_out)
        self.prelu = PReLU(channels_out) if active else None

    def __call__(self, x: Map) -> FeatureMap:
        """Returns the block's map."""
        x = self.bn(self.conv(x))
        return x if self.prelu is None else self.prelu(x)


class Bottleneck(nnx.Module):
    """1x1 expansion, 3x3 depthwise, linear 1x1 projection; a shortcut if `residual`."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        expanded: int,
        *,
        stride: int = 1,
        padding: Padding = ((1, 1), (1, 1)),
        residual: bool = False,
    ):
        """Makes the unit; `expanded` is the depthwise width."""
        self.conv = ConvBlock(channels_in, expanded, 1)
        self.conv_dw = ConvBlock(
            expanded, expanded, 3, stride=stride, padding=padding, groups=expanded
        )
        self.project = ConvBlock(expanded, channels_out, 1, active=False)
        self.residual = residual

    def __call__(self, x: Map) -> FeatureMap:
        """Returns the unit's map."""
        y = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.residual else y


class MobileFaceNet(nnx.Module):
    """MobileFaceNet for 112x112 faces; every leaf is zero until a checkpoint is read.

    ``__call__`` gives the raw embedding: where a published network normalises its
    output, that last step is left out. The attribute names are those of the TreB1eN
    and FaceX-Zoo checkpoints.

    The published networks differ in the options:

    ====================  =====  ==============  ==============
    network               width  blocks          embedding_size
    ====================  =====  ==============  ==============
    shipped (TensorFlow)  1      (1, 4, 6, 2)    192
    TreB1eN, FaceX-Zoo    1      (1, 4, 6, 2)    512
    insightface mbf v1    1      (1, 4, 6, 2)    512
    insightface mbf v2    2      (1, 4, 6, 2)    512
    insightface large     4      (2, 8, 12, 4)   512
    ====================  =====  ==============  ==============

    foamliu's network of the same name is another one (ReLU6, another order).

    References:
        Chen, Liu, Gao, Han: MobileFaceNets, CCBR 2018, arXiv 1804.07573, table 1.
        https://github.com/TreB1eN/InsightFace_Pytorch (model.py).
        https://github.com/deepinsight/insightface (recognition/arcface_torch).
    """

    def __init__(
        self,
        *,
        embedding_size: int = 512,
        width: int = 1,
        blocks: Sequence[int] = (1, 4, 6, 2),
        strided_padding: str = "torch",
        mean: float = 127.5,
        scale: float = 127.5,
        order: str = "rgb",
    ):
        """Makes the network.

        Args:
            embedding_size: d, entries of the embedding.
            width: Multiple of the channels of the paper's first four stages.
            blocks: Units per stage; the first stage is a plain depthwise layer for 1.
            strided_padding: "torch" or "tensorflow", where it was trained.
            mean: Grey level (0..255) the network maps to zero.
            scale: Grey levels per unit of the network's input.
            order: "rgb" or "bgr", the colours the network was trained on.

        Raises:
            ValueError: If `strided_padding` or `order` is unknown.
        """
        if strided_padding not in STRIDED_PADDING:
            raise ValueError(
                f"strided_padding must be one of {sorted(STRIDED_PADDING)}, "
                f"got {strided_padding!r}"
            )
        down = {"stride": 2, "padding": STRIDED_PADDING[strided_padding]}
        same = ((1, 1), (1, 1))
        narrow, wide = 64 * width, 128 * width
        self.input = InputConvention(mean=mean, scale=scale, order=order)
        self.conv1 = ConvBlock(3, narrow, 3, **down)
        self.conv2_dw = (
            ConvBlock(narrow, narrow, 3, padding=same, groups=64)
            if blocks[0] == 1
            else _residuals(blocks[0], narrow, 128)
        )
        self.conv_23 = Bottleneck(narrow, narrow, 128, **down)
        self.conv_3 = _residuals(blocks[1], narrow, 128)
        self.conv_34 = Bottleneck(narrow, wide, 256, **down)
        self.conv_4 = _residuals(blocks[2], wide, 256)
        self.conv_45 = Bottleneck(wide, wide, 512, **down)
        self.conv_5 = _residuals(blocks[3], wide, 256)
        self.conv_6_sep = ConvBlock(wide, 512, 1)
        self.conv_6_dw = ConvBlock(512, 512, 7, active=False, groups=512)
        self.linear = Linear(512, embedding_size)
        self.bn = BatchNorm(embedding_size)

    def __call__(self, image: Image) -> Embedding:
        """Returns the raw embedding of one aligned RGB face.

        Args:
            image: RGB in [0, 1] with shape (112, 112, 3).

        Returns:
            Embedding with shape (embedding_size,), not normalised.
        """
        return self.head(self.features(image))

    def features(self, image: Image) -> FeatureMap:
        """Returns the last spatial map, after its PReLU, with shape (7, 7, 512)."""
        x = self.conv1(self.input(image, self.conv1.conv.kernel.dtype))
        x = self.conv2_dw(x)
        x = self.conv_3(self.conv_23(x))
        x = self.conv_4(self.conv_34(x))
        x = self.conv_5(self.conv_45(x))
        return self.conv_6_sep(x)

    def head(
        self,
        features: FeatureMap,
        *,
        dropout_rate: float | Score = 0.0,
        key: PRNGKey | None = None,
    ) -> Embedding:
        """Returns the embedding of a feature map.

        Args:
            features: Map with shape (7, 7, 512).
            dropout_rate: Probability of zeroing an entry of the 512 values before the
                last linear map, for SER-FIQ; the network was trained without it.
            key: Typed key; needed when the rate is not 0.

        Returns:
            Embedding with shape (embedding_size,), not normalised.
        """
        pooled = self.conv_6_dw(features).reshape(-1)
        return self.bn(self.linear(dropout(pooled, dropout_rate, key)))


def _residuals(count: int, channels: int, expanded: int) -> nnx.Sequential:
    units = [
        Bottleneck(channels, channels, expanded, residual=True) for _ in range(count)
    ]
    return nnx.Sequential(*units)
