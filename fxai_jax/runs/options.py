"""How a run is carried out, whatever is run."""

import dataclasses
from pathlib import Path

import jax
from rich.console import Console

from fxai_jax.runs.keys import check_seed


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """How a run is carried out. Only the seed changes values.

    Attributes:
        seed: Start of all random numbers, in [0, 2**32).
        batch_size: Examples alive together, rounded up to a multiple of the devices;
            None takes what suits the work.
        devices: Devices to use; None takes all of this process.
        resume: Folder in which finished examples are noted, so that a run which was cut
            off goes on where it stopped; None notes nothing.
        console: Where progress and notes are written; None is silent.
    """

    seed: int = 0
    batch_size: int | None = None
    devices: tuple[jax.Device, ...] | None = None
    resume: Path | None = None
    console: Console | None = None

    def __post_init__(self) -> None:
        """Refuses a seed that starts nothing of its own."""
        check_seed(self.seed)
