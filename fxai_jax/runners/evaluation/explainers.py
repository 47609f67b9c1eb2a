"""The explainers of pairs by name: the methods and the baselines beside them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from fxai_jax.array_types import FaceModel, Image, PairSaliency, PRNGKey, Saliency
from fxai_jax.methods import fggb
from fxai_jax.methods.baselines import cams, corrrise, fame, gradient, priors, xssab
from fxai_jax.numerics import gaussian_blur
from fxai_jax.runners.faces import model_baseline

Explain = Callable[..., PairSaliency]
"""Function of model, key, probe and gallery, with the option `threshold`."""


class Explainer(NamedTuple):
    """An explainer of pairs, and how its maps are to be ranked."""

    explain: Explain
    """Function of model, key, probe and gallery, with the option `threshold`."""

    title: str
    """Name in tables and figures."""

    signed: bool = True
    """Whether the sign of the map tells similarity from dissimilarity; without one
    pixels are ranked by magnitude."""

    smooth: bool = True
    """Whether the map is blurred before ranking, as the authors of FGGB draw theirs."""

    random: bool = False
    """Whether the map is drawn at random, so that several draws are to be averaged."""


def _without_key(explain: Explain) -> Explain:
    return lambda model, key, *pair, **options: explain(model, *pair, **options)


def _fggb(gradient_form: fggb.GradientForm) -> Explain:
    return _without_key(partial(fggb.explain, gradient=gradient_form, chunk_size=16))


def _score_cam(
    model: FaceModel, key: PRNGKey, probe: Image, gallery: Image, *, threshold: float
) -> PairSaliency:
    options = {"baseline": model_baseline(model), "chunk_size": 32}
    return cams.score_cam(model, probe, gallery, threshold=threshold, **options)


def _corrrise(
    model: FaceModel, key: PRNGKey, probe: Image, gallery: Image, *, threshold: float
) -> PairSaliency:
    # One set of masks for all pairs, as in the method's description.
    masks = jax.random.key(0)
    return corrrise.explain(
        model, masks, probe, gallery, threshold=threshold, chunk_size=50
    )


EXPLAINERS: dict[str, Explainer] = {
    "fggb": Explainer(_fggb("absolute"), "FGGB"),
    "fggb-signed": Explainer(_fggb("signed"), "FGGB, signed", signed=False),
    "fggb-split": Explainer(_fggb("split"), "FGGB, split"),
    "xssab": Explainer(_without_key(xssab.explain), "xSSAB"),
    "corrrise": Explainer(_corrrise, "CorrRISE"),
    "grad-cam": Explainer(_without_key(cams.grad_cam), "Grad-CAM", smooth=False),
    "score-cam": Explainer(_score_cam, "Score-CAM", smooth=False),
    "fame": Explainer(_without_key(fame.explain), "FAME", signed=False, smooth=False),
    "gradient": Explainer(_without_key(gradient.explain), "gradient", signed=False),
    "edges": Explainer(_without_key(priors.edges), "edges", signed=False),
    "centred-gaussian": Explainer(
        _without_key(priors.centred_gaussian),
        "centred Gaussian",
        signed=False,
        smooth=False,
    ),
    "smooth-random": Explainer(
        priors.smooth_random, "smooth random", signed=False, smooth=False, random=True
    ),
    "pixel-random": Explainer(
        priors.pixel_random, "pixel random", signed=False, smooth=False, random=True
    ),
}
"""Every explainer by its name on the command line; the last four look at no network."""

REFERENCES = ("centred-gaussian", "smooth-random", "pixel-random")
"""What an explanation is compared with: they are always evaluated."""


def choose_explainers(names: Sequence[str]) -> dict[str, Explainer]:
    """The explainers that were asked for, and the references.

    Args:
        names: Names; none stands for all.

    Returns:
        Explainers by name, in the order of `EXPLAINERS`.

    Raises:
        ValueError: If there is no explainer of a name.

    Example:
        >>> list(choose_explainers(["xssab"]))
        ['xssab', 'centred-gaussian', 'smooth-random', 'pixel-random']
    """
    unknown = [name for name in names if name not in EXPLAINERS]
    if unknown:
        raise ValueError(
            f"no explainer {unknown[0]!r}; there are {', '.join(EXPLAINERS)}"
        )
    wanted = {*(names or EXPLAINERS), *REFERENCES}
    return {name: entry for name, entry in EXPLAINERS.items() if name in wanted}


def ranking_map(explainer: Explainer, result: PairSaliency, ranking: str) -> Saliency:
    """The map whose highest pixels count first.

    Args:
        explainer: What made the result.
        result: Its maps of one image, each with shape (h, w).
        ranking: "similarity", or "dissimilarity" to begin with what speaks against the
            match; the same for maps without a sign.

    Returns:
        Map with shape (h, w), of any sign.

    Example:
        >>> maps = PairSaliency(*jnp.ones((3, 2, 2)), jnp.array(0.5))
        >>> grad_cam = EXPLAINERS["grad-cam"]
        >>> float(ranking_map(grad_cam, maps, "dissimilarity")[0, 0])
        -1.0
    """
    map_ = result.signed if explainer.signed else jnp.abs(result.signed)
    map_ = gaussian_blur(map_) if explainer.smooth else map_
    against = explainer.signed and ranking == "dissimilarity"
    return -map_ if against else map_
