"""Cosines of a pair as the pixels that a map marks are deleted or inserted."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from fxai_jax.array_types import FaceModel, Image, Perturb, PRNGKey, Saliency
from fxai_jax.evaluation.registry import REFERENCES, Explainer, PixelMap
from fxai_jax.evaluation.report import Line
from fxai_jax.metrics.faithfulness import Fill, cosine_curve, filling, transition
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

    ranking: Literal["similarity", "dissimilarity", "quality"]
    """What the map is highest for: pixels that speak for the match, against it, or
    pixels of good quality."""

    curves: tuple[Curve, ...]
    perturb: Perturb = "probe"
    """The probe alone, with its map, or both images, each with its own."""

    steps: int = 10
    """Equal steps from none to all of the pixels."""


PRESETS: dict[str, Preset] = {
    "genuine": Preset("genuine", "similarity", both_modes(FILLS)),
    "rejected": Preset("rejected", "dissimilarity", both_modes(FILLS)),
    "fame": Preset("all", "similarity", both_modes(("black",))),
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
of the clean ones. It orders the pixels by the clamped map; the signed map orders them
alike where that is positive, and the rest too. "quality" is DEC, from both ends, and
IEC of pixel qualities. The others are our own: "genuine" asks where the cosine of
genuine pairs comes from; "rejected" removes what speaks against the match, and the
cosine should rise.
"""

MapOf = Callable[[PRNGKey, Image, Image], Saliency]
"""The map of an image, given the other of its pair."""


def perturbed_cosines(
    model: FaceModel,
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
    ranks = pixel_ranks(keys[1], map_of(keys[0], probe, gallery))
    other_ranks = (
        pixel_ranks(keys[3], map_of(keys[2], gallery, probe)) if both else ranks
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
) -> dict[str, Line]:
    """Curves over the share of the pixels, by the titles of what made them."""
    return {
        titles[name]: Line(
            100 * np.arange(curve.size) / steps, curve, reference=name in REFERENCES
        )
        for name, curve in curves.items()
    }
