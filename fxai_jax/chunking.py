"""Long axes in bounded memory.

`chunked_map` and `chunked_sum` sweep an *inner* axis (embedding channels, bands,
curve steps) and belong inside a method, behind one keyword `chunk_size`. `batched`
sweeps the *outer* axis (images, pairs) and stays outside.

A gradient through an inner sweep would keep what every chunk has computed. Both sweeps
compute it once more on the way back, one chunk at a time, so that the gradient's memory
grows with the chunk too; a sweep that nobody differentiates costs nothing more.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Tree = Any
"""A pytree of arrays that share their first axis."""


def _length(xs: Tree) -> int:
    lengths = {leaf.shape[0] for leaf in jax.tree.leaves(xs)}
    if len(lengths) != 1:
        raise ValueError(
            f"the arrays of one axis must have one length, got {sorted(lengths)}"
        )
    return lengths.pop()


def _check_size(name: str, size: int | None) -> None:
    if size is None:
        return
    if isinstance(size, jax.core.Tracer):
        raise ValueError(
            f"{name} was traced, but it shapes the program; bind it before jit or "
            f"vmap, as in functools.partial(explain, {name}=16)"
        )
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise ValueError(f"{name} must be a whole number or None, got {size!r}")
    if size < 1:
        raise ValueError(f"{name} must be at least 1, or None for all at once: {size}")


def chunked_map(
    fun: Callable[[Tree], Tree],
    xs: Tree,
    *,
    chunk_size: int | None = None,
    rematerialise: bool = True,
) -> Tree:
    """Maps `fun` over the first axis, `chunk_size` elements at a time.

    Args:
        fun: Function of one element.
        xs: Pytree of arrays with shape (s, ...).
        chunk_size: Elements alive together; None maps all at once. A divisor of s
            makes the smallest program.
        rematerialise: Whether a gradient computes each chunk again instead of keeping
            what it needs of all: less memory, about a third more time.

    Returns:
        Pytree of arrays with shape (s, ...), as ``jax.vmap(fun)(xs)``.

    Raises:
        ValueError: If the lengths differ or the chunk size is traced or below 1.

    Example:
        >>> chunked_map(lambda x: 2 * x, jnp.arange(3), chunk_size=2).tolist()
        [0, 2, 4]
    """
    _check_size("chunk_size", chunk_size)
    if chunk_size is None or chunk_size >= _length(xs):
        return jax.vmap(fun)(xs)
    return lax.map(_again(fun, rematerialise), xs, batch_size=chunk_size)


def chunked_sum(
    fun: Callable[[Tree], Tree],
    xs: Tree,
    *,
    chunk_size: int | None = None,
    rematerialise: bool = True,
) -> Tree:
    """Sums ``fun(x)`` over the first axis; only `chunk_size` results live together.

    The sum is accumulated in a scan, so memory does not grow with the length of the
    axis, and neither does the program.

    Args:
        fun: Function of one element, returning a pytree of arrays.
        xs: Pytree of arrays with shape (s, ...).
        chunk_size: Elements alive together; None sums all at once. A divisor of s
            makes the smallest program.
        rematerialise: Whether a gradient computes each chunk again instead of keeping
            what it needs of all: less memory, about a third more time.

    Returns:
        Pytree shaped like ``fun`` of one element.

    Raises:
        ValueError: If the lengths differ or the chunk size is traced or below 1.

    Example:
        >>> int(chunked_sum(lambda x: x * x, jnp.arange(4), chunk_size=2))
        14
    """
    _check_size("chunk_size", chunk_size)

    def chunk_sum(chunk: Tree) -> Tree:
        return jax.tree.map(lambda y: jnp.sum(y, axis=0), jax.vmap(fun)(chunk))

    length = _length(xs)
    if chunk_size is None or chunk_size >= length:
        return chunk_sum(xs)
    whole = length - length % chunk_size
    chunks = jax.tree.map(lambda x: x[:whole].reshape(-1, chunk_size, *x.shape[1:]), xs)
    first = jax.tree.map(lambda x: x[0], xs)
    zeros = jax.tree.map(jnp.zeros_like, jax.eval_shape(fun, first))
    one_chunk = _again(chunk_sum, rematerialise)
    total, _ = lax.scan(
        lambda carry, chunk: (jax.tree.map(jnp.add, carry, one_chunk(chunk)), None),
        zeros,
        chunks,
    )
    if whole == length:
        return total
    rest = one_chunk(jax.tree.map(lambda x: x[whole:], xs))
    return jax.tree.map(jnp.add, total, rest)


def _again(fun: Callable, rematerialise: bool) -> Callable:
    # Inside a scan nothing is merged across the steps, so nothing has to prevent it.
    return jax.checkpoint(fun, prevent_cse=False) if rematerialise else fun


def batched(
    fun: Callable[..., Tree],
    *,
    batch_size: int | None = None,
    in_axes: int | Sequence[int | None] | None = 0,
) -> Callable[..., Tree]:
    """Turns a function of one example into a function of n, in batches.

    Element j of batch s is example ``j * steps + s``: the batch axis is cut
    column-major, so an axis that is sharded over devices stays sharded and no data
    moves.

    Args:
        fun: Function of one example; positional arguments only.
        batch_size: Examples alive together; None maps all at once. With sharded
            examples, a multiple of the device count.
        in_axes: As for `jax.vmap`, each entry 0 (an axis of examples) or None
            (shared, such as the model).

    Returns:
        Function of the same arguments with a leading axis n where `in_axes` is 0.

    Raises:
        ValueError: If the batch size is traced or below 1, an axis is neither 0 nor
            None, or the arguments do not match `in_axes`.

    Example:
        >>> double = batched(lambda w, x: w * x, batch_size=2, in_axes=(None, 0))
        >>> double(2, jnp.arange(3)).tolist()
        [0, 2, 4]
    """
    _check_size("batch_size", batch_size)

    def over_examples(*args: Tree) -> Tree:
        axes = _axes(in_axes, len(args))
        data = [arg for arg, axis in zip(args, axes, strict=True) if axis == 0]
        length = _length(data)
        if batch_size is None or batch_size >= length:
            return jax.vmap(fun, axes)(*args)

        def one_batch(*batch: Tree) -> Tree:
            examples = iter(batch)
            full = [
                next(examples) if axis == 0 else arg
                for arg, axis in zip(args, axes, strict=True)
            ]
            return jax.vmap(fun, axes)(*full)

        return _sweep(one_batch, data, length, batch_size)

    return over_examples


def _axes(in_axes: int | Sequence[int | None] | None, count: int) -> tuple:
    axes = (
        (in_axes,) * count
        if in_axes is None or isinstance(in_axes, int)
        else tuple(in_axes)
    )
    if len(axes) != count:
        raise ValueError(f"in_axes has {len(axes)} entries for {count} arguments")
    if not set(axes) <= {0, None} or 0 not in axes:
        raise ValueError(f"in_axes must hold 0 and None, and at least one 0: {axes}")
    return axes


def _sweep(one_batch: Callable, data: list, length: int, batch_size: int) -> Tree:
    steps = length // batch_size
    whole = steps * batch_size

    def split(x):
        return x[:whole].reshape(batch_size, steps, *x.shape[1:]).swapaxes(0, 1)

    def join(y):
        return y.swapaxes(0, 1).reshape(whole, *y.shape[2:])

    stacked = lax.map(lambda batch: one_batch(*batch), jax.tree.map(split, data))
    result = jax.tree.map(join, stacked)
    if whole == length:
        return result
    rest = one_batch(*jax.tree.map(lambda x: x[whole:], data))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), result, rest)
