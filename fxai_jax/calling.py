"""What is asked of a network before a method calls it, and while it does."""

from collections.abc import Callable
from typing import Any

import jax

from fxai_jax.inputs import Pixels


def missing_seam(model: Any) -> list[str]:
    """Which of the two callables of `fxai_jax.array_types.FaceModel` a model lacks."""
    return [x for x in ("features", "head") if not callable(getattr(model, x, None))]


def check_seam(model: Any) -> None:
    """Refuses a model without the seam of `fxai_jax.array_types.FaceModel`."""
    if missing := missing_seam(model):
        raise ValueError(
            "this method needs a face model with features and head, and "
            f"{type(model).__name__} has no {' and no '.join(missing)}; pass a "
            "backbone, or a class with model(x) == model.head(model.features(x))"
        )


def apply(fun: Callable, image: Pixels) -> Any:
    """The network's first answer; what it cannot take is said with the image's shape.

    A network in training mode is refused: its batch norm would normalise by one image,
    and its dropout would scatter what is explained.
    """
    if training := in_training(getattr(fun, "__self__", fun)):
        raise ValueError(
            f"the network is in training mode ({training}); call its eval() first"
        )
    try:
        return fun(image)
    except (TypeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"the network fails on an image of shape {image.shape} and type "
            f"{image.dtype} ({reason}); pass one of the size and type it was made for"
        ) from error


def uses_last(fun: Callable, *args: Any) -> bool:
    """Whether a function uses its last argument, asked of the traced program.

    So it is known under `jax.jit` as well.
    """
    program = jax.make_jaxpr(fun)(*args).jaxpr
    last = program.invars[-1]
    return any(last is used for step in program.eqns for used in step.invars)


def in_training(module: Any) -> str | None:
    """The flag that says that a network is in training mode, and where it was found."""
    # Flags of flax.nnx; they are no arrays, so they are known under a trace as well.
    waiting, seen = [module], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, list | tuple):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
        elif type(node).__module__.partition(".")[0] not in _PLAIN:
            fields = getattr(node, "__dict__", {})
            for flag in ("use_running_average", "deterministic"):
                if fields.get(flag) is False:
                    return f"{flag}=False in {type(node).__name__}"
            waiting += fields.values()
    return None


_PLAIN = {"builtins", "numpy", "jax", "jaxlib", "functools", "types"}
