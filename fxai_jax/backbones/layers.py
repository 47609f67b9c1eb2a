"""Inference layers of face-recognition networks, one image at a time.

Arrays are (h, w, c) without a batch axis; `jax.vmap` adds it. Kernels are HWIO, and
paddings are written out, because PyTorch pads a strided 3x3 convolution by (1, 1) and
TensorFlow's SAME by (0, 1), and a network trained with one is wrong with the other.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from fxai_jax.array_types import Embedding, Image, PRNGKey

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Pixels added before and after, for height and width."""

Kernel = Float[Array, "y x i o"]


def zeros(*shape: int) -> Float[Array, "..."]:
    """Float32 zeros: the values of every leaf before a checkpoint is read."""
    return jnp.zeros(shape, jnp.float32)


class Conv(nnx.Module):
    """Convolution without bias, as every network here has a batch norm behind it."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        size: int,
        *,
        stride: int = 1,
        padding: Padding = ((0, 0), (0, 0)),
        groups: int = 1,
    ):
        """Makes a convolution with a zero kernel of `size` x `size` taps."""
        shape = (size, size, channels_in // groups, channels_out)
        self.kernel = nnx.Param(zeros(*shape))
        self.stride = stride
        self.padding = padding
        self.groups = groups

    def __call__(self, x: Image) -> Image:
        """Returns the convolved map in the form that is fastest for the kernel."""
        kernel = self.kernel[...]
        if kernel.shape[2] == 1 and self.groups == kernel.shape[3]:
            if kernel.shape[:2] == x.shape[:2] and not any(sum(self.padding, ())):
                return jnp.sum(x * kernel[:, :, 0], axis=(0, 1), keepdims=True)
            return depthwise_conv(x, kernel, self.stride, self.padding)
        if kernel.shape[:2] == (1, 1) and self.stride == 1 and self.groups == 1:
            return lax.dot_general(x, kernel[0, 0], (((2,), (0,)), ((), ())))
        return lax.conv_general_dilated(
            x[None],
            kernel,
            (self.stride, self.stride),
            self.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )[0]


class BatchNorm(nnx.Module):
    """Batch normalisation with running statistics, over the last axis."""

    def __init__(self, channels: int, *, eps: float = 1e-5):
        """Makes the identity, up to `eps`."""
        self.scale = nnx.Param(zeros(channels) + 1)
        self.bias = nnx.Param(zeros(channels))
        self.mean = nnx.BatchStat(zeros(channels))
        self.var = nnx.BatchStat(zeros(channels) + 1)
        self.eps = eps

    def __call__(self, x: Float[Array, "*shape k"]) -> Float[Array, "*shape k"]:
        """Returns ``scale * (x - mean) / sqrt(var + eps) + bias``."""
        gain = self.scale[...] * lax.rsqrt(self.var[...] + self.eps)
        shift = self.bias[...] - self.mean[...] * gain
        return x * _over_last(gain, x) + _over_last(shift, x)


class PReLU(nnx.Module):
    """Rectifier with one negative slope per channel; Flax's own has a single slope."""

    def __init__(self, channels: int):
        """Makes a ReLU: slope 0."""
        self.slope = nnx.Param(zeros(channels))

    def __call__(self, x: Float[Array, "*shape k"]) -> Float[Array, "*shape k"]:
        """Returns x where positive, ``slope * x`` elsewhere."""
        return jnp.where(x >= 0, x, x * _over_last(self.slope[...], x))


class Linear(nnx.Module):
    """Matrix product without bias."""

    def __init__(self, size_in: int, size_out: int):
        """Makes a zero map; the kernel has shape (size_in, size_out)."""
        self.kernel = nnx.Param(zeros(size_in, size_out))

    def __call__(self, x: Embedding) -> Embedding:
        """Returns ``x @ kernel``."""
        return x @ self.kernel[...]


class InputConvention(nnx.Module):
    """From RGB in [0, 1] to what the network was trained on.

    ``(255 x - mean) / scale``, colours reversed first for a BGR network.
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

    def __call__(self, image: Image) -> Image:
        """Returns the image in the network's own input space."""
        if self.order == "bgr":
            image = image[..., ::-1]
        return (255.0 * image - self.mean) / self.scale


def dropout(x: Embedding, rate: float, key: PRNGKey | None) -> Embedding:
    """Inverted dropout: zeroes entries with probability `rate`, scales the others.

    Args:
        x: Vector with shape (d,).
        rate: Probability in [0, 1); 0 returns x.
        key: Typed key; needed when the rate is not 0.

    Returns:
        Vector with shape (d,) and expectation x.

    Raises:
        ValueError: If the rate is outside [0, 1) or the key is missing.

    Example:
        >>> dropout(jnp.ones(3), 0.0, None).tolist()
        [1.0, 1.0, 1.0]
    """
    if not 0 <= rate < 1:
        raise ValueError(f"the dropout rate must be in [0, 1), got {rate}")
    if rate == 0:
        return x
    if key is None:
        raise ValueError(f"dropout at rate {rate} needs a key: key=jax.random.key(0)")
    kept = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), 0)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise_conv(x: Image, kernel: Kernel, stride: int, padding: Padding) -> Image:
    """One filter per channel, as a sum of shifted multiples of the map.

    XLA's grouped convolution is ten times slower on CPU. The pullback is the same sum
    over the spread cotangent with the kernel turned by 180 degrees: the pullback that
    autodiff derives from the shifts is a sum of padded maps, 2.5 times slower.
    Forward-mode differentiation is not defined; pull back the pullback instead.

    Args:
        x: Map with shape (h, w, k).
        kernel: Taps with shape (y, x, 1, k).
        stride: Step in pixels, the same on both axes.
        padding: Zeros before and after, for height and width.

    Returns:
        Map with shape (i, j, k).

    Example:
        >>> ones = jnp.ones((3, 3, 1, 2))
        >>> depthwise_conv(jnp.ones((5, 5, 2)), ones, 2, ((0, 0), (0, 0))).shape
        (2, 2, 2)
    """
    return _shifted_sum(jnp.pad(x, (*padding, (0, 0))), kernel, stride)


def _depthwise_forward(x, kernel, stride, padding):
    return depthwise_conv(x, kernel, stride, padding), (x, kernel)


def _depthwise_backward(stride, padding, residuals, cotangent):
    x, kernel = residuals
    gaps = [
        (k - 1 - before, n + before - (size - 1) * stride - 1, stride - 1)
        for k, n, size, (before, _) in zip(
            kernel.shape, x.shape, cotangent.shape, padding, strict=False
        )
    ]
    spread = lax.pad(cotangent, jnp.zeros((), x.dtype), (*gaps[:2], (0, 0, 0)))
    x_bar = _shifted_sum(spread, kernel[::-1, ::-1], 1)
    padded = jnp.pad(x, (*padding, (0, 0)))
    _, pull_kernel = jax.vjp(lambda k: _shifted_sum(padded, k, stride), kernel)
    return x_bar, pull_kernel(cotangent)[0]


depthwise_conv.defvjp(_depthwise_forward, _depthwise_backward)


def _shifted_sum(padded: Image, kernel: Kernel, stride: int) -> Image:
    rows, columns = kernel.shape[:2]
    last_row, last_column = padded.shape[0] - rows, padded.shape[1] - columns
    return sum(
        padded[i : i + last_row + 1 : stride, j : j + last_column + 1 : stride]
        * kernel[None, i, j]
        for i in range(rows)
        for j in range(columns)
    )


def _over_last(values: Float[Array, " k"], x: Float[Array, "*shape k"]):
    return values.reshape((1,) * (x.ndim - 1) + values.shape)
