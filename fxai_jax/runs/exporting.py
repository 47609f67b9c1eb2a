"""Explanations as files: compiled once for other machines, by `jax.export`."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import export as jax_export

PLATFORMS = {"cpu", "cuda", "rocm", "tpu"}
"""What a program can be lowered for."""

PER_EXAMPLE = ("key", "image", "probe", "gallery")
"""Arguments that every example of a batch has its own of."""


def export(
    method: Callable[..., Any],
    model: Any,
    *,
    batch: str | int | None = "n",
    size: tuple[int, int] = (112, 112),
    platforms: Sequence[str] = ("cpu", "cuda", "tpu"),
    **options: Any,
) -> jax_export.Exported:
    """Lowers an explanation for other machines and other batches.

    ``serialize()`` writes the program as bytes, `jax.export.deserialize` reads them
    where JAX runs, ``call(...)`` computes. Its arguments are the leaves of the model,
    ``jax.tree.leaves(model)``, then the method's key and images, and at last the
    threshold if `options` do not name one. Import the method before deserialising: the
    result is one of its named tuples.

    Args:
        method: A method or a baseline, such as ``fx.fggb.explain``.
        model: Network, or any pytree of arrays that the method calls.
        batch: Name of an axis of any length, a length, or None for one example. Keys
            and images have the axis; a threshold is shared.
        size: Height and width of the images in pixels.
        platforms: What it is lowered for, of "cpu", "cuda", "rocm" and "tpu".
        options: Keyword arguments of the method, and ``masks`` of frequencies; they
            become part of the program.

    Returns:
        The program; ``in_avals`` tells the arguments.

    Raises:
        ValueError: If a platform or an option is unknown, or an option missing.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> from fxai_jax.methods import fggb
        >>> program = export(fggb.explain, model, threshold=0.45, chunk_size=16)
        >>> len(program.platforms), program.out_avals[0].shape
        (3, (n, 112, 112))
    """
    if isinstance(platforms, str) or not {*platforms} <= PLATFORMS:
        raise ValueError(
            f"platforms are a list of {sorted(PLATFORMS)}, got {platforms!r}"
        )
    names = _arguments(method, options)
    tree = jax.tree.structure(model)

    def one_example(leaves: Sequence[Any], *arrays: Any) -> Any:
        given = dict(zip(names, arrays, strict=True)) | options
        return method(jax.tree.unflatten(tree, leaves), **given)

    axes = [None if name == "threshold" else 0 for name in names]
    call = one_example if batch is None else jax.vmap(one_example, (None, *axes))
    length = () if batch is None else _length(batch)
    shapes = [_shape(name, size, length) for name in names]
    leaves = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in jax.tree.leaves(model)]
    return jax_export.export(jax.jit(call), platforms=tuple(platforms))(leaves, *shapes)


def _arguments(method: Callable[..., Any], options: Mapping[str, Any]) -> list[str]:
    """The method's arrays that the options do not fix, in their order."""
    _, *parameters = inspect.signature(method).parameters.values()
    known = [parameter.name for parameter in parameters]
    if unknown := sorted(options.keys() - set(known)):
        raise ValueError(f"no option {unknown[0]!r}; the method takes {known}")
    given = [p.name for p in parameters if p.default is p.empty]
    needed = [name for name in given if name not in options]
    if other := sorted(set(needed) - {*PER_EXAMPLE, "threshold"}):
        raise ValueError(
            f"{other[0]!r} has no place among the arguments of an exported program; "
            f"fix it: {other[0]}=..."
        )
    return needed


def _length(batch: str | int) -> tuple[Any, ...]:
    return (
        tuple(jax_export.symbolic_shape(batch)) if isinstance(batch, str) else (batch,)
    )


def _shape(
    name: str, size: tuple[int, int], length: tuple[Any, ...]
) -> jax.ShapeDtypeStruct:
    if name == "threshold":
        return jax.ShapeDtypeStruct((), jnp.float32)
    if name == "key":
        return jax.ShapeDtypeStruct(length, jax.random.key(0).dtype)
    return jax.ShapeDtypeStruct((*length, *size, 3), jnp.float32)
