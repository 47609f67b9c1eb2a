"""Checkpoint folders: an Orbax tree of arrays, and a card that says what they are."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from fxai_jax.array_types import FaceModel
from fxai_jax.arrays import (
    SPARE_BYTES,
    Arrays,
    arrays_sha256,
    check_arrays,
    read_arrays,
    write_arrays,
)
from fxai_jax.cards import (
    Card,
    checkpoint_folder,
    for_arrays,
    load_card,
    write_card,
)
from fxai_jax.own.adapters import as_argument
from fxai_jax.own.checking import check_model
from fxai_jax.own.importing import import_network, is_code
from fxai_jax.writing import new_folder

Network = Any
"""A pytree of arrays, or of their shapes before they are read."""

_ORBAX = re.compile(
    r"_\w+|d|manifest\.ocdbt|ocdbt\.process_\d+|array_metadatas|commit_success\.txt"
)


def load_backbone(
    name_or_path: str | Path, *, dtype: DTypeLike | None = None
) -> FaceModel:
    """Loads a network: a callable pytree from one image to its raw embedding.

    Args:
        name_or_path: A name from `list_backbones`, a checkpoint folder, or code of
            your own as "module:name": a function or class, installed or in the working
            directory, that returns a model when it is called without arguments.
        dtype: Floating type of the parameters; None keeps the types they are stored
            in, float32 for what ships and what was converted.

    Returns:
        The model, with `features` and `head`.

    Raises:
        ValueError: If the folder is missing, incomplete, damaged or foreign, the code
            returns no model, or the type is not a floating one that JAX has switched
            on.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> model(jnp.zeros((112, 112, 3))).shape
        (192,)
    """
    if is_code(name_or_path):
        model, _ = import_network(str(name_or_path))
        return model if dtype is None else _cast(model, dtype)
    folder = checkpoint_folder(name_or_path)
    card = load_card(folder)
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(read_arrays, folder / "arrays")
        network = _network_of(card, folder)
        if Path(name_or_path).is_dir():  # 0.2 s that a shipped one does not need
            _check_embedding(card, network, folder)
    arrays = reading.result()
    _check_arrays(folder, arrays, network)
    if (found := arrays_sha256(arrays)) != card.weights_sha256:
        raise ValueError(
            f"{folder} is damaged: its arrays have sha256 {found}, "
            f"its card says {card.weights_sha256}; fetch or convert it again"
        )
    return fill(network, {name: _placed(x, dtype) for name, x in arrays.items()})


def _cast(model: Network, dtype: DTypeLike) -> Network:
    return jax.tree.map(partial(_placed, dtype=dtype), as_argument(model))


def _placed(array: np.ndarray | jax.Array, dtype: DTypeLike | None) -> jax.Array:
    """The array on the device, floating values in the type asked for."""
    wanted = array.dtype
    if dtype is not None and jnp.issubdtype(wanted, jnp.floating):
        wanted = jnp.dtype(dtype)
        if not jnp.issubdtype(wanted, jnp.floating):
            raise ValueError(f"dtype is {wanted}, expected a floating type")
    if wanted != jax.dtypes.canonicalize_dtype(wanted):
        raise ValueError(
            f"JAX has no {wanted} unless it is switched on: pass dtype=jnp.float32, or "
            'call jax.config.update("jax_enable_x64", True) first'
        )
    return jnp.asarray(array, wanted)


def save_backbone(
    folder: str | Path, model: Network, card: Card, *, report: str = ""
) -> Card:
    """Writes a checkpoint folder that `load_backbone` reads, whole or not at all.

    What was measured with other arrays than the model's is left out of the card: its
    threshold, and its calibration of quality. Measure both anew with ``fxai-jax
    calibrate``.

    A network that is trained further keeps the running statistics of its batch norms,
    which are `flax.nnx.BatchStat`: differentiate and update its `flax.nnx.Param`
    alone, as in ``nnx.Optimizer(model, optimiser, wrt=nnx.Param)`` or below. An
    optimiser over all leaves moves the statistics too, and no error says so.

    Args:
        folder: Folder to make; an earlier checkpoint with nothing beside is replaced.
        model: Network of the card's family and options, its parameters in float16,
            bfloat16, float32 or float64, and stored so.
        card: Its card, or that of the network it was made from; the digest is filled
            in here. A card without digest is of this model, and keeps what it says.
        report: How it was made, for a file ``report.json`` beside the card.

    Returns:
        The card as written.

    Raises:
        TypeError: If the card is none.
        ValueError: If the model is not what the card describes, or the folder holds
            anything but an earlier checkpoint that is not calibrated.
        OSError: If the disk is full; the message names the folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from flax import nnx
        >>> model, card = load_backbone("mobilefacenet"), load_card("mobilefacenet")
        >>> graph, params, rest = nnx.split(model, nnx.Param, ...)
        >>> params = jax.tree.map(lambda leaf: 0.9 * leaf, params)  # or optax's update
        >>> with TemporaryDirectory() as folder:
        ...     written = save_backbone(folder, nnx.merge(graph, params, rest), card)
        >>> card.threshold, written.threshold
        (0.45, None)
    """
    if not isinstance(card, Card):
        raise TypeError(
            f"expected a card such as load_card(...) gives, got {type(card).__name__}"
        )
    arrays, network = model_arrays(model), empty_network(card.family, card.options)
    _check_arrays(Path(folder), arrays, network)
    _check_embedding(card, network, Path(folder))
    card = for_arrays(card, arrays_sha256(arrays))
    nbytes = SPARE_BYTES + sum(array.nbytes for array in arrays.values())
    with new_folder(folder, partial(_may_replace, card), nbytes=nbytes) as made:
        write_arrays(made / "arrays", arrays)
        write_card(made, card)
        if report:
            (made / "report.json").write_text(report, "utf-8")
    return card


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a checkpoint of this library and nothing else.

    Example:
        >>> is_checkpoint(checkpoint_folder("mobilefacenet"))
        True
    """
    names = {entry.name for entry in folder.iterdir()}
    if not {"card.json", "arrays"} <= names <= {"card.json", "arrays", "report.json"}:
        return False
    try:
        load_card(folder)
        return all(_ORBAX.fullmatch(x.name) for x in (folder / "arrays").iterdir())
    except (ValueError, OSError):
        return False


def _may_replace(card: Card, folder: Path) -> bool:
    """Whether a folder holds a checkpoint without measurements that would be lost."""
    if not is_checkpoint(folder):
        return False
    old, new = ((x.threshold, x.quality) for x in (load_card(folder), card))
    if old not in ((None, None), new):
        raise ValueError(
            f"{folder} is calibrated: name a new folder or remove it first"
        )
    return True


def empty_network(family: str, options: Mapping[str, Any]) -> Network:
    """A network of shapes: it has no arrays yet and costs no memory.

    Example:
        >>> card = load_card("mobilefacenet")
        >>> empty_network(card.family, card.options).bn.bias.shape
        (192,)
    """
    from fxai_jax.backbones import registry  # Flax, which `--help` does not wait for

    return jax.eval_shape(lambda: registry.build(family, options))


def _network_of(card: Card, folder: Path) -> Network:
    try:
        return empty_network(card.family, card.options)
    except ValueError:
        raise
    except Exception as error:  # whatever odd options make of a network
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise ValueError(f"{folder}: its card's options fail ({reason})") from error


def _check_embedding(card: Card, network: Network, folder: Path) -> None:
    """Refuses a card whose image_size or embedding_size is not its network's."""
    image = jax.ShapeDtypeStruct((*card.image_size, 3), jnp.float32)
    report = check_model(network, image)
    found = getattr(report.embedding, "shape", None)
    if report.problems:
        found = f"none ({'; '.join(report.problems)})"
    if found != (expected := (card.embedding_size,)):
        raise ValueError(
            f"{folder}: of images of {card.image_size} pixels its card expects "
            f"embeddings {expected}, its network gives {found}: correct card.json"
        )


def network_leaves(network: Network) -> dict[str, Any]:
    """The leaves of a network by path, where they are.

    Example:
        >>> network_leaves(load_backbone("mobilefacenet"))["bn/bias"].shape
        (192,)
    """
    paths, _ = jax.tree_util.tree_flatten_with_path(network)
    return {_name(path): leaf for path, leaf in paths}


def fill(network: Network, arrays: Mapping[str, Any]) -> Network:
    """A network with other arrays, which it takes as they are.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> fill(model, model_arrays(model)).bn.bias.shape
        (192,)
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, _: arrays[_name(path)], network
    )


def model_arrays(model: Network) -> Arrays:
    """The leaves of a model on the host, by path, sorted.

    Example:
        >>> model_arrays(load_backbone("mobilefacenet"))["bn/bias"].shape
        (192,)
    """
    return {k: np.asarray(leaf) for k, leaf in sorted(network_leaves(model).items())}


def _check_arrays(folder: Path, arrays: Arrays, network: Network) -> None:
    try:
        check_arrays(arrays, network_leaves(network))
    except ValueError as error:
        raise ValueError(
            f"{folder} does not hold its card's network: {error}"
        ) from error


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")
