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
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.sets import Files, run_set
from fxai_jax.cli.shared import DEFAULT, OUT, read_face, tell
from fxai_jax.methods.quality import scale_quality
from fxai_jax.runners import faces
from fxai_jax.runners.journal import Record
from fxai_jax.runners.streaming import find_images

SHOWN = 20  # rows of the printed table


def quality(
    images: Files,
    *,
    backbone: str = DEFAULT,
    passes: int = 100,
    seed: int = 0,
    batch_size: int = 32,
    landmarks: Path | None = None,
    out: Path = OUT,
) -> None:
    """Rank faces by quality, lowest first (SER-FIQ).

    Writes quality.csv and a contact sheet. A file that cannot be read is reported and
    skipped; a run that was cut off goes on where it stopped.

    Args:
        images: Aligned faces or folders of them, or photographs with --landmarks.
        backbone: Name of a shipped network, or a checkpoint folder.
        passes: Stochastic passes; more make the quality more exact.
        seed: Start of the random numbers.
        batch_size: Images alive together.
        landmarks: JSON file, five points (x, y) an image: eyes, nose, mouth corners.
        out: Folder for the results.
    """
    paths = find_images(images)
    card, model = load_card(backbone), load_backbone(backbone)
    function = partial(faces.quality_record, passes=passes)
    options = {"method": "ser_fiq", "passes": passes, "seed": seed}
    options |= {"landmarks": landmarks and str(landmarks)}
    records = run_set(
        function,
        model,
        card,
        paths,
        options,
        landmarks=landmarks,
        batch_size=min(batch_size, len(paths)),
        journal=out / "quality.journal",
    )
    records.sort(key=lambda record: float(record.values["quality"]))
    raw = np.array([record.values["quality"] for record in records])
    scaled = _scaled(raw, card)
    _write_quality_csv(out / "quality.csv", records, scaled)
    tell(faces.quality_notices(scaled, raw) if scaled is not None else [])
    sheet = visualize.contact_sheet(
        lambda index: read_face(Path(records[index].name), landmarks, card),
        raw,
        [Path(record.name).name for record in records],
    )
    sheet.savefig(out / "quality.png", dpi=150)
    _print_quality(records, scaled)
    print(f"wrote {out / 'quality.csv'} and quality.png")


def _scaled(raw: np.ndarray, card: Card) -> np.ndarray | None:
    if card.quality is None:
        return None
    constants = {name: card.quality[name] for name in ("alpha", "center")}
    return np.asarray(jax.vmap(partial(scale_quality, **constants))(jnp.asarray(raw)))


def _write_quality_csv(
    path: Path, records: Sequence[Record], scaled: np.ndarray | None
) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "quality", "standard_error", "scaled_quality"])
        for i, (name, values, _) in enumerate(records):
            numbers = [float(values["quality"]), float(values["standard_error"])]
            numbers += [] if scaled is None else [float(scaled[i])]
            writer.writerow([name, *(f"{number:.6f}" for number in numbers)])


def _print_quality(records: Sequence[Record], scaled: np.ndarray | None) -> None:
    table = Table("rank", "image", "SER-FIQ", "standard error", "scaled")
    for i, (name, values, _) in enumerate(records[:SHOWN]):
        numbers = [values["quality"], values["standard_error"]]
        cells = [f"{float(number):.4f}" for number in numbers]
        cells.append("not calibrated" if scaled is None else f"{scaled[i]:.4f}")
        table.add_row(str(i + 1), Path(name).name, *cells)
    Console().print(table)
    if len(records) > SHOWN:
        print(f"and {len(records) - SHOWN} better ones")
