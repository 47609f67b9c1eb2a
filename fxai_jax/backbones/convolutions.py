"""Convolutions whose pullbacks are fast too, in every mode of differentiation.

FGGB pulls hundreds of cotangents back through a network in a loop, where XLA's derived
pullbacks are several times slower on CPU than the convolutions they belong to. A
convolution here is a primitive of its own with a flag for its direction: pushing a map
forward and pulling a cotangent back are one operation, each the transpose of the other,
so that reverse, forward and higher derivatives close over it. The kernel's gradient is
traced where somebody asks for it, and nowhere else.
"""

from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from fxai_jax.array_types import FeatureMap

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Pixels added before and after, for height and width."""

Map = Float[Array, "h w c"]
"""What a layer reads; it returns a FeatureMap, whose size may differ."""

Kernel = Float[Array, "ky kx cin cout"]

Maps = Float[Array | np.ndarray, "*batch h w c"]
"""Maps with any number of axes before their own, on the device or on the host."""


def conv(x: Map, kernel: Kernel, stride: int, padding: Padding) -> FeatureMap:
    """Ordinary convolution whose pullback is an ordinary convolution too.

    Autodiff pulls back with a reversal flag that XLA's fast path on CPU does not know:
    inside a loop, where the flag cannot be folded into the kernel, the pullback is
    three to six times slower. Here the turned kernel is made beside the kernel, outside
    the loop. On other platforms it is XLA's own pullback.

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
    return _bind(x, kernel, stride, padding, depthwise=False)


def depthwise_conv(x: Map, kernel: Kernel, stride: int, padding: Padding) -> FeatureMap:
    """One filter per channel, on CPU as a sum of shifted multiples of the map.

    XLA's grouped convolution is ten times slower there. The pullback is the same sum
    over the spread cotangent with the kernel turned by 180 degrees: the pullback that
    autodiff derives from the shifts is a sum of padded maps, 2.5 times slower. On other
    platforms it is XLA's grouped convolution.

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
    return _bind(x, kernel, stride, padding, depthwise=True)


def convolve(
    x: Maps,
    kernel: Kernel,
    padding: Padding,
    stride: int,
    *,
    groups: int = 1,
    dilation: int = 1,
) -> Float[Array, "*batch i j o"]:
    """XLA's own convolution.

    Args:
        x: Map with shape (h, w, k), or several along axes before these.
        kernel: Taps with shape (y, x, k / groups, o).
        padding: Zeros before and after, for height and width.
        stride: Step in pixels, the same on both axes.
        groups: Groups of channels that are convolved apart.
        dilation: Pixels from one input pixel to the next, zeros between them.

    Returns:
        Map with shape (i, j, o), after the axes before.

    Example:
        >>> ones = jnp.ones((3, 3, 1, 2))
        >>> no_padding = ((0, 0), (0, 0))
        >>> convolve(jnp.ones((5, 5, 2)), ones, no_padding, 2, groups=2).shape
        (2, 2, 2)
    """
    *batch, height, width, channels = x.shape
    found = lax.conv_general_dilated(
        jnp.reshape(x, (-1, height, width, channels)),
        kernel,
        (stride, stride),
        padding,
        lhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
    return found.reshape(*batch, *found.shape[1:])


# The operands are the map, the kernel and the turned kernel. The value is defined by
# the map and the kernel; the turned kernel is there for the pullback on CPU.
_conv = Primitive("face_convolution")


def _bind(x: Map, kernel: Kernel, stride: int, padding: Padding, *, depthwise: bool):
    params = {
        "size": x.shape[:2],
        "stride": stride,
        "padding": padding,
        "depthwise": depthwise,
    }
    return _conv.bind(x, kernel, _turn(kernel, depthwise), back=False, **params)


def _turn(kernel: Kernel, depthwise: bool) -> Float[Array, "ky kx _ _"]:
    # y[i] = sum_t k[t] x[s i + t - p], so x_bar[j] = sum_t k[t] y_bar[(j + p - t) / s]:
    # the tap index runs backwards. With the kernel turned by 180 degrees, and inputs
    # and outputs exchanged, this is again a convolution, of y_bar with s - 1 zeros
    # between its pixels.
    turned = kernel[::-1, ::-1]
    return turned if depthwise else turned.swapaxes(2, 3)


def _fast(x, kernel, turned, *, size, stride, padding, depthwise, back):
    """Both directions in the form that is fastest on CPU."""
    taps, step = (turned, 1) if back else (kernel, stride)
    if back:
        padding = _gaps(size, kernel.shape, x.shape[-3:-1], stride, padding)
    dilation = stride if back else 1
    if not depthwise:
        return convolve(x, taps, padding, step, dilation=dilation)
    spread = [(before, after, dilation - 1) for before, after in padding]
    axes = [(0, 0, 0)] * (x.ndim - 3)
    padded = lax.pad(x, jnp.zeros((), x.dtype), [*axes, *spread, (0, 0, 0)])
    return _shifted_sum(padded, taps, step)


def _plain(x, kernel, turned, *, size, stride, padding, depthwise, back):
    """Both directions as XLA has them."""
    groups = kernel.shape[3] if depthwise else 1

    def push(x):
        return convolve(x, kernel, padding, stride, groups=groups)

    if not back:
        return push(x)
    channels = kernel.shape[3] if depthwise else kernel.shape[2]
    pushed = jax.ShapeDtypeStruct((*x.shape[:-3], *size, channels), x.dtype)
    return jax.linear_transpose(push, pushed)(x)[0]


def _shifted_sum(padded, kernel: Kernel, stride: int):
    rows, columns = kernel.shape[:2]
    last_row, last_column = padded.shape[-3] - rows, padded.shape[-2] - columns
    terms = [
        padded[..., i : i + last_row + 1 : stride, j : j + last_column + 1 : stride, :]
        * kernel[i, j].reshape((1,) * (padded.ndim - 1) + (-1,))
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


def _abstract(*avals, **params):
    return jax.make_jaxpr(partial(_fast, **params))(*avals).out_avals[0]


def _jvp(primals, tangents, **params):
    x, kernel, turned = primals
    x_dot, kernel_dot, _ = tangents  # the turned kernel is the kernel once more
    value = _conv.bind(*primals, **params)
    terms = []
    if not isinstance(x_dot, ad.Zero):
        terms.append(_conv.bind(x_dot, kernel, turned, **params))
    if not isinstance(kernel_dot, ad.Zero):
        terms.append(_along_kernel(x, kernel_dot, **params))
    return value, reduce(jnp.add, terms)


def _along_kernel(x, kernel, *, depthwise, **params):
    turned = _turn(kernel, depthwise)
    return _fast(x, kernel, turned, depthwise=depthwise, **params)


def _transpose(cotangent, x, kernel, turned, *, back, **params):
    if ad.is_undefined_primal(x):
        pulled = _conv.bind(cotangent, kernel, turned, back=not back, **params)
        return pulled, None, None
    of_kernel = partial(_along_kernel, x, back=back, **params)
    (pulled,) = jax.linear_transpose(of_kernel, kernel.aval)(cotangent)
    return None, pulled, None


def _batch(operands, axes, **params):
    x, kernel, turned = operands
    if axes[1:] == (None, None):
        found = _conv.bind(jnp.moveaxis(x, axes[0], 0), kernel, turned, **params)
    else:
        found = jax.vmap(partial(_fast, **params), axes)(x, kernel, turned)
    return found, 0


_conv.def_impl(_fast)
_conv.def_abstract_eval(_abstract)
ad.primitive_jvps[_conv] = _jvp
ad.primitive_transposes[_conv] = _transpose
batching.primitive_batchers[_conv] = _batch
mlir.register_lowering(_conv, mlir.lower_fun(_plain, multiple_results=False))
mlir.register_lowering(
    _conv, mlir.lower_fun(_fast, multiple_results=False), platform="cpu"
)
