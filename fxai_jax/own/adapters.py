"""Callables of any kind as pytrees, which `jax.jit` takes as arguments.

Arrays become leaves, wherever they are held: in a pytree such as a module of
`flax.nnx` or equinox, in the object of a bound method, in what `functools.partial`
binds. All else is static and compared by value, so that equal callables share one
compiled program.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
from jax.tree_util import Partial

from fxai_jax.array_types import Embedder, Embedding, FaceModel, FeatureMap, Image
from fxai_jax.calling import in_training, missing_seam

_HERE = object()
"""Stands among the static leaves where an array was."""


@jax.tree_util.register_pytree_node_class
class BoundFunction:
    """A callable whose arrays are leaves and whose other leaves are static."""

    def __init__(self, arrays: Any, static: tuple[Any, ...]):
        """Stores the leaves; `static` has the structure, then one entry a leaf."""
        self.arrays = arrays
        self.static = static

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Calls what was captured."""
        structure, *leaves = self.static
        arrays = iter(self.arrays)
        whole = [next(arrays) if leaf is _HERE else leaf for leaf in leaves]
        return structure.unflatten(whole)(*args, **options)

    def tree_flatten(self) -> tuple[Any, tuple[Any, ...]]:
        """Returns the arrays and what is static."""
        return self.arrays, self.static

    @classmethod
    def tree_unflatten(cls, static: tuple[Any, ...], arrays: Any) -> "BoundFunction":
        """Returns the callable with other arrays."""
        return cls(arrays, static)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Seamed:
    """A face model of two callables."""

    trunk: BoundFunction
    top: BoundFunction

    def __call__(self, image: Image) -> Embedding:
        """Returns the raw embedding of one image."""
        return self.head(self.features(image))

    def features(self, image: Image) -> FeatureMap:
        """Returns the feature map of one image."""
        return self.trunk(image)

    def head(self, features: FeatureMap, **dropout: Any) -> Embedding:
        """Returns the embedding; `dropout_rate` and `key` are passed on if given."""
        return self.top(features, **dropout)


def embedder(apply: Callable[..., Embedding], *parameters: Any) -> Embedder:
    """A network as a pytree that `jax.jit` takes as an argument.

    A plain function, a lambda, a `functools.partial` or the bound module of
    `flax.linen` is no such argument: jit raises a TypeError "at path embed". Closing
    over the network instead makes its weights constants of the compiled program.

    Args:
        apply: Function of the parameters and then one image with shape (h, w, c),
            returning the raw embedding with shape (d,). A callable pytree, such as a
            module of equinox, needs no parameters. For a network of batches write
            ``lambda variables, image: module.apply(variables, image[None])[0]``, once:
            two lambdas are never equal, and each is compiled.
        parameters: What `apply` takes before the image: pytrees of arrays.

    Returns:
        The embedder. Its leaves are the arrays of `parameters` and of `apply`.

    Raises:
        ValueError: If `apply` is not callable, in training mode, or holds what jit
            cannot compare.

    Example:
        >>> from flax import linen
        >>> class Network(linen.Module):
        ...     @linen.compact
        ...     def __call__(self, image):
        ...         return linen.Dense(4)(image.reshape(-1))
        >>> module, image = Network(), jnp.zeros((8, 8, 3))
        >>> variables = module.init(jax.random.key(0), image)
        >>> embed = embedder(module.apply, variables)  # not module.bind(variables)
        >>> jax.jit(lambda embed, image: embed(image))(embed, image).shape
        (4,)
    """
    return _captured(apply, parameters)


def face_model(
    features: Callable[[Image], FeatureMap], head: Callable[..., Embedding]
) -> FaceModel:
    """A face model of two callables, a pytree that `jax.jit` takes as an argument.

    Args:
        features: Function of one image with shape (h, w, c), returning the last
            spatial map with shape (i, j, k).
        head: Function of that map, returning the raw embedding with shape (d,). For
            PLQ, SER-FIQ and AMVA's qualities it takes ``dropout_rate`` and ``key``
            too (`fxai_jax.array_types.FaceModel`). Weights come with either callable as
            in `embedder`; those that both hold are leaves twice.

    Returns:
        The model, ``model(x) == head(features(x))``.

    Raises:
        ValueError: If one is not callable, in training mode, or holds what jit cannot
            compare.

    Example:
        >>> from functools import partial
        >>> kernel = jnp.ones((3, 4))
        >>> model = face_model(
        ...     lambda image: image[::8, ::8],
        ...     partial(lambda kernel, features: features[0, 0] @ kernel, kernel),
        ... )
        >>> model(jnp.ones((32, 32, 3))).tolist()
        [3.0, 3.0, 3.0, 3.0]
    """
    return Seamed(_captured(features), _captured(head))


def is_argument(model: Any) -> bool:
    """Whether jit takes it as an argument: all its leaves are arrays."""
    return all(map(_is_array, jax.tree.leaves(model)))


def as_argument(model: Any) -> Any:
    """The model as an argument of jit: itself where all its leaves are arrays."""
    if is_argument(model):
        return model
    if not missing_seam(model):
        return face_model(model.features, model.head)
    return embedder(model)


def _captured(fun: Callable, parameters: tuple[Any, ...] = ()) -> BoundFunction:
    if not callable(fun):
        raise ValueError(
            f"expected a function of an image, got {type(fun).__name__}; pass a "
            "callable, and its parameters after it"
        )
    bound = _bound(fun)
    bound = Partial(bound.func, *bound.args, *parameters, **bound.keywords)
    if training := in_training([*bound.args, *bound.keywords.values()]):
        raise ValueError(
            f"the network is in training mode ({training}); call its eval() first"
        )
    leaves, structure = jax.tree.flatten(bound)
    static = [_HERE if _is_array(leaf) else leaf for leaf in leaves]
    captured = BoundFunction([x for x in leaves if _is_array(x)], (structure, *static))
    _check_comparable(fun, captured.static)
    return captured


def _bound(fun: Callable) -> Partial:
    """What a callable binds, as arguments of a function that binds nothing."""
    if isinstance(fun, functools.partial):
        inner = _bound(fun.func)
        keywords = {**inner.keywords, **fun.keywords}
        return Partial(inner.func, *inner.args, *fun.args, **keywords)
    if inspect.ismethod(fun):
        return Partial(fun.__func__, fun.__self__)
    if getattr(fun, "scope", None) is not None and hasattr(fun, "unbind"):
        module, variables = fun.unbind()  # of flax.linen
        return Partial(type(module).apply, module, variables)
    if jax.tree_util.all_leaves([fun]):
        return Partial(fun)
    return Partial(_call, fun)


def _call(fun: Callable, *args: Any, **options: Any) -> Any:
    return fun(*args, **options)


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _check_comparable(fun: Callable, static: tuple[Any, ...]) -> None:
    try:
        hash(static)
    except TypeError as error:
        name = getattr(fun, "__name__", type(fun).__name__)
        raise ValueError(
            f"jit cannot compare what {name} holds beside arrays ({error}); hold "
            "tuples, or pass the arrays as parameters"
        ) from error
