"""Inference layers of face-recognition networks, one image at a time.

Arrays are (h, w, c) without a batch axis; `jax.vmap` adds it. Kernels are HWIO, and
paddings are written out, because PyTorch pads a strided 3x3 convolution by (1, 1) and
TensorFlow's SAME by (0, 1), and a network trained with one is wrong with the other.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fxai_jax.array_types import (
    Embedding,
    FeatureMap,
    Image,
    PRNGKey,
    Score,
    widened,
)
from fxai_jax.backbones.convolutions import (
    Map,
    Padding,
    conv,
    convolve,
    depthwise_conv,
)
from fxai_jax.inputs import check_key, is_concrete


def zeros(*shape: int) -> Float[Array, "..."]:
    """Float32 zeros: the values of every leaf before a checkpoint is read.

    Example:
        >>> zeros(2).tolist()
        [0.0, 0.0]
    """
    return jnp.zeros(shape, jnp.float32)


class Conv(nnx.Module):
    """Convolution without bias, as every one here has a batch norm behind it."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        size: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: Padding = ((0, 0), (0, 0)),
        groups: int = 1,
    ):
        """Makes a convolution with a zero kernel; `size` is its height and width."""
        taps = (size, size) if isinstance(size, int) else size
        self.kernel = nnx.Param(zeros(*taps, channels_in // groups, channels_out))
        self.stride = stride
        self.padding = padding
        self.groups = groups

    def __call__(self, x: Map) -> FeatureMap:
        """Returns the convolved map in the form that is fastest for the kernel."""
        kernel = self.kernel[...]
        if kernel.shape[2] == 1 and self.groups == kernel.shape[3]:
            if kernel.shape[:2] == x.shape[:2] and not any(sum(self.padding, ())):
                return jnp.sum(x * kernel[:, :, 0], axis=(0, 1), keepdims=True)
            return depthwise_conv(x, kernel, self.stride, self.padding)
        if kernel.shape[:2] == (1, 1) and self.stride == 1 and self.groups == 1:
            return lax.dot_general(x, kernel[0, 0], (((2,), (0,)), ((), ())))
        if self.groups == 1:
            return conv(x, kernel, self.stride, self.padding)
        return convolve(x, kernel, self.padding, self.stride, groups=self.groups)


class BatchNorm(nnx.Module):
    """Batch normalisation with running statistics, over the last axis."""

    def __init__(self, channels: int, *, eps: float = 1e-5, affine: bool = True):
        """Makes the identity, up to `eps`; without scale and bias unless `affine`."""
        self.scale = nnx.Param(zeros(channels) + 1) if affine else None
        self.bias = nnx.Param(zeros(channels)) if affine else None
        self.mean = nnx.BatchStat(zeros(channels))
        self.var = nnx.BatchStat(zeros(channels) + 1)
        self.eps = eps

    def __call__(self, x: Float[Array, "*shape k"]) -> Float[Array, "*shape k"]:
        """Returns ``scale * (x - mean) / sqrt(var + eps) + bias``."""
        gain = lax.rsqrt(widened(self.var[...]) + self.eps)
        if self.scale is not None:
            gain = widened(self.scale[...]) * gain
        shift = -widened(self.mean[...]) * gain
        if self.bias is not None:
            shift = widened(self.bias[...]) + shift
        return x * _over_last(gain, x) + _over_last(shift, x)


class LayerNorm(nnx.Module):
    """Layer normalisation over the last axis."""

    def __init__(self, channels: int, *, eps: float = 1e-5):
        """Makes the plain standardisation: scale 1, bias 0."""
        self.scale = nnx.Param(zeros(channels) + 1)
        self.bias = nnx.Param(zeros(channels))
        self.eps = eps

    def __call__(self, x: Float[Array, "*shape k"]) -> Float[Array, "*shape k"]:
        """Returns ``scale * (x - mean(x)) / sqrt(var(x) + eps) + bias``."""
        wide = widened(x)
        centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
        unit = (centred * lax.rsqrt(variance + self.eps)).astype(x.dtype)
        return unit * _over_last(self.scale[...], x) + _over_last(self.bias[...], x)


class PReLU(nnx.Module):
    """Rectifier with one negative slope per channel; Flax's own has a single slope."""

    def __init__(self, channels: int):
        """Makes a ReLU: slope 0."""
        self.slope = nnx.Param(zeros(channels))

    def __call__(self, x: Float[Array, "*shape k"]) -> Float[Array, "*shape k"]:
        """Returns x where positive, ``slope * x`` elsewhere."""
        return jnp.where(x >= 0, x, x * _over_last(self.slope[...], x))


class Linear(nnx.Module):
    """Matrix product over the last axis; on a map it is a 1x1 convolution."""

    def __init__(self, size_in: int, size_out: int, *, bias: bool = False):
        """Makes a zero map; the kernel has shape (size_in, size_out)."""
        self.kernel = nnx.Param(zeros(size_in, size_out))
        self.bias = nnx.Param(zeros(size_out)) if bias else None

    def __call__(self, x: Float[Array, "*shape k"]) -> Float[Array, "*shape o"]:
        """Returns ``x @ kernel + bias``."""
        y = x @ self.kernel[...]
        return y if self.bias is None else y + _over_last(self.bias[...], y)


class SqueezeExcite(nnx.Module):
    """Channel gate: ``x * sigmoid(fc2(relu(fc1(mean of x over the grid))))``."""

    def __init__(self, channels: int, *, reduction: int = 16):
        """Makes the gate with ``channels // reduction`` hidden values."""
        self.fc1 = Linear(channels, channels // reduction)
        self.fc2 = Linear(channels // reduction, channels)

    def __call__(self, x: Map) -> FeatureMap:
        """Returns the gated map."""
        hidden = jax.nn.relu(self.fc1(jnp.mean(x, axis=(0, 1))))
        return x * jax.nn.sigmoid(self.fc2(hidden))[None, None]


class InputConvention(nnx.Module):
    """From RGB in [0, 1] to what the network was trained on.

    ``(255 x - mean) / scale``, colours reversed first for a BGR network, in the type of
    the network's parameters.
    """

    def __init__(
        self, *, mean: float = 127.5, scale: float = 127.5, order: str = "rgb"
    ):
        """Stores the convention, in grey levels 0..255."""
        if order not in ("rgb", "bgr"):
            raise ValueError(f"the colour order must be 'rgb' or 'bgr', got {order!r}")
        self.mean = mean
        self.scale = scale
        self.order = order

    def __call__(self, image: Image, dtype: DTypeLike) -> FeatureMap:
        """Returns the image in the network's own input space and type."""
        pixels = widened(image)
        if self.order == "bgr":
            pixels = pixels[..., ::-1]
        return ((255.0 * pixels - self.mean) / self.scale).astype(dtype)


def dropout(x: Embedding, rate: float | Score, key: PRNGKey | None) -> Embedding:
    """Inverted dropout: zeroes entries with probability `rate`, scales the others.

    Args:
        x: Vector with shape (d,).
        rate: Probability in [0, 1); 0 returns x. May be traced.
        key: Typed key; needed when the rate is not 0, or traced.

    Returns:
        Vector with shape (d,) and expectation x.

    Raises:
        ValueError: If the rate is outside [0, 1), the key is missing, or is none.

    Example:
        >>> dropout(jnp.ones(3), 0.0, None).tolist()
        [1.0, 1.0, 1.0]
    """
    if is_concrete(rate) and not (np.ndim(rate) == 0 and 0 <= rate < 1):
        raise ValueError(f"the dropout rate must be in [0, 1), got {rate}")
    if is_concrete(rate) and rate == 0:
        return x
    if key is None:
        raise ValueError(f"dropout at rate {rate} needs a key: key=jax.random.key(0)")
    check_key(key)
    # In float32 always: the same entries fall out whatever the type of x.
    kept = jax.random.bernoulli(key, 1 - jnp.asarray(rate, jnp.float32), x.shape)
    return jnp.where(kept, x / (1 - jnp.asarray(rate, x.dtype)), 0)


def max_pool(x: Map, size: int, stride: int) -> FeatureMap:
    """Maximum over windows of `size` x `size` pixels, without padding.

    Example:
        >>> max_pool(jnp.arange(9.0).reshape(3, 3, 1), 3, 2).tolist()
        [[[8.0]]]
    """
    return lax.reduce_window(
        x, -jnp.inf, lax.max, (size, size, 1), (stride, stride, 1), "VALID"
    )


def _over_last(values: Float[Array, " k"], x: Float[Array, "*shape k"]):
    return values.reshape((1,) * (x.ndim - 1) + values.shape).astype(x.dtype)
