"""How activation maps vary over a set of faces, and where one face departs from it."""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fxai_jax.array_types import Saliency, Score, result
from fxai_jax.chunking import chunked_map
from fxai_jax.filters import resize_bilinear
from fxai_jax.inputs import as_float, as_map, check_finite
from fxai_jax.numerics import is_constant, lower_median

Spread = Literal["release", "mad"]


@result
class Variation(NamedTuple):
    """Statistics of a set of activation maps, pixel by pixel, each (h, w)."""

    mean: Saliency
    """In [0, 1]."""

    std: Saliency
    """Unbiased standard deviation, in [0, 0.71]."""

    median: Saliency
    """Lower median, in [0, 1]."""

    spread: Saliency
    """Robust variation, in [0, 1]; see `variation`."""


@result
class Difference(NamedTuple):
    """Where two groups of faces vary differently, each (h, w) in [0, 1]."""

    std: Saliency
    """``|std_high - std_low|`` over its maximum."""

    spread: Saliency
    """``|spread_high - spread_low|`` over its maximum."""


def variation(maps: Float[Array, "n h w"], *, spread: Spread = "release") -> Variation:
    """Statistics of a set of maps that fits into memory.

    Args:
        maps: Activation maps with shape (n, h, w) in [0, 1], n at least 2.
        spread: "release" is the unbiased standard deviation of ``(X - median)²``,
            which the authors' script calls MAD; "mad" is the lower median of
            ``|X - median|``.

    Returns:
        Mean, unbiased std, lower median and spread.

    Raises:
        ValueError: If there are fewer than 2 maps, one is not finite, or the spread is
            unknown.

    Example:
        >>> maps = jnp.array([0.0, 0.5, 1.0])[:, None, None] * jnp.ones((1, 2, 2))
        >>> float(variation(maps).std[0, 0])
        0.5
    """
    maps = _as_set(maps, "maps", spread)
    return Variation(*_statistics(maps, spread))


def variation_from_activations(
    activations: Float[Array, "n i j"],
    size: tuple[int, int],
    *,
    spread: Spread = "release",
    rows: int | None = None,
) -> Variation:
    """Statistics of a set of maps of any size, from the activations alone.

    Equals `variation` of the `activation_map` of each. The range of each map is found
    first; then `rows` rows of all n maps are upsampled and reduced at a time.

    Args:
        activations: Activations with shape (n, i, j), n at least 2.
        size: Height and width of the maps in pixels.
        spread: "release" or "mad", as in `variation`.
        rows: Rows alive together; None takes all. 100,000 maps of 112 pixels width
            need 45 MB a row, a few times over.

    Returns:
        Mean, unbiased std, lower median and spread.

    Raises:
        ValueError: If there are fewer than 2 activations, one is not finite, or the
            spread is unknown.

    Example:
        >>> activations = jnp.stack([jnp.eye(7), 1 - jnp.eye(7)])
        >>> variation_from_activations(activations, (112, 112), rows=8).mean.shape
        (112, 112)
    """
    activations = _as_set(activations, "activations", spread)
    # Bilinear interpolation is linear and separable: a map is V A Hᵀ. The columns of V
    # and H are what upsampling makes of the unit vectors, so they agree with
    # `resize_bilinear` by construction, and a row of all maps costs two products
    # instead of n whole maps.
    vertical, horizontal = (
        resize_bilinear(jnp.eye(grid, dtype=activations.dtype), (pixels, grid))
        for grid, pixels in zip(activations.shape[1:], size, strict=True)
    )

    exact = partial(jnp.einsum, precision=lax.Precision.HIGHEST)

    def strip(weights: Float[Array, " i"]) -> Float[Array, "n w"]:
        line = exact("nij,i->nj", activations, weights)
        return jnp.maximum(exact("nj,wj->nw", line, horizontal), 0)

    def extremes(weights: Float[Array, " i"]):
        values = strip(weights)
        return jnp.min(values, axis=1), jnp.max(values, axis=1)

    lows, highs = chunked_map(extremes, vertical, chunk_size=rows)
    low, high = jnp.min(lows, axis=0), jnp.max(highs, axis=0)
    # Min-max takes the range of the whole map, hence the pass over all rows before.
    # A map is flat if its grid is or what is positive of it, as in `activation_map`.
    flat = jax.vmap(is_constant)(activations) | (high - low <= 1e-6 * high)
    scale = jnp.where(flat, 0, 1 / jnp.where(flat, 1, high - low))

    def one_row(weights: Float[Array, " i"]):
        values = (strip(weights) - low[:, None]) * scale[:, None]
        return _statistics(values, spread)

    return Variation(*chunked_map(one_row, vertical, chunk_size=rows))


def difference(high: Variation, low: Variation) -> Difference:
    """Where the maps of two groups vary differently.

    Args:
        high: Statistics of the group of high quality.
        low: Statistics of the group of low quality.

    Returns:
        ``|std_high - std_low|`` and ``|spread_high - spread_low|``, each over its
        maximum; 0 everywhere for equal groups.

    Example:
        >>> a = Variation(*jnp.zeros((4, 2, 2)))
        >>> b = Variation(*jnp.eye(2)[None].repeat(4, axis=0))
        >>> difference(a, b).std.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return Difference(
        _over_maximum(jnp.abs(high.std - low.std)),
        _over_maximum(jnp.abs(high.spread - low.spread)),
    )


def deviation(attention: Saliency, reference: Saliency) -> Saliency:
    """Where one face's map departs from the mean map of good faces.

    Args:
        attention: Activation map with shape (h, w) in [0, 1].
        reference: Mean map of the high-quality group with shape (h, w) in [0, 1].

    Returns:
        ``|reference - attention|`` over its maximum, in [0, 1]: to draw. To compare
        faces, take `mean_deviation`.

    Example:
        >>> deviation(jnp.eye(2), jnp.full((2, 2), 0.75)).tolist()
        [[0.3333333432674408, 1.0], [1.0, 0.3333333432674408]]
    """
    return _over_maximum(_apart(attention, reference))


def mean_deviation(attention: Saliency, reference: Saliency) -> Score:
    """How far one face's map departs from the mean map of good faces.

    Args:
        attention: Activation map with shape (h, w) in [0, 1].
        reference: Mean map of the high-quality group with shape (h, w) in [0, 1].

    Returns:
        Mean of ``|reference - attention|`` in [0, 1], without the division by the
        maximum that makes `deviation` incomparable between faces.

    Example:
        >>> float(mean_deviation(jnp.eye(2), jnp.ones((2, 2))))
        0.5
    """
    return jnp.mean(_apart(attention, reference))


def _apart(attention: Saliency, reference: Saliency) -> Saliency:
    map_ = as_map(attention)
    return jnp.abs(as_map(reference, "the reference", size=map_.shape) - map_)


def _as_set(
    maps: Float[Array, "n h w"], what: str, spread: str
) -> Float[Array, "n h w"]:
    if spread not in _SPREADS:
        raise ValueError(f"spread must be one of {sorted(_SPREADS)}, got {spread!r}")
    maps = as_float(maps, what)
    if maps.ndim != 3 or maps.shape[0] < 2:
        raise ValueError(
            f"the variation of maps needs at least 2 of them, (n, h, w), got the shape "
            f"{maps.shape}"
        )
    check_finite(maps, what)
    return maps


def _over_maximum(x: Saliency) -> Saliency:
    # Maps in [0, 1] that differ by less than 1e-6 differ by rounding alone.
    maximum = jnp.max(x)
    return jnp.where(maximum > 1e-6, x / jnp.where(maximum > 0, maximum, 1), 0)


def _statistics(x: Float[Array, "n *shape"], spread: Spread) -> tuple:
    mean = jnp.mean(x, axis=0, keepdims=True)
    mean = mean + jnp.mean(x - mean, axis=0, keepdims=True)  # repairs long float32 sums
    std = jnp.sqrt(jnp.sum(jnp.square(x - mean), axis=0) / (x.shape[0] - 1))
    median = lower_median(x)
    return mean[0], std, median, _SPREADS[spread](x - median[None])


_SPREADS = {
    "release": lambda centred: jnp.std(jnp.square(centred), axis=0, ddof=1),
    "mad": lambda centred: lower_median(jnp.abs(centred)),
}
