"""The one way through an evaluation: open, score, plan, run, report."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fxai_jax.cards import fingerprint
from fxai_jax.data.pairs import Pairs, open_pairs
from fxai_jax.data.pairs.doubts import doubts
from fxai_jax.data.samples import sample_pairs
from fxai_jax.evaluation.checks import check_count
from fxai_jax.evaluation.persons import interval_note, with_persons
from fxai_jax.evaluation.plan import Evaluation, Plan
from fxai_jax.evaluation.report import Report
from fxai_jax.evaluation.scores import label_doubts, score_pairs
from fxai_jax.networks import open_network
from fxai_jax.own.adapters import as_argument
from fxai_jax.own.importing import Network
from fxai_jax.runs.manifest import make_manifest
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.progress import tell
from fxai_jax.runs.running import Results, run

MOST_TOLD = 5  # pairs that failed in one task are named up to this number


def evaluate(
    protocol: Evaluation,
    pairs: str | Path | Pairs | None = None,
    *,
    backbone: str | Path | Network = "mobilefacenet",
    root: str | Path | None = None,
    limit: int | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008, frozen
) -> Report:
    """Evaluates a network or explanations of it on labelled pairs.

    Args:
        protocol: What is measured, one of `fxai_jax.evaluation.protocols`.
        pairs: A list (see `fxai_jax.data.pairs.open_pairs`), or pairs; None takes the
            sample faces.
        backbone: Name of a shipped network, a checkpoint folder, code of your own as
            "module:name" (see `fxai_jax.load_backbone`), or a
            `fxai_jax.Network`: a model with its card.
        root: Folder to which the images of the list are relative; None is its own.
        limit: Most pairs that the protocol uses, chosen at random with the share of
            genuine ones kept; None takes its usual number, all for most. A threshold
            that is found on the list is that of the whole list.
        options: How it is run. A run that was cut off goes on from the notes that it
            left in the folder `resume`.

    Returns:
        Tables, charts and manifest.

    Raises:
        TypeError: If the protocol is none; a class must be called.
        OSError: If the list or its images are missing.
        ValueError: If the list or the network cannot be used, or an option is wrong.

    Example:
        >>> from fxai_jax.evaluation.protocols import Verification
        >>> report = evaluate(Verification())
        >>> report.table.rows[0]["impostor"]
        18
    """
    if isinstance(protocol, type) or not isinstance(protocol, Evaluation):
        raise TypeError(
            f"expected a protocol such as protocols.Verification(), got {protocol!r}"
        )
    network = backbone if isinstance(backbone, Network) else open_network(backbone)
    network = network._replace(model=as_argument(network.model))
    options = _resumed(options, protocol.name)
    listed = sample_pairs() if pairs is None else pairs
    if not isinstance(listed, Pairs):
        listed = open_pairs(listed, root=root, size=network.card.image_size)
    listed, how = with_persons(listed)
    limit = protocol.usual_limit if limit is None else limit
    check_count("pairs", limit)
    if limit is not None and not protocol.whole_list:
        listed = listed.limit(limit, seed=options.seed)
    scores = score_pairs(network.model, listed, options, flip=protocol.flip)
    plan = protocol.plan(network, scores, options.seed, limit)
    tell(options.console, plan.notices)
    results, seconds = _run(plan, network, options)
    findings = plan.findings(results)
    facts = {"evaluation": protocol.name, **vars(protocol), **plan.facts}
    facts |= {"seed": options.seed, "limit": limit, "skipped": scores.skipped}
    inputs = {} if listed.source is None else {"pairs": listed.source}
    manifest = make_manifest(network.card, inputs, facts | {"seconds": seconds})
    notes = [*doubts(listed), *label_doubts(scores), interval_note(scores.pairs, how)]
    tables = {
        name: table._replace(notes=[*table.notes, *notes])
        for name, table in findings.tables.items()
    }
    return Report(tables, findings.charts, manifest)


def _resumed(options: RunOptions, name: str) -> RunOptions:
    if options.resume is None:
        return options
    return dataclasses.replace(options, resume=options.resume / f"{name}.journals")


def _run(
    plan: Plan, network: Network, options: RunOptions
) -> tuple[Mapping[str, Results], dict[str, Any]]:
    results, seconds = {}, {}
    for task in plan.tasks:
        task = task._replace(depends={**task.depends, **fingerprint(network.card)})
        results[task.file] = run(task, options)
        seconds[task.file] = round(results[task.file].seconds, 1)
        errors = results[task.file].errors[:MOST_TOLD]
        tell(options.console, [f"{task.title}: {error}" for error in errors])
    return results, seconds
