"""The maps of pixel quality by name: PLQ and the baselines beside it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp

from fxai_jax.array_types import FaceModel, Image, PRNGKey, Saliency
from fxai_jax.methods.baselines import priors
from fxai_jax.methods.plq import Regression, quality_gradient
from fxai_jax.numerics import gaussian_blur
from fxai_jax.runners.evaluation.explainers import REFERENCES


class PixelMap(NamedTuple):
    """Something that gives each pixel of one face a quality."""

    quality: Callable[[FaceModel, PRNGKey, Image], Saliency]
    """Function of model, key and image; higher is better, on any scale."""

    title: str
    """Name in tables and figures."""

    random: bool = False
    """Whether the map is drawn at random, so that several draws are to be averaged."""


def _gradient(regression: Regression) -> Callable[..., Saliency]:
    def quality(model: FaceModel, key: PRNGKey, image: Image) -> Saliency:
        # The quality of a pixel rises with its gradient, whatever the constants are.
        options = {"regression": regression}
        gradient = quality_gradient(model, image, jnp.float32(1), **options)
        return gaussian_blur(jnp.mean(jnp.abs(gradient), axis=-1))

    return quality


def _prior(explain: Callable, *, random: bool) -> Callable[..., Saliency]:
    def quality(model: FaceModel, key: PRNGKey, image: Image) -> Saliency:
        # Of an accepted pair; the priors ask the network for nothing else.
        keys = (key,) if random else ()
        embed = partial(jnp.mean, axis=(0, 1))
        return explain(embed, *keys, image, image, threshold=-1.0).similarity

    return quality


MAPS: dict[str, PixelMap] = {
    "plq": PixelMap(_gradient("uniform"), "PLQ"),
    "plq-minimum-norm": PixelMap(_gradient("minimum_norm"), "PLQ, minimum norm"),
    "centred-gaussian": PixelMap(
        _prior(priors.centred_gaussian, random=False), "centred Gaussian"
    ),
    "smooth-random": PixelMap(
        _prior(priors.smooth_random, random=True), "smooth random", random=True
    ),
    "pixel-random": PixelMap(
        _prior(priors.pixel_random, random=True), "pixel random", random=True
    ),
}
"""Every map by its name on the command line. The maps of PLQ are the magnitude of its
gradient, blurred as the maps of pairs are; the order of the magnitudes is that of the
qualities, and needs no calibrated network. The others know no network."""


def choose_maps(names: Sequence[str]) -> dict[str, PixelMap]:
    """The maps that were asked for, and those they are compared with.

    Args:
        names: Names; none stands for all.

    Returns:
        Maps by name, in the order of `MAPS`.

    Raises:
        ValueError: If there is no map of a name.

    Example:
        >>> list(choose_maps(["plq"]))
        ['plq', 'centred-gaussian', 'smooth-random', 'pixel-random']
    """
    unknown = [name for name in names if name not in MAPS]
    if unknown:
        raise ValueError(f"no map {unknown[0]!r}; there are {', '.join(MAPS)}")
    wanted = {*(names or MAPS), *REFERENCES}
    return {name: entry for name, entry in MAPS.items() if name in wanted}
