"""Arguments that several commands take, each with its help, and what they share."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from rich.text import Text

from fxai_jax import visualize
from fxai_jax.data.names import printable
from fxai_jax.visualize.formats import Format, check_dpi
from fxai_jax.writing import local_folder

OUT = Path("fxai_out")
DEFAULT = "mobilefacenet"

Files = Annotated[
    list[Path],
    tyro.conf.Positional,
    tyro.conf.arg(
        help="Aligned faces or folders of them, or photographs with --landmarks."
    ),
]
Backbone = Annotated[
    str,
    tyro.conf.arg(
        help="Name of a shipped network, a checkpoint folder, or module:name, a "
        "function or class, installed or in the working directory, that returns a "
        "model when it is called without arguments."
    ),
]
Threshold = Annotated[
    float | None,
    tyro.conf.arg(
        help="Cosine at which pairs are accepted; None takes the network's own."
    ),
]
Landmarks = Annotated[
    Path | None,
    tyro.conf.arg(
        help="JSON file, five points (x, y) an image: eyes, nose, mouth corners; its "
        "keys are paths beside the file or in the folder given, or the ends of paths."
    ),
]
Passes = Annotated[
    int,
    tyro.conf.arg(help="Stochastic passes of the quality; more make it more exact."),
]
Seed = Annotated[int, tyro.conf.arg(help="Start of the random numbers.")]
Out = Annotated[Path, tyro.conf.arg(help="Folder for the results.")]


@dataclasses.dataclass(frozen=True)
class FigureFiles:
    """How figures are written.

    Attributes:
        format: Of the figures: png, or pdf or svg for papers, in which text stays text.
        dpi: Pixels per inch of the figures, 20 to 1200.
    """

    format: Format = "png"
    dpi: int = 150

    def __post_init__(self) -> None:
        """Refuses what no figure can be written with, before anything is computed."""
        check_dpi(self.dpi)

    def save(self, figure: Any, stem: Path) -> Path:
        """Writes ``stem.format``."""
        return visualize.save_figure(figure, stem, **dataclasses.asdict(self))


Figures = Annotated[FigureFiles, tyro.conf.OmitArgPrefixes]
FIGURES = FigureFiles()


def made(folder: Path) -> Path:
    """The folder for the results, made where it is missing."""
    return local_folder(folder, "--out")


def landmark_facts(landmarks: Path | None) -> dict[str, str | None]:
    """What a manifest says of the landmarks: their file, and what is in it."""
    if landmarks is None:
        return {"landmarks": None}
    with landmarks.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"landmarks": str(landmarks), "landmarks_sha256": digest}


def plain(text: str) -> Text:
    """A text from a file as a cell, in which no markup counts."""
    return Text(printable(text))


def cells(*numbers: float | np.floating | np.ndarray | jax.Array) -> list[str]:
    """Numbers as cells of a printed table."""
    return [f"{float(number):.4f}" for number in numbers]
