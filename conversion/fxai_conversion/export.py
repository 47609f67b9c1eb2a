"""Back to PyTorch: the arrays of a converted folder under their published names."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from flax import nnx

from fxai_conversion.recipes.catalogue import RECIPES
from fxai_conversion.recipes.naming import translation
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone, model_arrays
from fxai_jax.writing import write_whole


def export_folder(folder: str | Path) -> dict[str, np.ndarray]:
    """Gives a converted network its published names and layout back.

    The values are those of the file bit for bit where it stored float32. Wrappers and
    what only training needs (`num_batches_tracked`, classifiers) do not come back;
    PyTorch's strict loading makes the counters itself.

    Args:
        folder: A folder that `fxai-convert convert` made.

    Returns:
        Tensors by name, in PyTorch's layout.

    Raises:
        ValueError: If the folder cannot be read or no recipe made it.

    Example:
        >>> export_folder("mobilefacenet")
        Traceback (most recent call last):
        ValueError: MobileFaceNet, 192-D, MS1M was not made from a PyTorch checkpoint...
    """
    network = cast(nnx.Module, load_backbone(folder))
    return named(load_card(folder), model_arrays(network))


def named(card: Card, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Names the leaves of a card's network as its recipe does, in PyTorch's layout."""
    recipe = RECIPES.get(str(card.source.get("recipe")))
    if recipe is None:
        raise ValueError(
            f"{card.name} was not made from a PyTorch checkpoint by fxai-convert, so "
            "it has no names to go back to"
        )
    names = translation(recipe.naming, card.options)
    tensors = {}
    for path, array in arrays.items():
        name, move = names.outward(path)
        tensors[name] = np.ascontiguousarray(move.backward(array))
    return tensors


def write_safetensors(path: str | Path, tensors: Mapping[str, np.ndarray]) -> None:
    r"""Writes float32 tensors as a safetensors file.

    Args:
        path: The file to make, or to replace once all is written.
        tensors: Tensors by name.

    Raises:
        ValueError: If a tensor is not float32.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_safetensors(f"{folder}/w", {"w": np.zeros(2, np.float32)})
        ...     Path(folder, "w").read_bytes()[-8:]
        b'\x00\x00\x00\x00\x00\x00\x00\x00'
    """
    header, end = {}, 0
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32:
            raise ValueError(f"{name} is {tensor.dtype}, only float32 is written")
        begin, end = end, end + tensor.nbytes
        entry = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [begin, end]}
        header[name] = entry
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = (np.ascontiguousarray(tensor, "<f4").data for tensor in tensors.values())
    write_whole(path, struct.pack("<Q", len(text)) + text, *data)
