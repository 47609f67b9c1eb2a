"""Cosines of a pair as the pixels that a map marks are deleted or inserted."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import Embedder, Image, Perturb, PRNGKey, Saliency
from fxai_jax.evaluation.registry import REFERENCES, Explainer, PixelMap
from fxai_jax.evaluation.report import Line
from fxai_jax.metrics.faithfulness import Fill, cosine_curve, filling, transition
from fxai_jax.metrics.resampling import Interval
from fxai_jax.numerics import pixel_ranks

Mode = Literal["deletion", "insertion"]
Curves = dict[str, Float[np.ndarray, "n r s"]]
"""Cosines by the name of the curve, for n pairs, r draws and s steps."""

MARGINS = {
    "over centred Gaussian": "centred-gaussian",
    "over smooth random": "smooth-random",
    "over pixel random": "pixel-random",
}
"""Columns of a table by the reference that a margin is over."""

MODES: tuple[Mode, ...] = get_args(Mode)
FILLS: tuple[Fill, ...] = get_args(Fill)


class Curve(NamedTuple):
    """One way to take an image apart along a map of it."""

    first: Literal["highest", "lowest"]
    """Which pixels of the map turn first."""

    mode: Mode
    fill: Fill

    @property
    def name(self) -> str:
        """Such as "highest deleted, black"."""
        return f"{self.first} {self.verb}, {self.fill}"

    @property
    def verb(self) -> str:
        """What is done with the pixels: "deleted" or "inserted"."""
        return "deleted" if self.mode == "deletion" else "inserted"

    @property
    def harms(self) -> bool:
        """Whether a true map makes the match go early, rather than last."""
        return (self.first == "highest") == (self.mode == "deletion")


def both_modes(fills: Sequence[Fill]) -> tuple[Curve, ...]:
    """Deletion and insertion of the highest pixels first, under every filling."""
    return tuple(Curve("highest", mode, fill) for mode in MODES for fill in fills)


class Preset(NamedTuple):
    """Which pairs are perturbed, and how."""

    pairs: Literal["all", "genuine", "rejected"]
    """All pairs, the genuine ones, or those whose clean cosine is below the
    threshold."""

    ranking: Literal["similarity", "positive", "dissimilarity", "quality"]
    """What the map is highest for: pixels that speak for the match, the same with all
    others clamped to 0, against it, or pixels of good quality."""

    curves: tuple[Curve, ...]
    perturb: Perturb = "probe"
    """The probe alone, with its map, or both images, each with its own."""

    steps: int = 10
    """Equal steps from none to all of the pixels."""

    ties: Literal["drawn", "together"] = "drawn"
    """Whether tied pixels turn in a random order, or at once when the percentile of
    the map falls below them, and those at the minimum never."""


PRESETS: dict[str, Preset] = {
    "genuine": Preset("genuine", "similarity", both_modes(FILLS)),
    "rejected": Preset("rejected", "dissimilarity", both_modes(FILLS)),
    "fame": Preset("all", "positive", both_modes(("black",)), ties="together"),
    "quality": Preset(
        "genuine",
        "quality",
        (
            Curve("lowest", "deletion", "black"),
            Curve("highest", "deletion", "black"),
            Curve("highest", "insertion", "blur"),
        ),
    ),
}
"""Presets by name.

"fame" is the protocol of FAME: the accuracy of all pairs at the equal-error threshold
of the clean ones, while the pixels above a percentile of the clamped map turn (see
`percentile_ranks`). Its script draws CorrRISE without the blur, and FAME's map of a
rejected pair for the match; this preset draws both as elsewhere. "quality" is DEC, from
both ends, and IEC of pixel qualities. The others are our own: "genuine" asks where the
cosine of genuine pairs comes from; "rejected" removes what speaks against the match,
and the cosine should rise.
"""

MapOf = Callable[[PRNGKey, Image, Image], Saliency]
"""The map of an image, given the other of its pair."""


def perturbed_cosines(
    model: Embedder,
    key: PRNGKey,
    probe: Image,
    gallery: Image,
    *,
    map_of: MapOf,
    preset: Preset,
    chunk_size: int | None = 11,
) -> dict[str, Float[Array, " s"]]:
    """The curves of one pair under one map, by their names, with s = steps + 1."""
    if preset.perturb not in get_args(Perturb):
        raise ValueError(f"perturb must be 'probe' or 'both', got {preset.perturb!r}")
    keys = jax.random.split(key, 4)
    both = preset.perturb == "both"
    turn = partial(transition, model, steps=preset.steps, chunk_size=chunk_size)
    ranks = _ranks(keys[1], map_of(keys[0], probe, gallery), preset)
    other_ranks = (
        _ranks(keys[3], map_of(keys[2], gallery, probe), preset) if both else ranks
    )
    reference = model(gallery)

    def cosines(sweeps: tuple[Sweep, Sweep]) -> Float[Array, " s"]:
        moved, other = sweeps
        return cosine_curve(turn(*moved), turn(*other) if both else reference)

    # One sweep over all curves, so that the network is compiled once.
    sweeps = [
        (_sweep(curve, ranks, probe), _sweep(curve, other_ranks, gallery))
        for curve in preset.curves
    ]
    stacked = jax.tree.map(lambda *each: jnp.stack(each), *sweeps)
    names = [curve.name for curve in preset.curves]
    return dict(zip(names, lax.map(cosines, stacked), strict=True))


def percentile_ranks(saliency: Saliency, *, steps: int) -> Int[Array, "h w"]:
    """Ranks by which the pixels above a falling percentile turn at every step.

    At step k those above the ``100 (1 - k / steps)`` percentile of the map, which is
    interpolated: tied pixels turn together, and the smallest never do.

    Example:
        >>> percentile_ranks(jnp.array([[4.0, 0.0], [2.0, 0.0]]), steps=2).tolist()
        [[0, 4], [0, 4]]

    References:
        Zhang, Günther: FAME, arXiv 2605.12017, as their script draws the masks:
        github.com/AIML-IfI/fame (13fd675), fame/metrics/classification.py,
        `top_percent_mask`, called by scripts/eval_verification.py.
    """
    size, order = saliency.size, np.arange(steps + 1)
    # A pixel is above an interpolated percentile if it is above the value below it.
    places = (size - 1) * (steps - order) // steps
    percentiles = jnp.sort(saliency.ravel())[places]
    turned_at = jnp.sum(saliency[..., None] <= percentiles[None, None], axis=-1)
    return jnp.asarray(order * size // steps, jnp.int32)[turned_at - 1]


def _ranks(key: PRNGKey, saliency: Saliency, preset: Preset) -> Int[Array, "h w"]:
    if preset.ties == "together":
        return percentile_ranks(saliency, steps=preset.steps)
    return pixel_ranks(key, saliency)


def drawn(
    fun: Callable[[PRNGKey], dict[str, Float[Array, "*s"]]],
    key: PRNGKey,
    entry: Explainer | PixelMap,
    draws: int,
) -> dict[str, Float[Array, "r *s"]]:
    """Several draws of what is random, one of anything else."""
    return lax.map(fun, jax.random.split(key, draws if entry.random else 1))


Sweep = tuple[Int[Array, "h w"], Image, Image]


def _sweep(curve: Curve, ranks: Int[Array, "h w"], image: Image) -> Sweep:
    turned = ranks if curve.first == "highest" else ranks.size - 1 - ranks
    filled = filling(image, fill=curve.fill)
    if curve.mode == "deletion":
        return turned, jnp.asarray(image), filled
    return turned, filled, jnp.asarray(image)


def share_lines(
    curves: Mapping[str, Float[np.ndarray, " s"]],
    titles: Mapping[str, str],
    steps: int,
    bands: Mapping[str, Interval] = MappingProxyType({}),
) -> dict[str, Line]:
    """Curves over the share of the pixels, by the titles of what made them."""
    return {
        titles[name]: Line(
            100 * np.arange(curve.size) / steps,
            curve,
            bands.get(name),
            reference=name in REFERENCES,
        )
        for name, curve in curves.items()
    }
