"""The residual networks of ArcFace and its successors: one module, four switches."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx

from fxai_jax.array_types import Embedding, FeatureMap, Image, PRNGKey, Score
from fxai_jax.backbones.layers import (
    BatchNorm,
    Conv,
    InputConvention,
    Linear,
    Map,
    PReLU,
    SqueezeExcite,
    dropout,
)

DEPTHS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    101: (3, 13, 30, 3),
    152: (3, 8, 36, 3),
    200: (6, 26, 60, 6),
}
"""Blocks per stage by the depth in a network's name; 100 and 101 are one network."""

SAME = ((1, 1), (1, 1))
GRID = 7


class Block(nnx.Module):
    """Two 3x3 convolutions between batch norms; nothing is rectified after the sum."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        stride: int,
        project: bool,
        middle_norm: bool,
        squeeze_excite: bool,
        eps: float,
    ):
        """Makes the block; without `project` the shortcut only skips pixels."""
        self.bn1 = BatchNorm(channels_in, eps=eps)
        self.conv1 = Conv(channels_in, channels_out, 3, padding=SAME)
        self.bn2 = BatchNorm(channels_out, eps=eps) if middle_norm else None
        self.prelu = PReLU(channels_out)
        self.conv2 = Conv(channels_out, channels_out, 3, stride=stride, padding=SAME)
        self.bn3 = BatchNorm(channels_out, eps=eps)
        self.se = SqueezeExcite(channels_out) if squeeze_excite else None
        self.downsample = (
            nnx.Sequential(
                Conv(channels_in, channels_out, 1, stride=stride),
                BatchNorm(channels_out, eps=eps),
            )
            if project
            else None
        )
        self.stride = stride

    def __call__(self, x: Map) -> FeatureMap:
        """Returns the block's map."""
        y = self.conv1(self.bn1(x))
        y = y if self.bn2 is None else self.bn2(y)
        y = self.bn3(self.conv2(self.prelu(y)))
        y = y if self.se is None else self.se(y)
        if self.downsample is None:
            return x[:: self.stride, :: self.stride] + y
        return self.downsample(x) + y


class IResNet(nnx.Module):
    """IResNet for 112x112 faces; every leaf is zero until a checkpoint is read.

    ``__call__`` gives the raw embedding: where a published network normalises its
    output, that last step is left out. The attribute names are those of the
    insightface checkpoints, apart from their last norm ``features``, here ``bn3``.

    The published networks differ in the options; all others have the default:

    ==============================  ===========  ========  ======  =====  =============
    network                         middle_norm  shortcut  affine  eps    input
    ==============================  ===========  ========  ======  =====  =============
    insightface, ElasticFace        yes          project   yes     1e-5   rgb 127.5
    CR-FIQA (``quality=True``)      yes          project   yes     1e-5   rgb 127.5
    MagFace (drops channels)        yes          project   yes     2e-5   bgr 0 255
    ArcFace of MXNet                yes          project   yes     2e-5   rgb 127.5 128
    AdaFace                         yes          pool      no      1e-5   bgr 127.5
    CurricularFace                  no           pool      no      1e-5   rgb 127.5
    TreB1eN, face.evoLVe            no           pool      yes     1e-5   rgb 127.5
    FaceX-Zoo                       no           pool      yes     1e-5   bgr 127.5 128
    ==============================  ===========  ========  ======  =====  =============

    The bottleneck blocks of AdaFace's deeper networks (152, 200) are not implemented.

    References:
        Deng, Guo, Xue, Zafeiriou: ArcFace, CVPR 2019, arXiv 1801.07698, section 3.1.
        https://github.com/deepinsight/insightface (recognition/arcface_torch).
        https://github.com/mk-minchul/AdaFace (net.py).
        https://github.com/HuangYG123/CurricularFace (backbone/model_irse.py).
    """

    def __init__(
        self,
        *,
        depth: int | Sequence[int] = 50,
        embedding_size: int = 512,
        width: int = 64,
        middle_norm: bool = True,
        shortcut: str = "project",
        squeeze_excite: bool = False,
        affine: bool = True,
        eps: float = 1e-5,
        dropout_kind: str = "element",
        quality: bool = False,
        mean: float = 127.5,
        scale: float = 127.5,
        order: str = "rgb",
    ):
        """Makes the network.

        Args:
            depth: A key of `DEPTHS`, or the blocks of each of the four stages.
            embedding_size: d, entries of the embedding.
            width: Channels of the first stage; they double from stage to stage.
            middle_norm: Whether a batch norm stands between first convolution and
                PReLU of a block.
            shortcut: "project": the first block of each stage has a 1x1 convolution on
                its shortcut; "pool": only where the channels change.
            squeeze_excite: Whether each block ends in a channel gate.
            affine: Whether the last batch norm has scale and bias.
            eps: Added to the variances of all batch norms.
            dropout_kind: "element" or "channel", what the network was trained to miss.
            quality: Whether the network has CR-FIQA's quality head.
            mean: Grey level (0..255) the network maps to zero.
            scale: Grey levels per unit of the network's input.
            order: "rgb" or "bgr", the colours the network was trained on.

        Raises:
            ValueError: If `depth`, `shortcut`, `dropout_kind` or `order` is unknown.
        """
        _check(shortcut, ("project", "pool"), "shortcut")
        _check(dropout_kind, ("element", "channel"), "dropout_kind")
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        block = {
            "middle_norm": middle_norm,
            "squeeze_excite": squeeze_excite,
            "eps": eps,
        }
        stages = [
            _stage(count, *channels, shortcut=shortcut, **block)
            for count, *channels in zip(
                _blocks(depth), widths, widths[1:], strict=False
            )
        ]
        self.input = InputConvention(mean=mean, scale=scale, order=order)
        self.conv1 = Conv(3, width, 3, padding=SAME)
        self.bn1 = BatchNorm(width, eps=eps)
        self.prelu = PReLU(width)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.bn2 = BatchNorm(widths[-1], eps=eps)
        self.fc = Linear(GRID * GRID * widths[-1], embedding_size, bias=True)
        self.bn3 = BatchNorm(embedding_size, eps=eps, affine=affine)
        self.qs = Linear(embedding_size, 1, bias=True) if quality else None
        self.dropout_kind = dropout_kind

    def __call__(self, image: Image) -> Embedding:
        """Returns the raw embedding of one aligned RGB face.

        Args:
            image: RGB in [0, 1] with shape (112, 112, 3).

        Returns:
            Embedding with shape (embedding_size,), not normalised.
        """
        return self.head(self.features(image))

    def features(self, image: Image) -> FeatureMap:
        """Returns the last spatial map, before its batch norm, shape (7, 7, 512)."""
        x = self.prelu(self.bn1(self.conv1(self.input(image, self.conv1.kernel.dtype))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

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
            dropout_rate: Probability of zeroing an entry, or for the kind "channel" a
                whole channel, before the linear map. Trained with 0.4 by CR-FIQA,
                MagFace, AdaFace and CurricularFace; with 0 by insightface and the
                100-layer ElasticFace.
            key: Typed key; needed when the rate is not 0.

        Returns:
            Embedding with shape (embedding_size,), not normalised.
        """
        x = self.bn2(features)
        if self.dropout_kind == "channel":
            kept = dropout(jnp.ones_like(x[0, 0]), dropout_rate, key)
            return self.bn3(self.fc(_flat(x * kept[None, None])))
        return self.bn3(self.fc(dropout(_flat(x), dropout_rate, key)))

    def quality(self, embedding: Embedding) -> Score:
        """Returns CR-FIQA's quality of a raw embedding; higher is better, unbounded.

        Args:
            embedding: What ``__call__`` returned, with shape (embedding_size,).

        Returns:
            The quality.

        Raises:
            ValueError: If the network has no quality head.

        References:
            Boutros, Fang, Klemt, Fu, Damer: CR-FIQA, CVPR 2023, arXiv 2112.06592.
        """
        if self.qs is None:
            raise ValueError(
                "this network has no quality head: only a CR-FIQA checkpoint has one "
                "(quality=True)"
            )
        return self.qs(embedding)[0]


def _blocks(depth: int | Sequence[int]) -> Sequence[int]:
    if isinstance(depth, int):
        _check(depth, DEPTHS, "depth")
        return DEPTHS[depth]
    if len(depth) != 4:
        raise ValueError(f"depth needs the blocks of four stages, got {depth}")
    return depth


def _stage(
    count: int, channels_in: int, channels_out: int, *, shortcut: str, **block
) -> nnx.Sequential:
    project = shortcut == "project" or channels_in != channels_out
    first = Block(channels_in, channels_out, stride=2, project=project, **block)
    rest = [
        Block(channels_out, channels_out, stride=1, project=False, **block)
        for _ in range(count - 1)
    ]
    return nnx.Sequential(first, *rest)


def _flat(x: Map) -> Embedding:
    """Channels first, the order in which the published linear maps read the grid."""
    return x.transpose(2, 0, 1).reshape(-1)


def _check(value, known, name: str) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {list(known)}, got {value!r}")
