"""What is evaluated, by its name on the command line: explainers and maps of pixels.

A new explainer of pairs has FGGB's signature and result; a line here puts it into every
evaluation.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from fxai_jax.array_types import (
    Embedder,
    FaceModel,
    Image,
    PairSaliency,
    PRNGKey,
    Saliency,
    Score,
)
from fxai_jax.data.pairs import Pairs
from fxai_jax.evaluation.checks import check_names
from fxai_jax.explain.amva import model_baseline
from fxai_jax.filters import gaussian_blur
from fxai_jax.methods import fggb, plq
from fxai_jax.methods.baselines import cams, corrrise, fame, gradient, priors, xssab
from fxai_jax.runs.running import Function, Task
from fxai_jax.runs.tasks import over_pairs

Explain = Callable[..., PairSaliency]


class Explainer(NamedTuple):
    """An explainer of pairs, and how its maps are to be ranked."""

    title: str
    """Name in tables and figures."""

    explain: Explain
    """Function of model, key, probe and gallery, with the option `threshold`."""

    sign_is_importance: bool = True
    """Whether the sign of the map tells similarity from dissimilarity; otherwise pixels
    are ranked by magnitude."""

    smooth: bool = True
    """Whether the map is blurred before ranking, as the authors of FGGB draw theirs."""

    random: bool = False
    """Whether the map is drawn at random, so that several draws are to be averaged."""


class PixelMap(NamedTuple):
    """Something that gives each pixel of one face a quality."""

    title: str
    """Name in tables and figures."""

    quality: Callable[[FaceModel, PRNGKey, Image], Saliency]
    """Function of model, key and image; higher is better, on any scale."""

    random: bool = False
    """Whether the map is drawn at random, so that several draws are to be averaged."""


class Prior(NamedTuple):
    """A map that asks the network for nothing."""

    title: str
    draw: priors.Prior
    smooth: bool = False
    random: bool = False


PRIORS = {
    "edges": Prior("edges", priors.edges, smooth=True),
    "centred-gaussian": Prior("centred Gaussian", priors.centred_gaussian),
    "smooth-random": Prior("smooth random", priors.smooth_random, random=True),
    "pixel-random": Prior("pixel random", priors.pixel_random, random=True),
}

REFERENCES = ("centred-gaussian", "smooth-random", "pixel-random")
"""What everything is compared with: always evaluated."""


def _without_key(explain: Explain) -> Explain:
    return lambda model, key, *pair, **options: explain(model, *pair, **options)


def _fggb(form: fggb.GradientForm) -> Explain:
    return _without_key(partial(fggb.explain, gradient=form, chunk_size=16))


def _score_cam(
    model: FaceModel, key: PRNGKey, probe: Image, gallery: Image, *, threshold: Score
) -> PairSaliency:
    options = {"baseline": model_baseline(model), "chunk_size": 32}
    return cams.score_cam(model, probe, gallery, threshold=threshold, **options)


def _corrrise(
    model: Embedder, key: PRNGKey, probe: Image, gallery: Image, *, threshold: Score
) -> PairSaliency:
    # One set of masks for all pairs, as in the method's description.
    options = {"threshold": threshold, "chunk_size": 50}
    return corrrise.explain(model, jax.random.key(0), probe, gallery, **options)


def _magnitude(regression: plq.Regression) -> Callable[..., Saliency]:
    def quality(model: FaceModel, key: PRNGKey, image: Image) -> Saliency:
        # The quality of a pixel rises with its gradient, whatever the constants are.
        options = {"regression": regression}
        slope = plq.quality_gradient(model, image, jnp.float32(1), **options)
        return gaussian_blur(jnp.mean(jnp.abs(slope), axis=-1))

    return quality


def _as_explainer(prior: Prior) -> Explainer:
    explain = partial(priors.explain, prior.draw)
    return Explainer(prior.title, explain, False, prior.smooth, prior.random)


def _as_pixel_map(prior: Prior) -> PixelMap:
    draw = prior.draw
    return PixelMap(
        prior.title, lambda model, key, image: draw(key, image), prior.random
    )


EXPLAINERS: dict[str, Explainer] = {
    "fggb": Explainer("FGGB", _fggb("absolute")),
    "fggb-signed": Explainer("FGGB, signed", _fggb("signed"), sign_is_importance=False),
    "fggb-split": Explainer("FGGB, split", _fggb("split")),
    "xssab": Explainer("xSSAB", _without_key(xssab.explain)),
    "corrrise": Explainer("CorrRISE", _corrrise),
    "grad-cam": Explainer("Grad-CAM", _without_key(cams.grad_cam), smooth=False),
    "score-cam": Explainer("Score-CAM", _score_cam, smooth=False),
    "fame": Explainer(
        "FAME", _without_key(fame.explain), sign_is_importance=False, smooth=False
    ),
    "gradient": Explainer(
        "gradient", _without_key(gradient.explain), sign_is_importance=False
    ),
    **{name: _as_explainer(prior) for name, prior in PRIORS.items()},
}
"""Every explainer of pairs; the last four look at no network."""

PIXEL_MAPS: dict[str, PixelMap] = {
    "plq": PixelMap("PLQ", _magnitude("uniform")),
    "plq-minimum-norm": PixelMap("PLQ, minimum norm", _magnitude("minimum_norm")),
    **{name: _as_pixel_map(PRIORS[name]) for name in REFERENCES},
}
"""Every map of pixel quality. Those of PLQ are the magnitude of its gradient, blurred
as the maps of pairs are: its order is that of the qualities, and needs no calibrated
network."""

Entry = TypeVar("Entry", Explainer, PixelMap)


def choose(
    table: Mapping[str, Entry],
    names: Sequence[str],
    *,
    always: Sequence[str] = REFERENCES,
) -> dict[str, Entry]:
    """The entries that were asked for, and those that always are; no names ask for all.

    Example:
        >>> list(choose(PIXEL_MAPS, ["plq"]))
        ['plq', 'centred-gaussian', 'smooth-random', 'pixel-random']
    """
    what = "explainer" if table is EXPLAINERS else "map"
    check_names(f"{what}s", names)
    unknown = [name for name in names if name not in table]
    if unknown:
        raise ValueError(f"no {what} {unknown[0]!r}; there are {', '.join(table)}")
    wanted = {*(names or table), *always}
    return {name: entry for name, entry in table.items() if name in wanted}


def tasks_of(
    entries: Mapping[str, Entry],
    measure: Function,
    shared: Any,
    pairs: Pairs,
    static: Mapping[str, Hashable],
    threshold: float | None = None,
) -> list[Task]:
    """A task for each entry, under its name: `measure` of the pairs with this entry.

    The values depend on `static` and on the threshold, if any.
    """
    # The last bits of a threshold that is found on the list vary with the batch size.
    noted = {} if threshold is None else {"threshold": round(threshold, 5)}
    return [
        over_pairs(
            entry.title,
            measure,
            shared,
            pairs,
            static={"entry": entry, **static},
            depends={**static, **noted},
            file=name,
        )
        for name, entry in entries.items()
    ]


def ranking_map(explainer: Explainer, result: PairSaliency, ranking: str) -> Saliency:
    """The map whose highest pixels count first.

    Under the ranking "dissimilarity" those are the pixels that speak against the match;
    the same as under "similarity" for maps without a sign. Under "positive" the pixels
    that do not speak for the match are tied, but for the blur, as in finished maps.

    Example:
        >>> maps = PairSaliency(*jnp.ones((3, 2, 2)), jnp.array(0.5))
        >>> float(ranking_map(EXPLAINERS["grad-cam"], maps, "dissimilarity")[0, 0])
        -1.0
    """
    map_ = result.signed if explainer.sign_is_importance else jnp.abs(result.signed)
    map_ = jnp.maximum(map_, 0) if ranking == "positive" else map_
    map_ = gaussian_blur(map_) if explainer.smooth else map_
    against = explainer.sign_is_importance and ranking == "dissimilarity"
    return -map_ if against else map_
