"""Vision transformers of face recognition: no class token, all tokens in the head."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from fxai_jax.array_types import Embedding, FeatureMap, Image, PRNGKey, Score
from fxai_jax.backbones.layers import (
    BatchNorm,
    InputConvention,
    LayerNorm,
    Linear,
    Map,
    dropout,
    zeros,
)

Tokens = Float[Array, "n k"]
"""One row per patch, row-major over the grid."""

IMAGE_SIZE = 112
HEAD_EPS = 2e-5  # of the two batch norms in the head


class Attention(nnx.Module):
    """Multi-head self-attention; query, key and value in one matrix without bias."""

    def __init__(self, width: int, heads: int):
        """Makes the layer; `heads` divides `width`."""
        self.qkv = Linear(width, 3 * width)
        self.proj = Linear(width, width, bias=True)
        self.heads = heads

    def __call__(self, tokens: Tokens) -> Tokens:
        """Returns the mixed tokens."""
        count, width = tokens.shape
        packed = self.qkv(tokens).reshape(count, 3, self.heads, width // self.heads)
        query, key, value = packed[:, 0], packed[:, 1], packed[:, 2]
        logits = jnp.einsum("qhd,khd->hqk", query, key) * (width // self.heads) ** -0.5
        weights = jax.nn.softmax(logits, axis=-1)
        mixed = jnp.einsum("hqk,khd->qhd", weights, value)
        return self.proj(mixed.reshape(count, width))


class Mlp(nnx.Module):
    """Two linear maps around a ReLU6."""

    def __init__(self, width: int, hidden: int):
        """Makes the layer."""
        self.fc1 = Linear(width, hidden, bias=True)
        self.fc2 = Linear(hidden, width, bias=True)

    def __call__(self, tokens: Tokens) -> Tokens:
        """Returns the mapped tokens, each on its own."""
        return self.fc2(jax.nn.relu6(self.fc1(tokens)))


class Block(nnx.Module):
    """Attention and MLP, each behind a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, hidden: int):
        """Makes the block."""
        self.norm1 = LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = LayerNorm(width)
        self.mlp = Mlp(width, hidden)

    def __call__(self, tokens: Tokens) -> Tokens:
        """Returns the block's tokens."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class TokenGate(nnx.Module):
    """TransFace's gate: a number in (0, 1) for each token, computed from all."""

    def __init__(self, count: int, width: int):
        """Makes the gate of `count` tokens."""
        self.fc1 = Linear(count * width, count)
        self.fc2 = Linear(count, count)

    def __call__(self, tokens: Tokens) -> Tokens:
        """Returns the gated tokens."""
        hidden = jax.nn.relu(self.fc1(tokens.reshape(-1)))
        return tokens * jax.nn.sigmoid(self.fc2(hidden))[:, None]


class VisionTransformer(nnx.Module):
    """Vision transformer for 112x112 faces, zero until a checkpoint is read.

    ``__call__`` gives the raw embedding. The attribute names are those of the
    insightface checkpoints, apart from their ``feature.0`` to ``feature.3``, here
    ``linear1``, ``bn1``, ``linear2``, ``bn2``, and TransFace's ``senet``, here
    ``gate``. With patches of 9 pixels the last 4 rows and columns are not seen:
    their saliency is 0.

    The published networks differ in the options:

    =====================  =====  =====  =====  =====  =========  =====
    network                patch  width  depth  heads  mlp_ratio  gated
    =====================  =====  =====  =====  =====  =========  =====
    insightface ViT-T      9      256    12     8      4          no
    insightface ViT-S      9      512    12     8      4          no
    insightface ViT-B      9      512    24     8      4          no
    insightface ViT-L      9      768    24     8      4          no
    TransFace-S            9      512    12     8      4          yes
    CVLface small          8      512    12     8      5          no
    CVLface base           8      512    24     16     3          no
    =====================  =====  =====  =====  =====  =========  =====

    References:
        Dosovitskiy et al.: An Image is Worth 16x16 Words, ICLR 2021,
        arXiv 2010.11929.
        Dan et al.: TransFace, ICCV 2023, arXiv 2308.10133.
        https://github.com/deepinsight/insightface (recognition/arcface_torch).
        https://github.com/mk-minchul/CVLface.
    """

    def __init__(
        self,
        *,
        patch: int = 9,
        width: int = 512,
        depth: int = 12,
        heads: int = 8,
        mlp_ratio: int = 4,
        gated: bool = False,
        embedding_size: int = 512,
        mean: float = 127.5,
        scale: float = 127.5,
        order: str = "rgb",
    ):
        """Makes the network.

        Args:
            patch: Height and width of a patch in pixels.
            width: Channels of a token.
            depth: Blocks.
            heads: Attention heads, a divisor of `width`.
            mlp_ratio: Hidden channels of the MLP per channel of a token.
            gated: Whether the tokens pass TransFace's gate before the head.
            embedding_size: d, entries of the embedding.
            mean: Grey level (0..255) the network maps to zero.
            scale: Grey levels per unit of the network's input.
            order: "rgb" or "bgr", the colours the network was trained on.

        Raises:
            ValueError: If `heads` does not divide `width` or `order` is unknown.
        """
        if width % heads:
            raise ValueError(f"heads must divide width, got {heads} for {width}")
        grid = IMAGE_SIZE // patch
        count = grid * grid
        blocks = [Block(width, heads, mlp_ratio * width) for _ in range(depth)]
        self.input = InputConvention(mean=mean, scale=scale, order=order)
        self.patch_embed = Linear(patch * patch * 3, width, bias=True)
        self.pos_embed = nnx.Param(zeros(count, width))
        self.blocks = nnx.Sequential(*blocks)
        self.norm = LayerNorm(width)
        self.gate = TokenGate(count, width) if gated else None
        self.linear1 = Linear(count * width, width)
        self.bn1 = BatchNorm(width, eps=HEAD_EPS)
        self.linear2 = Linear(width, embedding_size)
        self.bn2 = BatchNorm(embedding_size, eps=HEAD_EPS)
        self.patch = patch

    def __call__(self, image: Image) -> Embedding:
        """Returns the raw embedding of one aligned RGB face.

        Args:
            image: RGB in [0, 1] with shape (112, 112, 3).

        Returns:
            Embedding with shape (embedding_size,), not normalised.
        """
        return self.head(self.features(image))

    def features(self, image: Image) -> FeatureMap:
        """Returns the tokens after the last norm on their grid, (12, 12, width)."""
        patches = _patches(self.input(image, self.pos_embed.dtype), self.patch)
        tokens = self.patch_embed(patches.reshape(-1, patches.shape[-1]))
        tokens = self.norm(self.blocks(tokens + self.pos_embed[...]))
        return tokens.reshape(*patches.shape[:2], -1)

    def head(
        self,
        features: FeatureMap,
        *,
        dropout_rate: float | Score = 0.0,
        key: PRNGKey | None = None,
    ) -> Embedding:
        """Returns the embedding of a feature map.

        Args:
            features: Map with shape (12, 12, width); 14x14 for patches of 8 pixels.
            dropout_rate: Probability of zeroing an entry of the `width` values before
                the last linear map, for SER-FIQ; the network was trained without it.
            key: Typed key; needed when the rate is not 0.

        Returns:
            Embedding with shape (embedding_size,), not normalised.
        """
        tokens = features.reshape(-1, features.shape[-1])
        if self.gate is not None:
            tokens = self.gate(tokens)
        hidden = self.bn1(self.linear1(tokens.reshape(-1)))
        return self.bn2(self.linear2(dropout(hidden, dropout_rate, key)))


def _patches(x: Map, size: int) -> Float[Array, "i j p"]:
    """Cuts squares from the top left; what does not fill one is dropped."""
    rows, columns = x.shape[0] // size, x.shape[1] // size
    cut = x[: rows * size, : columns * size]
    split = cut.reshape(rows, size, columns, size, -1)
    return split.swapaxes(1, 2).reshape(rows, columns, -1)
