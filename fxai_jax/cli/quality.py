"""``fxai-jax quality``: faces by their quality, lowest first."""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.cards import Card
from fxai_jax.cli.options import (
    DEFAULT,
    FIGURES,
    OUT,
    Backbone,
    Figures,
    Files,
    Landmarks,
    Out,
    Passes,
    Seed,
    cells,
    landmark_facts,
    made,
    plain,
)
from fxai_jax.cli.sets import found_images, run_set
from fxai_jax.command_line import STDERR
from fxai_jax.data.names import KEPT, printable, relative_names
from fxai_jax.explain.quality import measure, notices
from fxai_jax.methods.quality import scale_quality
from fxai_jax.networks import open_network
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.progress import tell
from fxai_jax.runs.reading import face_reader

MOST_SHOWN = 20  # rows of the printed table


def quality(
    images: Files,
    *,
    backbone: Backbone = DEFAULT,
    passes: Passes = 100,
    seed: Seed = 0,
    batch_size: int = 32,
    landmarks: Landmarks = None,
    figures: Figures = FIGURES,
    out: Out = OUT,
) -> None:
    """Rank faces by quality, lowest first (SER-FIQ).

    Writes quality.csv and a contact sheet. A file that cannot be read is reported and
    skipped; a run that was cut off goes on where it stopped.

    Args:
        batch_size: Images alive together.
    """
    paths = found_images(images)
    model, card = open_network(backbone)
    read = face_reader(card, landmarks, paths, images)
    told = {"method": "ser_fiq", "passes": passes}
    told |= landmark_facts(landmarks)
    options = RunOptions(seed, batch_size, resume=made(out), console=STDERR)
    names = {"title": "quality", "file": "quality"}
    found = run_set(measure, model, card, paths, read, told, options, **names)
    order = np.argsort(found.values["quality"], kind="stable")
    ranked = [paths[found.rows[i]] for i in order]
    columns = {name: values[order] for name, values in found.values.items()}
    if card.quality is not None:
        columns["scaled_quality"] = _scaled(columns["quality"], card)
        tell(STDERR, notices(columns["scaled_quality"]))
    _write_csv(out / "quality.csv", ranked, columns)
    names = relative_names(ranked)
    sheet = visualize.contact_sheet(
        lambda i: read(ranked[i]), columns["quality"], names
    )
    drawn = figures.save(sheet, out / "quality")
    _print(names, columns)
    print(printable(f"wrote {out / 'quality.csv'} and {drawn.name}"))


def _scaled(raw: np.ndarray, card: Card) -> np.ndarray:
    constants = {name: (card.quality or {})[name] for name in ("alpha", "center")}
    return np.asarray(jax.vmap(partial(scale_quality, **constants))(jnp.asarray(raw)))


def _write_csv(
    path: Path, files: Sequence[Path], columns: dict[str, np.ndarray]
) -> None:
    with path.open("w", newline="", encoding="utf-8", errors=KEPT) as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", *columns])
        for i, file in enumerate(files):
            writer.writerow([file, *(f"{x[i]:.6f}" for x in columns.values())])


def _print(names: Sequence[str], columns: dict[str, np.ndarray]) -> None:
    table = Table("rank", "image", "SER-FIQ", "standard error", "scaled")
    for i, name in enumerate(names[:MOST_SHOWN]):
        numbers = cells(*(values[i] for values in columns.values()))
        numbers += [] if "scaled_quality" in columns else ["not calibrated"]
        table.add_row(str(i + 1), plain(name), *numbers)
    Console().print(table)
    if len(names) > MOST_SHOWN:
        print(f"and {len(names) - MOST_SHOWN} better ones")
