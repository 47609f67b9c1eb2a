"""What the evaluations share: reading and scoring lists, publishing tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table as RichTable

from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card
from fxai_jax.cli.shared import tell
from fxai_jax.command_line import STDERR
from fxai_jax.data.faces import sample_pairs
from fxai_jax.data.pair_sets import PairSet, limit_pairs, open_pairs
from fxai_jax.runners.evaluation.scores import Scores, score_pairs
from fxai_jax.runners.evaluation.tables import Table, cell_text, write_table
from fxai_jax.runners.results import make_manifest

WIDTH = 110  # columns of a printed table, also where output goes to a file

PairFile = Annotated[Path | None, tyro.conf.Positional]
"""A list of pairs given by its place; none stands for the sample faces."""


def open_list(
    pairs: Path | None, root: Path | None, card: Card, limit: int | None, seed: int
) -> PairSet:
    """The pairs a command is about.

    Args:
        pairs: File that lists them; None takes the sample faces.
        root: Folder to which the list's images are relative, or None.
        card: Card of the network, for the image size.
        limit: Most pairs, or None for all.
        seed: Start of the random choice of a part.

    Returns:
        The pairs.

    Raises:
        OSError: If files are missing.
        ValueError: If the list cannot be used.
    """
    opened = open_pairs(pairs or sample_pairs(), root=root, size=card.image_size)
    return opened if limit is None else limit_pairs(opened, limit, seed=seed)


def score_list(model: FaceModel, pairs: PairSet, batch_size: int) -> Scores:
    """The cosines of the pairs; tells which images and pairs are left out.

    Args:
        model: The network.
        pairs: Pairs of a list.
        batch_size: Images alive together.

    Returns:
        Cosines of the usable pairs.

    Raises:
        ValueError: If there are none.
    """
    scores = score_pairs(model, pairs, batch_size=batch_size, progress=STDERR)
    tell(f"skipped {error}" for error in scores.errors[:20])
    if scores.skipped:
        tell(
            [
                f"{len(scores.errors)} images cannot be used; {scores.skipped} of "
                f"{pairs.genuine.size} pairs were skipped"
            ]
        )
    return scores


def publish(
    stem: Path,
    table: Table,
    card: Card,
    pairs: Path | None,
    options: Mapping[str, Any],
    *,
    shown: Sequence[str] | None = None,
) -> None:
    """Prints a table and writes it as Markdown, CSV and JSON.

    Args:
        stem: Target without suffix.
        table: The table.
        card: Card of the network.
        pairs: File of the list, or None for the sample faces.
        options: What the command was told.
        shown: Columns to print; None prints all.
    """
    manifest = make_manifest(card, {"pairs": pairs or sample_pairs()}, options)
    write_table(stem, table, manifest)
    columns = list(shown or table.columns)
    printed = RichTable(*columns, title=table.title)
    for row in table.rows:
        if row.get("group", "all") == "all":
            printed.add_row(*(cell_text(row.get(name)) for name in columns))
    Console(width=max(Console().width, WIDTH)).print(printed)
    for note in table.notes:
        print(note)
    hidden = sum(row.get("group", "all") != "all" for row in table.rows)
    if hidden:
        print(f"{hidden} rows of groups are in the files")
    print(f"wrote {stem}.md, .csv, .json and .png")
