"""What the driver asks of a protocol: what to run, and what to make of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from fxai_jax.evaluation.report import Findings
from fxai_jax.evaluation.scores import Scores
from fxai_jax.own.importing import Network
from fxai_jax.runs.running import Results, Task


class Plan(NamedTuple):
    """What a protocol does with one list and one network."""

    tasks: Sequence[Task]
    """What is run, each under its own `file`."""

    findings: Callable[[Mapping[str, Results]], Findings]
    """Tables and charts, from the results by the tasks' files."""

    facts: Mapping[str, Any]
    """What the manifest says beside the protocol's fields, ready for JSON."""

    notices: Sequence[str] = ()
    """What to tell before the run starts."""


@runtime_checkable
class Evaluation(Protocol):
    """A protocol: a frozen dataclass of its parameters that plans a run.

    Its fields go into the manifest; its docstring and theirs are the help of the
    command.
    """

    name: ClassVar[str]
    usual_limit: ClassVar[int | None]
    """Most pairs where nobody says how many."""

    whole_list: ClassVar[bool]
    """Whether the cosines of the whole list decide something, such as the threshold,
    however few of its pairs are then used. Elsewhere the rest is not embedded."""

    @property
    def flip(self) -> bool:
        """Whether the cosines are those of faces and their mirror images."""
        ...

    def plan(
        self, network: Network, scores: Scores, seed: int, limit: int | None = None
    ) -> Plan:
        """Decides what is run, on at most `limit` of the pairs that it is meant for."""
        ...
