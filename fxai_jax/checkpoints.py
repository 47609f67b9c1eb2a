"""Checkpoint folders: an Orbax tree of arrays, and a card that says what they are."""

import dataclasses
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorstore as ts
from jax.typing import DTypeLike

from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card, checkpoint_folder, load_card, write_card
from fxai_jax.holes import held_bytes
from fxai_jax.writing import new_folder

Network = Any
"""A pytree of arrays, or of their shapes before they are read."""

SPARE_BYTES = 2**21
"""What a folder takes beside its arrays, at most."""

MAX_EXPANSION = 16
"""Most bytes of arrays by bytes of their files; trained weights hardly shrink."""

MAX_KEYS = 100_000
"""Most entries of a store; an array has a few."""

_ORBAX = re.compile(
    r"_\w+|d|manifest\.ocdbt|ocdbt\.process_\d+|array_metadatas|commit_success\.txt"
)

Arrays = dict[str, np.ndarray]
"""The leaves of a model by their path, such as ``conv1/conv/kernel``."""


def load_backbone(
    name_or_path: str | Path, *, dtype: DTypeLike = jnp.float32
) -> FaceModel:
    """Loads a network: a callable pytree from one image to its raw embedding.

    Args:
        name_or_path: A name from `list_backbones`, or a checkpoint folder.
        dtype: Floating type of the parameters. Images and parameters must share it.

    Returns:
        The model, with `features` and `head`.

    Raises:
        ValueError: If the folder is missing, incomplete, damaged or foreign.

    Example:
        >>> model = load_backbone("mobilefacenet")
        >>> model(jnp.zeros((112, 112, 3))).shape
        (192,)
    """
    folder = checkpoint_folder(name_or_path)
    card = load_card(folder)
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(_read_arrays, folder / "arrays")
        network = _network_of(card, folder)
        if Path(name_or_path).is_dir():  # 0.2 s that a shipped one does not need
            _check_embedding(card, network, folder)
    arrays = reading.result()
    _check_arrays(folder, arrays, network_leaves(network))
    if (found := arrays_sha256(arrays)) != card.weights_sha256:
        raise ValueError(
            f"{folder} is damaged: its arrays have sha256 {found}, "
            f"its card says {card.weights_sha256}; fetch or convert it again"
        )
    placed = {name: jnp.asarray(array, dtype) for name, array in arrays.items()}
    return fill(network, placed)


def save_backbone(
    folder: str | Path, model: Network, card: Card, *, report: str = ""
) -> Card:
    """Writes a checkpoint folder that `load_backbone` reads, whole or not at all.

    Args:
        folder: Folder to make; an earlier checkpoint with nothing beside is replaced.
        model: Network of the card's family and options.
        card: Its card; the digest is filled in here.
        report: How it was made, for a file ``report.json`` beside the card.

    Returns:
        The card as written.

    Raises:
        ValueError: If the model is not what the card describes, or the folder holds
            anything but an earlier checkpoint that is not calibrated.
        OSError: If the disk is full; the message names the folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> network = load_backbone("mobilefacenet"), load_card("mobilefacenet")
        >>> with TemporaryDirectory() as folder:
        ...     save_backbone(folder, *network).weights_sha256[:8]
        '141f03e5'
    """
    import orbax.checkpoint as ocp  # half a second that loading does not need
    from flax.traverse_util import unflatten_dict

    arrays, network = model_arrays(model), empty_network(card.family, card.options)
    _check_arrays(Path(folder), arrays, network_leaves(network))
    _check_embedding(card, network, Path(folder))
    card = dataclasses.replace(card, weights_sha256=arrays_sha256(arrays))
    tree = unflatten_dict({tuple(k.split("/")): v for k, v in arrays.items()})
    nbytes = SPARE_BYTES + sum(array.nbytes for array in arrays.values())
    with new_folder(folder, partial(_may_replace, card), nbytes=nbytes) as made:
        # Weights hardly shrink (8 %), and inflating them took half of the loading.
        handler = ocp.PyTreeCheckpointHandler(use_compression=False)
        with ocp.Checkpointer(handler) as writer:
            writer.save(made / "arrays", tree)
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
    try:
        found = jax.eval_shape(lambda model, x: model(x), network, image).shape
    except Exception as error:  # whatever layers say of maps that do not fit
        found = f"{type(error).__name__}: {str(error)[:200]}"
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


def arrays_sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """Digest of names, shapes, dtypes and bytes, whatever the order and the storage.

    Example:
        >>> arrays_sha256({"a": np.zeros(2)})[:8]
        'b0b66804'
    """
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")


def _read_arrays(folder: Path) -> Arrays:
    # TensorStore reads what Orbax wrote in a third of Orbax's time.
    if not folder.is_dir():
        raise ValueError(f"{folder.parent} is incomplete: it has no arrays folder")
    store = {"driver": "ocdbt", "base": {"driver": "file", "path": f"{folder}/"}}
    shared = ts.Context()  # without it every array opens the store again
    try:
        keys = ts.KvStore.open(store, context=shared).result().list().result()
        if len(keys) > MAX_KEYS:
            raise ValueError(f"it has {len(keys)} entries, more than {MAX_KEYS}")
        names = sorted({key.decode().rpartition("/")[0] for key in keys})
        specs = [{"driver": "zarr", "kvstore": {**store, "path": n}} for n in names]
        opened = [ts.open(spec, open=True, context=shared) for spec in specs]
        stores = [store.result() for store in opened]
        _check_bytes(folder, stores)
        reads = [store.read() for store in stores]
        values = [np.asarray(read.result()) for read in reads]
    except ValueError as error:
        reason = str(error).splitlines()[0][:200]
        raise ValueError(
            f"{folder} is damaged or not an Orbax checkpoint: {reason}"
        ) from error
    return {n.replace(".", "/"): a for n, a in zip(names, values, strict=True)}


def _check_bytes(folder: Path, stores: Sequence[ts.TensorStore]) -> None:
    """Refuses arrays that the files cannot hold: TensorStore would fill them up."""
    held = sum(held_bytes(path) for path in folder.rglob("*") if path.is_file())
    claimed = sum(_claimed(store) for store in stores)
    if claimed > MAX_EXPANSION * held + SPARE_BYTES:
        raise ValueError(f"its arrays claim {claimed} bytes, its files have {held}")


def _claimed(store: ts.TensorStore) -> int:
    """Bytes that reading an array takes: its own, or those of one of its chunks."""
    chunk = [size or 0 for size in store.chunk_layout.read_chunk.shape or ()]
    numel = max(math.prod(store.shape), math.prod(chunk))
    return numel * store.dtype.numpy_dtype.itemsize


def _check_arrays(folder: Path, arrays: Arrays, expected: Mapping[str, Any]) -> None:
    problems = [f"missing {name}" for name in sorted(expected.keys() - arrays.keys())]
    problems += [f"unknown {name}" for name in sorted(arrays.keys() - expected.keys())]
    problems += [
        f"{name} is {array.dtype}{array.shape}, expected {want.dtype}{want.shape}"
        for name, array in sorted(arrays.items())
        if (want := expected.get(name)) is not None
        and (array.shape, array.dtype) != (want.shape, want.dtype)
    ]
    if problems:
        shown = "; ".join(problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"{folder} does not hold its card's network: {shown}{more}")
