import dataclasses
import json
from functools import partial

import numpy as np
import pytest
from rich.console import Console

from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.pairs import open_pairs
from fxai_jax.data.samples import sample_pairs
from fxai_jax.evaluation import faithfulness, protocols
from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.faithfulness import Faithfulness
from fxai_jax.evaluation.registry import EXPLAINERS, tasks_of
from fxai_jax.evaluation.verification import Verification
from fxai_jax.own.importing import Network
from fxai_jax.runs.options import RunOptions
from tests.evaluation.tiny import (
    SIZE,
    explainer,
    network,
    pairs_of,
    rows_map,
    upper_half,
)


@pytest.fixture
def model(rng):
    return upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


@pytest.fixture
def images(rng):
    return list(rng.uniform(size=(6, SIZE, SIZE, 3)).astype(np.float32))


@pytest.fixture
def pairs(images):
    return pairs_of(images, range(6), [1, 2, 3, 4, 5, 0], [1, 1, 1, 1, 0, 0])


@pytest.fixture
def quick(monkeypatch):
    """A protocol with a made-up explainer."""
    good = explainer(rows_map(1))
    monkeypatch.setattr(faithfulness, "EXPLAINERS", {"good": good} | EXPLAINERS)
    options = {"threshold": 0.5, "fills": ("black",), "steps": 2, "draws": 1}
    return Faithfulness(explainers=("good",), **options)


@pytest.mark.slow
def test_pairs_come_as_a_list_as_pairs_or_are_the_samples():
    opened = open_pairs(sample_pairs())
    given = [None, sample_pairs(), str(sample_pairs()), opened]
    rows = [evaluate(Verification(), each).table.rows for each in given]
    assert rows[0] == rows[1] == rows[2] == rows[3]
    own = Network(load_backbone("mobilefacenet"), load_card("mobilefacenet"))
    assert evaluate(Verification(), backbone=own).table.rows == rows[0]
    with pytest.raises(FileNotFoundError, match="images are missing"):
        evaluate(Verification(), sample_pairs(), root="/nowhere")
    with pytest.raises(ValueError, match="found no examples"):
        evaluate(Verification(), opened.take(np.array([], int)))


def test_a_model_of_any_kind_is_evaluated(model, pairs):
    card = network(model).card
    rows = [
        evaluate(Verification(), pairs, backbone=Network(each, card)).table.rows
        for each in (
            model,
            lambda image: model(image),
            partial(type(model).__call__, model),
        )
    ]
    assert rows[0] == rows[1] == rows[2]


def test_the_manifest_says_how_to_make_it_again():
    report = evaluate(Verification(threshold=0.3), limit=10, options=RunOptions(seed=4))
    assert report.table.rows[0]["pairs"] == 10
    facts = report.manifest["options"]
    assert facts == {
        "evaluation": "verification",
        "threshold": 0.3,
        "flip": False,
        "as_insightface": False,
        "pairs": 10,
        "seed": 4,
        "limit": 10,
        "skipped": 0,
        "seconds": {},
    }
    [listed] = report.manifest["inputs"].values()
    assert listed["path"] == str(sample_pairs())
    json.dumps(report.manifest)


def test_the_limit_of_a_protocol_holds_where_nobody_gives_one(model, pairs):
    @dataclasses.dataclass(frozen=True)
    class Few(Verification):
        usual_limit = 3

    assert len(evaluate(Few(), pairs, backbone=network(model)).table.rows) == 1
    for limit, count in ((None, 3), (5, 5), (100, 6)):
        report = evaluate(Few(), pairs, backbone=network(model), limit=limit)
        assert report.table.rows[0]["pairs"] == count


def test_a_run_goes_on_and_uses_what_it_noted(quick, model, pairs, tmp_path):
    options = RunOptions(resume=tmp_path)
    whole = evaluate(quick, pairs, backbone=network(model), options=options)
    names = {"good", "centred-gaussian", "smooth-random", "pixel-random"}
    folder = tmp_path / "faithfulness.journals"
    assert {path.stem for path in folder.iterdir()} == names
    journal = folder / "good.jsonl"
    head, *lines = journal.read_text().splitlines()
    noted = json.loads(lines[0])
    noted["values"]["highest deleted, black"] = [[0.5, 0.5, 0.5]]
    journal.write_text("\n".join([head, json.dumps(noted)]) + "\n")
    again = evaluate(quick, pairs, backbone=network(model), options=options)
    deleted = [report.table.rows[0]["deletion"] for report in (whole, again)]
    curves = [json.loads(line)["values"]["highest deleted, black"][0] for line in lines]
    areas = [100 * np.trapezoid(curve, dx=0.5) for curve in curves]
    assert deleted[0] == pytest.approx(np.mean(areas), abs=1e-3)
    assert deleted[1] == pytest.approx(np.mean([50, *areas[1:]]), abs=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 0.4},
        {"steps": 3},
        {"draws": 2},
        {"perturb": "both"},
        {"fills": ("mean",)},
    ],
)
def test_another_protocol_does_not_go_on(quick, model, pairs, tmp_path, change):
    options = RunOptions(resume=tmp_path)
    evaluate(quick, pairs, backbone=network(model), options=options)
    other = dataclasses.replace(quick, **change)
    with pytest.raises(ValueError, match="another network"):
        evaluate(other, pairs, backbone=network(model), options=options)


def test_another_network_does_not_go_on(quick, model, pairs, tmp_path):
    options = RunOptions(resume=tmp_path)
    evaluate(quick, pairs, backbone=network(model), options=options)
    card = dataclasses.replace(network(model).card, weights_sha256="0" * 64)
    with pytest.raises(ValueError, match="another network"):
        evaluate(quick, pairs, backbone=Network(model, card), options=options)


def test_it_tells_what_was_left_out(quick, model, images, pairs):
    console = Console(record=True, width=200)
    images[4] = None
    options = RunOptions(console=console)
    report = evaluate(quick, pairs, backbone=network(model), options=options)
    assert report.manifest["options"]["skipped"] == 2
    assert "2 of 6 pairs were skipped" in console.export_text()


def test_every_protocol_is_listed_by_its_name():
    assert sorted(protocols.PROTOCOLS) == [
        "faithfulness",
        "frequency",
        "localisation",
        "quality",
        "sanity",
        "verification",
    ]
    for name, protocol in protocols.PROTOCOLS.items():
        assert protocol().name == name
        assert getattr(protocols, name.capitalize()) is protocol


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("wrong", ["verification", Verification, None])
def test_what_is_no_protocol_is_refused(wrong):
    with pytest.raises(TypeError, match=r"such as protocols\.Verification"):
        evaluate(wrong)


def test_a_run_does_not_go_on_with_another_input_convention(
    quick, model, pairs, tmp_path
):
    own, options = network(model), RunOptions(resume=tmp_path)
    evaluate(quick, pairs, backbone=own, options=options)
    options_of_card = {**own.card.options, "order": "bgr"}
    card = dataclasses.replace(own.card, options=options_of_card)
    with pytest.raises(ValueError, match=r"\(options order was rgb, is bgr\)"):
        evaluate(quick, pairs, backbone=own._replace(card=card), options=options)


def test_a_run_goes_on_though_the_threshold_differs_in_its_last_bits(model, pairs):
    tasks = [
        tasks_of(EXPLAINERS, print, model, pairs, {}, threshold=threshold)
        for threshold in (0.2721030668657888, 0.2721030867563917, 0.2722)
    ]
    first, second, other = ([task.depends for task in each] for each in tasks)
    assert first == second != other


def test_one_drawing_has_no_range(quick, model, pairs):
    notes = evaluate(quick, pairs, backbone=network(model)).table.notes
    assert not any("smooth random orders lies in" in note for note in notes)
