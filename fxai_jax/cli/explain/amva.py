"""``fxai-jax explain amva``: attention of one face, and its variation over a set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.cards import Card
from fxai_jax.cli.explain.writing import free_stem, write_explained
from fxai_jax.cli.options import (
    DEFAULT,
    FIGURES,
    OUT,
    Backbone,
    FigureFiles,
    Figures,
    Files,
    Landmarks,
    Out,
    Passes,
    Seed,
    cells,
    landmark_facts,
    made,
)
from fxai_jax.cli.sets import found_images, run_set
from fxai_jax.command_line import STDERR
from fxai_jax.data.images import Pixels
from fxai_jax.explain import amva
from fxai_jax.metrics.attention import quality_groups
from fxai_jax.networks import open_network
from fxai_jax.runs.manifest import flat, make_manifest
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.reading import face_reader
from fxai_jax.runs.running import Results


def explain_amva(
    images: Files,
    *,
    backbone: Backbone = DEFAULT,
    fraction: float = 0.1,
    passes: Passes = 100,
    seed: Seed = 0,
    batch_size: int = 4,
    landmarks: Landmarks = None,
    figures: Figures = FIGURES,
    out: Out = OUT,
) -> None:
    """Show where a network looks, and how that varies with image quality (AMVA).

    Up to three images give their activation maps. More are ranked by SER-FIQ quality,
    and the best and the worst are compared: means, variation, differences, and the
    deviation of the worst image from the mean of the good ones. A run that was cut off
    goes on where it stopped.

    Args:
        fraction: Share of the images in each group; at least two images are taken.
        batch_size: Images alive together; each takes 220 MB with the one that ships.
    """
    paths = found_images(images)
    model, card = open_network(backbone)
    read = face_reader(card, landmarks, paths, images)
    told: dict[str, Any] = {"method": "amva", "passes": passes}
    told |= landmark_facts(landmarks)
    options = RunOptions(seed, batch_size, resume=made(out), console=STDERR)
    names = {"title": "attention", "file": "amva"}
    found = run_set(amva.measure, model, card, paths, read, told, options, **names)
    used = [paths[row] for row in found.rows]
    told["seed"] = seed
    if len(used) < amva.SMALLEST_SET:
        for i, path in enumerate(used):
            row = {name: values[i] for name, values in found.values.items()}
            _write_attention(out, path, read(path), row, card, told, figures)
        return
    told["fraction"] = min(max(fraction, 2 / len(used)), 0.5)
    _write_groups(out, used, read, found, card, told, figures)


def _write_attention(
    out: Path,
    path: Path,
    face: Pixels,
    row: Mapping[str, np.ndarray],
    card: Card,
    options: Mapping[str, Any],
    files: FigureFiles,
) -> None:
    map_ = amva.finished_map(row["activation"], card.image_size)
    figure = visualize.attention_figure(face, map_, name=path.stem)
    manifest = make_manifest(card, {"image": path}, options)
    stem = free_stem(out, "amva", {"image": path})
    write_explained(stem, figure, {**row, "map": map_}, manifest, files)


def _write_groups(
    out: Path,
    paths: Sequence[Path],
    read: Any,
    found: Results,
    card: Card,
    options: Mapping[str, Any],
    files: FigureFiles,
) -> None:
    activations = jnp.asarray(found.values["activation"])
    groups = quality_groups(
        jnp.asarray(found.values["quality"]),
        higher_is_better=True,
        fraction=options["fraction"],
    )
    worst = paths[int(groups.low[0])]
    write_variation(
        out / "amva",
        activations[groups.high],
        activations[groups.low],
        (worst.stem, read(worst), activations[groups.low[0]]),
        make_manifest(
            card,
            {str(i): path for i, path in enumerate(paths)},
            {**options, "worst": str(worst)},
        ),
        files,
    )


def write_variation(
    stem: Path,
    high: Float[Array, "n i j"],
    low: Float[Array, "m i j"],
    example: tuple[str, Pixels, Float[Array, "i j"]],
    manifest: Mapping[str, Any],
    files: FigureFiles = FIGURES,
) -> None:
    """Writes how the attention of two groups varies, and one face's deviation."""
    name, face, activation = example
    groups = amva.compare(high, low, face.shape[:2])
    deviation = np.asarray(amva.example_deviation(groups, activation))
    arrays = flat("high", groups.high) | flat("low", groups.low)
    arrays |= flat("difference", groups.difference) | {"deviation": deviation}
    arrays |= {"high_activations": np.asarray(high), "low_activations": np.asarray(low)}
    figure = visualize.variation_figure(
        *jax.device_get((groups.high, groups.low)),
        example=(name, face, deviation),
        counts=(len(high), len(low)),
    )
    write_explained(stem, figure, arrays, manifest, files)
    Console().print(_table(groups))


def _table(groups: amva.Groups) -> Table:
    rows, distance, area = amva.scalars(groups)
    table = Table("group", *rows[0])
    for name, row in zip(("high", "low"), rows, strict=True):
        count, *numbers = row.values()
        table.add_row(name, str(count), *cells(*numbers))
    table.caption = (
        f"Wasserstein distance of the std maps {distance:.4f}, AUROC of the deviation "
        f"{area:.3f}"
    )
    return table
