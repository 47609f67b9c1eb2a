"""Inception-ResNet-v1 as FaceNet uses it."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from fxai_jax.array_types import Embedding, FeatureMap, Image, PRNGKey, Score
from fxai_jax.backbones.layers import (
    BatchNorm,
    Conv,
    InputConvention,
    Linear,
    Map,
    dropout,
    max_pool,
)

EPS = 1e-3  # of every batch norm


class ConvBlock(nnx.Module):
    """Convolution, batch norm and ReLU; `pad` keeps the size at stride 1."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        size: int | tuple[int, int],
        *,
        stride: int = 1,
        pad: bool = False,
    ):
        """Makes the block."""
        height, width = (size, size) if isinstance(size, int) else size
        rows, columns = (height // 2, width // 2) if pad else (0, 0)
        padding = ((rows, rows), (columns, columns))
        self.conv = Conv(
            channels_in, channels_out, size, stride=stride, padding=padding
        )
        self.bn = BatchNorm(channels_out, eps=EPS)

    def __call__(self, x: Map) -> FeatureMap:
        """Returns the block's map."""
        return jax.nn.relu(self.bn(self.conv(x)))


class Residual(nnx.Module):
    """Branches side by side, projected, scaled and added to the input."""

    def __init__(
        self,
        channels: int,
        merged: int,
        *branches: nnx.Sequential,
        scale: float,
        active: bool = True,
    ):
        """Makes the unit; `merged` is the width of all branches together."""
        self.branches = nnx.List(branches)
        self.conv2d = Linear(merged, channels, bias=True)
        self.scale = scale
        self.active = active

    def __call__(self, x: Map) -> FeatureMap:
        """Returns the unit's map."""
        merged = jnp.concatenate([branch(x) for branch in self.branches], axis=-1)
        y = x + self.scale * self.conv2d(merged)
        return jax.nn.relu(y) if self.active else y


class Reduction(nnx.Module):
    """Branches of stride 2 side by side, beside a max-pool."""

    def __init__(self, *branches: nnx.Sequential):
        """Makes the unit."""
        self.branches = nnx.List(branches)

    def __call__(self, x: Map) -> FeatureMap:
        """Returns the unit's map."""
        maps = [branch(x) for branch in self.branches]
        return jnp.concatenate([*maps, max_pool(x, 3, 2)], axis=-1)


class InceptionResnetV1(nnx.Module):
    """FaceNet's network for 160x160 faces, zero until a checkpoint is read.

    ``__call__`` gives the raw embedding: the published network normalises its output,
    that last step is left out. The attribute names are those of facenet-pytorch. Its
    faces are the plain boxes of a detector, without alignment by landmarks.

    References:
        Schroff, Kalenichenko, Philbin: FaceNet, CVPR 2015, arXiv 1503.03832.
        Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, AAAI 2017, arXiv 1602.07261,
        figure 10.
        https://github.com/timesler/facenet-pytorch (models/inception_resnet_v1.py).
    """

    def __init__(
        self,
        *,
        repeats: Sequence[int] = (5, 10, 5),
        embedding_size: int = 512,
        mean: float = 127.5,
        scale: float = 128.0,
        order: str = "rgb",
    ):
        """Makes the network.

        Args:
            repeats: Units of the three residual stages.
            embedding_size: d, entries of the embedding.
            mean: Grey level (0..255) the network maps to zero.
            scale: Grey levels per unit of the network's input.
            order: "rgb" or "bgr", the colours the network was trained on.

        Raises:
            ValueError: If `order` is unknown.
        """
        first, second, third = repeats
        self.input = InputConvention(mean=mean, scale=scale, order=order)
        self.conv2d_1a = ConvBlock(3, 32, 3, stride=2)
        self.conv2d_2a = ConvBlock(32, 32, 3)
        self.conv2d_2b = ConvBlock(32, 64, 3, pad=True)
        self.conv2d_3b = ConvBlock(64, 80, 1)
        self.conv2d_4a = ConvBlock(80, 192, 3)
        self.conv2d_4b = ConvBlock(192, 256, 3, stride=2)
        self.repeat_1 = nnx.Sequential(*[_block35() for _ in range(first)])
        self.mixed_6a = _mixed_6a()
        self.repeat_2 = nnx.Sequential(*[_block17() for _ in range(second)])
        self.mixed_7a = _mixed_7a()
        self.repeat_3 = nnx.Sequential(*[_block8(0.2) for _ in range(third)])
        self.block8 = _block8(1.0, active=False)
        self.last_linear = Linear(1792, embedding_size)
        self.last_bn = BatchNorm(embedding_size, eps=EPS)

    def __call__(self, image: Image) -> Embedding:
        """Returns the raw embedding of one RGB face.

        Args:
            image: RGB in [0, 1] with shape (160, 160, 3).

        Returns:
            Embedding with shape (embedding_size,), not normalised.
        """
        return self.head(self.features(image))

    def features(self, image: Image) -> FeatureMap:
        """Returns the map that the head averages, with shape (3, 3, 1792)."""
        pixels = self.input(image, self.conv2d_1a.conv.kernel.dtype)
        x = self.conv2d_2a(self.conv2d_1a(pixels))
        x = max_pool(self.conv2d_2b(x), 3, 2)
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        return self.block8(self.repeat_3(x))

    def head(
        self,
        features: FeatureMap,
        *,
        dropout_rate: float | Score = 0.0,
        key: PRNGKey | None = None,
    ) -> Embedding:
        """Returns the embedding of a feature map.

        Args:
            features: Map with shape (3, 3, 1792).
            dropout_rate: Probability of zeroing an entry of the 1792 averages before
                the linear map; the network was trained with 0.6.
            key: Typed key; needed when the rate is not 0.

        Returns:
            Embedding with shape (embedding_size,), not normalised.
        """
        pooled = jnp.mean(features, axis=(0, 1))
        return self.last_bn(self.last_linear(dropout(pooled, dropout_rate, key)))


def _block35() -> Residual:
    return Residual(
        256,
        96,
        _branch((256, 32, 1)),
        _branch((256, 32, 1), (32, 32, 3)),
        _branch((256, 32, 1), (32, 32, 3), (32, 32, 3)),
        scale=0.17,
    )


def _block17() -> Residual:
    return Residual(
        896,
        256,
        _branch((896, 128, 1)),
        _branch((896, 128, 1), (128, 128, (1, 7)), (128, 128, (7, 1))),
        scale=0.1,
    )


def _block8(scale: float, *, active: bool = True) -> Residual:
    return Residual(
        1792,
        384,
        _branch((1792, 192, 1)),
        _branch((1792, 192, 1), (192, 192, (1, 3)), (192, 192, (3, 1))),
        scale=scale,
        active=active,
    )


def _mixed_6a() -> Reduction:
    return Reduction(
        _reducing((256, 384, 3)),
        _reducing((256, 192, 1), (192, 192, 3), (192, 256, 3)),
    )


def _mixed_7a() -> Reduction:
    return Reduction(
        _reducing((896, 256, 1), (256, 384, 3)),
        _reducing((896, 256, 1), (256, 256, 3)),
        _reducing((896, 256, 1), (256, 256, 3), (256, 256, 3)),
    )


def _branch(*convs: tuple) -> nnx.Sequential:
    return nnx.Sequential(*[ConvBlock(*conv, pad=True) for conv in convs])


def _reducing(*convs: tuple) -> nnx.Sequential:
    *before, last = convs
    blocks = [ConvBlock(*conv, pad=True) for conv in before]
    return nnx.Sequential(*blocks, ConvBlock(*last, stride=2))
