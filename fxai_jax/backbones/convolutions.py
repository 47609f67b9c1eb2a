"""Convolutions whose pullbacks are fast too, on every platform the same function.

FGGB pulls hundreds of cotangents back through a network in a loop, where XLA's derived
pullbacks are several times slower on CPU than the convolutions they belong to.
"""

from functools import partial, reduce

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fxai_jax.array_types import FeatureMap

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Pixels added before and after, for height and width."""

Map = Float[Array, "h w c"]
"""What a layer reads; it returns a FeatureMap, whose size may differ."""

Kernel = Float[Array, "ky kx cin cout"]


def convolve(
    x: Map,
    kernel: Kernel,
    padding: Padding,
    stride: int,
    *,
    groups: int = 1,
    dilation: int = 1,
) -> FeatureMap:
    """XLA's own convolution of one map.

    Args:
        x: Map with shape (h, w, k).
        kernel: Taps with shape (y, x, k / groups, o).
        padding: Zeros before and after, for height and width.
        stride: Step in pixels, the same on both axes.
        groups: Groups of channels that are convolved apart.
        dilation: Pixels from one input pixel to the next, zeros between them.

    Returns:
        Map with shape (i, j, o).

    Example:
        >>> ones = jnp.ones((3, 3, 1, 2))
        >>> no_padding = ((0, 0), (0, 0))
        >>> convolve(jnp.ones((5, 5, 2)), ones, no_padding, 2, groups=2).shape
        (2, 2, 2)
    """
    return lax.conv_general_dilated(
        x[None],
        kernel,
        (stride, stride),
        padding,
        lhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )[0]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(x: Map, kernel: Kernel, stride: int, padding: Padding) -> FeatureMap:
    """Ordinary convolution whose pullback is an ordinary convolution too.

    Autodiff pulls back with a reversal flag that XLA's fast path on CPU does not know:
    inside a loop, where the flag cannot be folded into the kernel, the pullback is
    three to six times slower. Here the turned kernel is a residual, made outside the
    loop. Forward-mode differentiation is not defined; pull back the pullback instead.

    Args:
        x: Map with shape (h, w, k).
        kernel: Taps with shape (y, x, k, o).
        stride: Step in pixels, the same on both axes.
        padding: Zeros before and after, for height and width.

    Returns:
        Map with shape (i, j, o).

    Example:
        >>> ones = jnp.ones((3, 3, 2, 4))
        >>> conv(jnp.ones((5, 5, 2)), ones, 2, ((0, 0), (0, 0))).shape
        (2, 2, 4)
    """
    return convolve(x, kernel, padding, stride)


def _conv_forward(x, kernel, stride, padding):
    # y[i] = sum_t k[t] x[s i + t - p], so x_bar[j] = sum_t k[t] y_bar[(j + p - t) / s]:
    # the tap index runs backwards. With the kernel turned by 180 degrees, and inputs
    # and outputs exchanged, this is again a convolution, of y_bar with s - 1 zeros
    # between its pixels.
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    return conv(x, kernel, stride, padding), (x, kernel, turned)


def _conv_backward(stride, padding, residuals, cotangent):
    x, kernel, turned = residuals
    gaps = _gaps(x.shape, kernel.shape, cotangent.shape, stride, padding)
    x_bar = convolve(cotangent, turned, gaps, 1, dilation=stride)
    _, pull_kernel = jax.vjp(lambda k: convolve(x, k, padding, stride), kernel)
    return x_bar, pull_kernel(cotangent)[0]


conv.defvjp(_conv_forward, _conv_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise_conv(x: Map, kernel: Kernel, stride: int, padding: Padding) -> FeatureMap:
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
    gaps = _gaps(x.shape, kernel.shape, cotangent.shape, stride, padding)
    spreads = [(before, after, stride - 1) for before, after in gaps]
    spread = lax.pad(cotangent, jnp.zeros((), x.dtype), (*spreads, (0, 0, 0)))
    x_bar = _shifted_sum(spread, kernel[::-1, ::-1], 1)
    padded = jnp.pad(x, (*padding, (0, 0)))
    _, pull_kernel = jax.vjp(lambda k: _shifted_sum(padded, k, stride), kernel)
    return x_bar, pull_kernel(cotangent)[0]


depthwise_conv.defvjp(_depthwise_forward, _depthwise_backward)


def _shifted_sum(padded: Map, kernel: Kernel, stride: int) -> FeatureMap:
    rows, columns = kernel.shape[:2]
    last_row, last_column = padded.shape[0] - rows, padded.shape[1] - columns
    terms = [
        padded[i : i + last_row + 1 : stride, j : j + last_column + 1 : stride]
        * kernel[None, i, j]
        for i in range(rows)
        for j in range(columns)
    ]
    return reduce(jnp.add, terms)


def _gaps(shape, taps, pulled, stride: int, padding: Padding) -> Padding:
    """Padding of the spread cotangent; negative where the stride left pixels over."""
    rows, columns = (
        (k - 1 - before, n + before - (size - 1) * stride - 1)
        for k, n, size, (before, _) in zip(taps, shape, pulled, padding, strict=False)
    )
    return rows, columns
