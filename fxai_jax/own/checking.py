"""Whether a model is what the methods expect, said in plain lines."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fxai_jax.array_types import Embedder
from fxai_jax.calling import in_training, missing_seam, uses_last
from fxai_jax.inputs import Pixels, as_image
from fxai_jax.own.adapters import is_argument
from fxai_jax.own.importing import reason
from fxai_jax.runs.compiling import compile_timed

Shape = jax.ShapeDtypeStruct
OR = "or wrap the model in fxai_jax.embedder, which hides its features and head"


class ModelReport(NamedTuple):
    """What was found; printed, a line a finding."""

    name: str
    """Of the model's class or function."""

    image: Shape
    """Shape and type of the image it was looked at with."""

    parameters: str
    """Types of the parameters and how many numbers they are."""

    features: Shape | None = None
    """Of the feature map (i, j, k); None without a seam."""

    embedding: Shape | None = None
    """Of the embedding (d,); None where the model fails."""

    seam: float | None = None
    """Largest entry of ``model(x) - head(features(x))`` by the norm of ``model(x)``;
    None where it was not computed."""

    dropout: str = "it has no head"
    """Why the head has no dropout; empty where it has."""

    argument: bool = True
    """Whether `jax.jit` takes it as an argument."""

    problems: tuple[str, ...] = ()
    """What is wrong, each a sentence that says what to do."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that can explain it."""
        if self.problems:
            return ()
        seamed = () if self.features is None else ("AMVA",)
        random = () if self.dropout else ("PLQ", "SER-FIQ")
        return ("FGGB", "frequency", *seamed, *random)

    def __str__(self) -> str:
        """Returns the findings, a line each."""
        wrap = "yes" if self.argument else "no: wrap it with fxai_jax.embedder"
        lines = {
            "image": _said(self.image),
            "parameters": self.parameters,
            "features": _said(self.features),
            "embedding": _said(self.embedding),
            "seam": "not compared" if self.seam is None else f"{self.seam:.0e} apart",
            "dropout": f"no: {self.dropout}" if self.dropout else "yes",
            "argument of jax.jit": wrap,
            "explained by": ", ".join(self.methods) or "no method",
        }
        width = max(map(len, lines))
        body = [f"  {name:{width}}  {text}" for name, text in lines.items()]
        return "\n".join([self.name, *body, *(f"problem: {p}" for p in self.problems)])


def check_model(model: Embedder, image: Any) -> ModelReport:
    """Looks at a model of one's own: what it gives, and who can explain it.

    Args:
        model: Network from one image to its raw embedding, alone or with `features`
            and `head` (`fxai_jax.array_types.FaceModel`).
        image: One aligned face with shape (h, w, c) in [0, 1]. Of a
            `jax.ShapeDtypeStruct` in its place nothing is computed: what embeddings
            are, and whether both sides of the seam agree, is not looked at.

    Returns:
        The report, which prints as plain lines; its `problems` are empty for a model
        that the commands take.

    Raises:
        ValueError: If the image is none.

    Example:
        >>> report = check_model(lambda image: image.mean((0, 1)), sample_face("a_1"))
        >>> print(report)
        <lambda>
          image                float32 (112, 112, 3)
          parameters           none
          features             none
          embedding            float32 (3,)
          seam                 not compared
          dropout              no: it has no head
          argument of jax.jit  no: wrap it with fxai_jax.embedder
          explained by         FGGB, frequency
    """
    known = None if isinstance(image, Shape) else as_image(image)
    shape = image if known is None else Shape(known.shape, known.dtype)
    facts: dict[str, Any] = {"parameters": _parameters(model)}
    facts["argument"] = is_argument(model)
    problems = _unusable(model)
    if not problems:
        found, problems = _shapes(model, shape)
        facts |= found
    if known is not None and not problems:
        facts["seam"], problems = _values(model, known, "features" in facts)
    name = getattr(model, "__name__", type(model).__name__)
    return ModelReport(name, shape, **facts, problems=tuple(problems))


def _unusable(model: Any) -> list[str]:
    if not callable(model):
        return [f"a {type(model).__name__} is no function of an image; pass a network"]
    if training := in_training(getattr(model, "__self__", model)):
        return [f"the network is in training mode ({training}); call its eval() first"]
    return []


def _shapes(model: Any, image: Shape) -> tuple[dict[str, Any], list[str]]:
    """What is known without computing, and what is wrong with it."""
    embedding = _outline(lambda m, x: m(x), model, image)
    problems = _misfits("model(image)", embedding, "d", "take and return one example")
    if problems or missing_seam(model):
        return {"embedding": None if problems else embedding}, problems
    features = _outline(lambda m, x: m.features(x), model, image)
    problems = _misfits(
        "features(image)", features, "i j k", f"return its last map, {OR}"
    )
    if problems:
        return {"embedding": embedding}, problems
    facts = {"embedding": embedding, "features": features}
    headed = _outline(lambda m, x: m.head(x), model, features)
    problems = _misfits(
        "head(features(image))", headed, "d", f"return the embedding, {OR}"
    )
    if not problems and headed != embedding:
        problems = [
            f"head(features(image)) is {_said(headed)} and model(image) "
            f"{_said(embedding)}; make model(image) return head(features(image)), {OR}"
        ]
    return facts | {"dropout": _no_dropout(model, features)}, problems


def _outline(fun: Callable, model: Any, *args: Shape) -> Any:
    """The shape and type that a function of the model gives, or what it does else."""
    try:
        found = jax.eval_shape(*_closed(fun, model), *args)
    except Exception as error:  # whatever layers say of arrays that do not fit
        return f"fails ({reason(error)})"
    return found if isinstance(found, Shape) else f"gives a {type(found).__name__}"


def _misfits(what: str, found: Any, letters: str, todo: str) -> list[str]:
    axes = letters.split()
    expected = f"expected ({', '.join(axes)}{',' * (len(axes) == 1)}) in floating point"
    if isinstance(found, str):
        return [f"{what} {found}, {expected}; {todo}"]
    if len(found.shape) != len(axes) or not jnp.issubdtype(found.dtype, jnp.floating):
        return [f"{what} is {_said(found)}, {expected}; {todo}"]
    return []


def _no_dropout(model: Any, features: Shape) -> str:
    """Why SER-FIQ cannot use the head; empty where it can."""

    def dropped(model, features, key):
        return model.head(features, dropout_rate=0.5, key=key)

    fun, *given = _closed(dropped, model)
    try:
        used = uses_last(fun, *given, features, jax.random.key(0))
    except Exception as error:  # a head of other arguments, or layers
        return f"it fails with dropout_rate and key ({reason(error)})"
    return "" if used else "it does not use its key"


def _values(model: Any, image: Pixels, seamed: bool) -> tuple[float | None, list[str]]:
    """How far both sides of the seam are apart, and what is wrong with embeddings."""

    def sides(model, image):
        whole = model(image)
        return whole, model.head(model.features(image)) if seamed else whole

    fun, *given = _closed(sides, model)
    compiled, _ = compile_timed(fun, *given, image)
    found = compiled(*given, image)
    whole, parts = (np.asarray(x, np.float64) for x in found)
    other = np.asarray(compiled(*given, 1 - image[:, ::-1])[0], np.float64)
    if not np.isfinite([whole, other]).all():
        return None, ["embeddings have NaN or infinite entries; look at its weights"]
    norm = np.linalg.norm(whole)
    rounding = max(float(jnp.finfo(x.dtype).eps) for x in (image, *found))
    if np.abs(whole - other).max() <= 16 * rounding * norm:
        return None, ["two images have one embedding; look at its weights and input"]
    apart = float(np.abs(whole - parts).max() / norm)
    if apart > rounding**0.5:
        return apart, [
            f"model(image) and head(features(image)) are {apart:.1e} of the norm "
            f"apart; make model(image) return head(features(image)), {OR}"
        ]
    return apart if seamed else None, []


def _closed(fun: Callable, model: Any) -> tuple[Any, ...]:
    """The function and the model, or one that has closed over what is no argument."""
    return (fun, model) if is_argument(model) else (partial(fun, model),)


def _parameters(model: Any) -> str:
    leaves = [leaf for leaf in jax.tree.leaves(model) if hasattr(leaf, "dtype")]
    types = sorted({str(leaf.dtype) for leaf in leaves})
    count = sum(math.prod(leaf.shape) for leaf in leaves)
    return f"{count:,} numbers, {' and '.join(types)}" if leaves else "none"


def _said(array: Shape | None) -> str:
    return "none" if array is None else f"{array.dtype} {tuple(array.shape)}"
