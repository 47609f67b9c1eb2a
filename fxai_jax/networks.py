"""A network and its card, from a shipped name, a checkpoint folder or code."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fxai_jax.arrays import Arrays, arrays_sha256
from fxai_jax.cards import Card, for_arrays, load_card
from fxai_jax.checkpoints import load_backbone, network_leaves
from fxai_jax.own.adapters import as_argument
from fxai_jax.own.checking import check_model
from fxai_jax.own.importing import Network, import_network, is_code, source_of

USUAL_SIZE = (112, 112)
"""Height and width of the images of a model that says nothing else."""


def open_network(name_or_path: str | Path) -> Network:
    """The network that a command or an evaluation uses, in float32.

    Args:
        name_or_path: A name from `list_backbones`, a checkpoint folder, or code as
            "module:name" (`fxai_jax.own.importing.import_network`). A model without a
            card takes images of its attribute `image_size`, or of 112 x 112 pixels,
            and has no threshold.

    Returns:
        The model, an argument of `jax.jit`, and its card. The card of code has
        "module:name" as its family, the digests of the arrays and of the module's
        file, and no threshold that was measured with other arrays.

    Raises:
        ValueError: If there is no such network, or it cannot be used.

    Example:
        >>> open_network("mobilefacenet").card.threshold
        0.45
    """
    if not is_code(name_or_path):
        model = load_backbone(name_or_path, dtype=jnp.float32)
        return Network(model, load_card(name_or_path))
    code = str(name_or_path)
    given, card = import_network(code)
    height, width = _image_size(given, card, code)
    image = jax.ShapeDtypeStruct((height, width, 3), jnp.float32)
    model = jax.tree.map(_in_float32, as_argument(given))
    report = check_model(model, image)
    if report.problems or report.embedding is None:
        raise ValueError(f"{code}: {'; '.join(report.problems)}")
    (size,) = report.embedding.shape
    digest = arrays_sha256(_arrays(model, image))
    card = card or _new_card(code, (height, width), size)
    if card.embedding_size != size:
        raise ValueError(
            f"{code}: its card expects embeddings ({card.embedding_size},), its model "
            f"gives ({size},): correct the card"
        )
    facts = {"code_sha256": _file_sha256(code)}
    card = dataclasses.replace(card, family=code, options=card.options | facts)
    return Network(model, for_arrays(card, digest))


def _image_size(model: Any, card: Card | None, code: str) -> tuple[int, int]:
    size = getattr(model, "image_size", USUAL_SIZE) if card is None else card.image_size
    try:
        height, width = (size, size) if isinstance(size, int) else map(int, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            f"{code}: its image_size is {size!r}, expected a height and a width"
        )
    return height, width


def _in_float32(leaf: Any) -> Any:
    floating = jnp.issubdtype(leaf.dtype, jnp.floating)
    return jnp.asarray(leaf, jnp.float32) if floating else leaf


def _arrays(model: Any, image: jax.ShapeDtypeStruct) -> Arrays:
    """The leaves of a model, and what its functions have closed over."""
    arrays = network_leaves(model)
    program = jax.make_jaxpr(lambda model, image: model(image))(model, image)
    arrays |= {f"closed over/{i}": x for i, x in enumerate(program.consts)}
    return {name: _on_host(array) for name, array in arrays.items()}


def _on_host(array: Any) -> np.ndarray:
    key = jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(array) if key else array)


def _new_card(code: str, image_size: tuple[int, int], embedding_size: int) -> Card:
    return Card(
        name=code,
        family=code,
        options={},
        image_size=image_size,
        embedding_size=embedding_size,
        alignment="arcface-112" if image_size == USUAL_SIZE else "not stated",
        weights_sha256="",
        source={},
        licence="not stated",
    )


def _file_sha256(code: str) -> str:
    file = source_of(code)
    return "" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
