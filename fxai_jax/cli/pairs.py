"""``fxai-jax pairs``: what a list of labelled pairs holds, before it is used."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.cli.options import FIGURES, OUT, Figures, Out, Seed, made, plain
from fxai_jax.command_line import STDERR
from fxai_jax.data.names import printable
from fxai_jax.data.pairs import Pairs, open_pairs
from fxai_jax.data.pairs.doubts import doubts
from fxai_jax.data.samples import sample_pairs
from fxai_jax.runs.keys import check_seed
from fxai_jax.runs.progress import tell

MOST_NAMED = 5  # unreadable images named in notes
MOST_VALUES = 10  # values of a group column counted in the table
MOST_SHOWN = 200


def pairs(
    file: Annotated[Path | None, tyro.conf.Positional] = None,
    *,
    root: Path | None = None,
    size: int = 112,
    show: int = 12,
    seed: Seed = 0,
    figures: Figures = FIGURES,
    out: Out = OUT,
) -> None:
    """Look into a list of labelled pairs: counts, image sizes, groups, examples.

    Prints what the list holds, and what makes it say less than it seems to: images
    paired with themselves, repeated pairs, one kind alone. Writes pairs, a sheet of
    random genuine (blue) and impostor pairs (orange), to see whether the labels are
    true. Image sizes are those of the files' headers; only the images shown are
    decoded.

    A list is a table (commas or tabs) with the columns path_a, path_b, label or probe,
    gallery, genuine, where 1 is genuine, 0 impostor, and further columns are groups; or
    a list in LFW's style (pairs.txt); or a packed benchmark of InsightFace (lfw.bin),
    of which nothing is executed.

    Args:
        file: List of pairs; without it, those of the sample faces.
        root: Folder to which the list's images are relative; None is the list's own.
        size: Height and width in pixels that the images should have.
        show: Pairs on the sheet, half of them genuine where there are as many.
    """
    if not 1 <= show <= MOST_SHOWN:
        raise ValueError(f"--show takes 1 to {MOST_SHOWN} pairs, got {show}")
    check_seed(seed)
    path = sample_pairs() if file is None else file
    found = open_pairs(path, root=root, size=None)
    sizes, unreadable = _measure(found)
    Console().print(_table(path.name, found, sizes, len(unreadable)))
    tell(STDERR, [*_named(unreadable), *_other_sizes(sizes, size), *doubts(found)])
    sheet = visualize.pair_sheet(found.take(_chosen(found.genuine, show, seed)))
    print(printable(f"wrote {figures.save(sheet, made(out) / 'pairs')}"))


def _measure(pairs: Pairs) -> tuple[Counter[tuple[int, int]], list[str]]:
    sizes: Counter[tuple[int, int]] = Counter()
    unreadable = []
    places = range(len(pairs.images))
    for i in track(places, "reading headers", console=STDERR, transient=True):
        try:
            sizes[pairs.measure(i)] += 1
        except (OSError, ValueError) as error:
            unreadable.append(" ".join(str(error).split()))
    return sizes, unreadable


def _table(
    name: str,
    pairs: Pairs,
    sizes: Counter[tuple[int, int]],
    unreadable: int,
) -> Table:
    table = Table("what", "count", "which", title=plain(name))
    genuine = int(pairs.genuine.sum())
    table.add_row("pairs", str(len(pairs)))
    table.add_row("genuine", str(genuine))
    table.add_row("impostor", str(len(pairs) - genuine))
    table.add_row("distinct images", str(len(pairs.images)), end_section=True)
    for (height, width), count in sizes.most_common(MOST_VALUES):
        table.add_row("images of size", str(count), f"{height} x {width}")
    _add_rest(table, len(sizes), "sizes")
    table.add_row("unreadable images", str(unreadable))
    for column, texts in pairs.groups.items():
        table.add_section()
        values = Counter(texts)
        for text, count in values.most_common(MOST_VALUES):
            table.add_row(plain(column), str(count), plain(text))
        _add_rest(table, len(values), "values")
    return table


def _add_rest(table: Table, count: int, what: str) -> None:
    if count > MOST_VALUES:
        table.add_row("", "", f"and {count - MOST_VALUES} more {what}")


def _named(errors: list[str]) -> list[str]:
    more = len(errors) - MOST_NAMED
    rest = [f"and {more} more images are unreadable"] if more > 0 else []
    return [*errors[:MOST_NAMED], *rest]


def _other_sizes(sizes: Counter[tuple[int, int]], size: int) -> list[str]:
    others = sizes.total() - sizes[size, size]
    if not others:
        return []
    return [
        f"{others} of {sizes.total()} images are not {size} x {size}: a network of "
        "this size refuses them; align or resize them first"
    ]


def _chosen(genuine: np.ndarray, show: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    kinds = [rng.permutation(np.flatnonzero(genuine == kind)) for kind in (True, False)]
    first = max((show + 1) // 2, show - len(kinds[1]))
    first = min(first, len(kinds[0]))
    return np.concatenate([kinds[0][:first], kinds[1][: show - first]])
