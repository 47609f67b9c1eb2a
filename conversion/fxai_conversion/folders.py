"""From a checkpoint file to a checkpoint folder, with a report of what was done."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fxai_conversion.choosing import (
    AmbiguousCheckpoint,
    Candidate,
    choose,
    evidence,
    shapes_of,
    tops,
)
from fxai_conversion.containers.reader import RawCheckpoint, read
from fxai_conversion.converting import Converted, convert
from fxai_conversion.recipes.recipe import Recipe
from fxai_jax.cards import Card
from fxai_jax.checkpoints import empty_network, fill, save_backbone


class Report(NamedTuple):
    """What a conversion did, written beside the card as ``report.json``.

    Attributes:
        recipe: Name of the recipe.
        prefix: What stood before every name of the network in the file.
        file: Name of the file.
        sha256: Its digest.
        nbytes: Its size.
        container: How the file is packed.
        layout: How its tensors are nested.
        globals_seen: What its pickle asked to import; nothing was imported.
        used: Our leaf by the name in the file.
        dropped: Reason by the name in the file.
        casts: Source types that were not float32, and how many tensors had them.
        parameters: Trained numbers in the network.
        tiny_variances: Running variances that are zero or denormal: dead channels.
    """

    recipe: str
    prefix: str
    file: str
    sha256: str
    nbytes: int
    container: str
    layout: str
    globals_seen: tuple[str, ...]
    used: dict[str, str]
    dropped: dict[str, str]
    casts: dict[str, int]
    parameters: int
    tiny_variances: int


def convert_file(
    path: str | Path,
    out: str | Path,
    *,
    recipe: str | None = None,
    prefix: str = "",
) -> tuple[Card, Report]:
    """Converts a published checkpoint into a folder that `load_backbone` reads.

    Args:
        path: The file as downloaded.
        out: Folder to make; an earlier checkpoint in it is replaced.
        recipe: Name of the recipe; None where only one fits.
        prefix: Only names that begin so are read, from a file of several networks.

    Returns:
        The card and the report as written.

    Raises:
        UnreadableCheckpoint: If the file cannot be read.
        AmbiguousCheckpoint: If several recipes fit.
        ConversionError: If the file is not what the recipe says.
        ValueError: If there is no such recipe or none fits.

    Example:
        >>> import tempfile
        >>> from fxai_conversion.export import write_safetensors
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_safetensors(f"{folder}/a.pt", {"w": np.zeros(2, np.float32)})
        ...     convert_file(f"{folder}/a.pt", f"{folder}/net", recipe="arcface")
        Traceback (most recent call last):
        ValueError: the recipe arcface does not fit: layer1.0.conv1.weight is missing...
    """
    raw = read(path)
    tensors = {k: array for k, array in raw.tensors.items() if k.startswith(prefix)}
    outside = {k: f"not below {prefix}" for k in raw.tensors if k not in tensors}
    if not tensors:
        found = ", ".join(repr(top) for top, _ in tops(raw.tensors).most_common(5))
        raise ValueError(
            f"no tensor's name begins with {prefix!r}; names begin with {found}"
        )
    candidate = _choose(tensors, recipe)
    converted = convert(tensors, candidate)
    card = _card(Path(path), raw, candidate, converted)
    report = _report(Path(path), raw, candidate, converted)
    report = report._replace(dropped=report.dropped | outside)
    del raw, tensors
    network = fill(empty_network(card.family, card.options), converted.arrays)
    text = json.dumps(report._asdict(), indent=2, ensure_ascii=False)
    card = save_backbone(out, network, card, report=f"{text}\n")
    return card, report


def _choose(tensors: Mapping[str, np.ndarray], recipe: str | None) -> Candidate:
    try:
        return choose(shapes_of(tensors), recipe)
    except AmbiguousCheckpoint as error:
        raise AmbiguousCheckpoint(". ".join([str(error), *evidence(tensors)])) from None


def _card(
    path: Path, raw: RawCheckpoint, candidate: Candidate, converted: Converted
) -> Card:
    recipe, options = candidate.recipe, converted.plan.options
    return Card(
        name=f"{recipe.title}{_depth(options)}",
        family=recipe.naming.family,
        options=options,
        image_size=recipe.image_size,
        embedding_size=options["embedding_size"],
        alignment=recipe.alignment,
        weights_sha256="",
        source={
            "file": _name(path),
            "file_sha256": raw.sha256,
            "recipe": recipe.name,
            "published_at": recipe.url,
            "citation": recipe.citation,
            "reported_lfw": recipe.lfw,
            "input_read_from": recipe.read_from,
            "made_by": f"fxai-convert convert {_name(path)} --recipe {recipe.name}",
        },
        licence=recipe.licence,
        notes=_notes(recipe),
    )


def _name(path: Path) -> str:
    """The name of a file as text, also where its bytes are no UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def _depth(options: dict[str, Any]) -> str:
    depth = options.get("depth")
    return f", {depth} layers" if isinstance(depth, int) else ""


def _notes(recipe: Recipe) -> str:
    rate = f"{recipe.dropout:g}" if recipe.dropout else "none"
    text = f"The embedding is not normalised. Dropout in training: {rate}."
    return f"{text} {recipe.notes}".strip()


def _report(
    path: Path, raw: RawCheckpoint, candidate: Candidate, converted: Converted
) -> Report:
    plan = converted.plan
    return Report(
        recipe=candidate.recipe.name,
        prefix=candidate.prefix,
        file=_name(path),
        sha256=raw.sha256,
        nbytes=raw.nbytes,
        container=raw.container,
        layout=raw.layout,
        globals_seen=raw.globals_seen,
        used={name: move.path for name, move in plan.moves.items()},
        dropped=plan.dropped,
        casts=converted.casts,
        parameters=plan.parameters,
        tiny_variances=converted.tiny_variances,
    )
