import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.evaluation import faithfulness
from fxai_jax.evaluation.curve_areas import (
    faithfulness_chart,
    faithfulness_rows,
    pair_measures,
    random_range,
)
from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.faithfulness import Faithfulness
from fxai_jax.evaluation.perturbation import PRESETS, both_modes, percentile_ranks
from fxai_jax.evaluation.registry import EXPLAINERS, REFERENCES
from fxai_jax.evaluation.scores import score_pairs
from fxai_jax.metrics.faithfulness import area, cosine_curve
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.running import Results, run
from fxai_jax.runs.tasks import over_pairs
from tests.evaluation.tiny import (
    SIZE,
    explainer,
    network,
    noise,
    pairs_of,
    rows_map,
    upper_half,
)
from tests.reference import fame_masks
from tests.reference.perturbed import perturbed_embeddings

PRESET = PRESETS["genuine"]._replace(curves=both_modes(("black", "mean")), steps=4)
GOOD, BAD = explainer(rows_map(1)), explainer(rows_map(-1))
RANDOM = explainer(noise, random=True)
ALL = {
    "good": GOOD,
    "centred-gaussian": BAD,
    "smooth-random": RANDOM,
    "pixel-random": RANDOM,
}


@pytest.fixture
def images(rng):
    people = rng.uniform(size=(3, SIZE, SIZE, 3))
    both = np.concatenate([people, 0.9 * people + 0.1 * rng.uniform(size=people.shape)])
    return list(both.astype(np.float32))


@pytest.fixture
def model(rng):
    return upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


@pytest.fixture
def pairs(images):
    light = ["dim", "dim", "bright", "bright"]
    return pairs_of(images, range(4), [3, 4, 5, 1], [1, 1, 1, 0], light=light)


def curves_of(model, key, images, each=GOOD, preset=PRESET, draws=5):
    options = {"entry": each, "preset": preset, "draws": draws}
    return faithfulness.measure((model, jnp.float32(0.5)), key, *images, **options)


def runs_of(model, pairs, explainers, preset=PRESET, draws=5, **options):
    found = {}
    for name, each in explainers.items():
        static = {"entry": each, "preset": preset, "draws": draws}
        shared = model, jnp.float32(0.5)
        task = over_pairs("", faithfulness.measure, shared, pairs, static=static)
        found[name] = run(task, RunOptions(**options))
    return found


def test_the_curves_of_a_pair_are_those_of_the_metric(model, images, key):
    found = curves_of(model, key, images[:2])
    assert list(found) == [
        "highest deleted, black",
        "highest deleted, mean",
        "highest inserted, black",
        "highest inserted, mean",
    ]
    map_ = rows_map(1)(None, None, None)
    for name, mode, fill in (
        ("highest inserted, mean", "insertion", "mean"),
        ("highest deleted, black", "deletion", "black"),
    ):
        options = {"mode": mode, "fill": fill, "steps": 4}
        expected = perturbed_embeddings(model, key, images[0], map_, **options)
        curve = cosine_curve(expected, model(images[1]))
        # Pixels of one row are tied: only steps of whole rows are alike for every key.
        assert found[name].shape == (1, 5)
        np.testing.assert_allclose(found[name][0], curve, atol=1e-5)


def test_both_images_are_perturbed_where_the_preset_says_so(model, images, key):
    both = PRESET._replace(perturb="both")
    found = curves_of(model, key, images[:2], preset=both)
    maps = [rows_map(1)(None, None, None)] * 2
    options = {"mode": "deletion", "fill": "mean", "steps": 4}
    sides = [
        perturbed_embeddings(model, key, image, map_, **options)
        for image, map_ in zip(images, maps, strict=False)
    ]
    np.testing.assert_allclose(
        found["highest deleted, mean"][0], cosine_curve(*sides), atol=1e-5
    )
    alone = curves_of(model, key, images[:2])["highest deleted, black"][0]
    deleted = found["highest deleted, black"][0]
    assert deleted[0] == pytest.approx(float(alone[0]), abs=1e-5)
    assert deleted[-1] == pytest.approx(1.0, abs=1e-5)
    assert alone[-1] < 0.999


def test_each_image_is_perturbed_by_its_own_map(model, images, key):
    by_light = explainer(lambda probe, gallery, key: jnp.mean(probe, -1))
    both = PRESET._replace(perturb="both")
    found = curves_of(model, key, images[:2], by_light, both)
    options = {"mode": "insertion", "fill": "black", "steps": 4}
    sides = [
        perturbed_embeddings(model, key, image, jnp.mean(image, -1), **options)
        for image in images[:2]
    ]
    np.testing.assert_allclose(
        found["highest inserted, black"][0], cosine_curve(*sides), atol=1e-5
    )


def test_what_speaks_against_the_match_goes_first_for_rejected_pairs(
    model, images, key
):
    """A map that is negative below: dissimilar rows go first, from the bottom."""
    rejected = PRESET._replace(ranking="dissimilarity")
    found = curves_of(model, key, images[:2], GOOD, rejected)
    expected = curves_of(model, key, images[:2], BAD)
    for name, curve in expected.items():
        np.testing.assert_allclose(found[name], curve, atol=1e-5)
    assert Faithfulness(preset="rejected")._preset().ranking == "dissimilarity"


def test_random_orders_are_drawn_several_times(model, images, key):
    found = curves_of(model, key, images[:2], RANDOM, draws=3)
    curves = np.asarray(found["highest deleted, black"])
    assert curves.shape == (3, 5)
    assert len({*curves[:, 2].tolist()}) == 3
    assert np.ptp(curves[:, 0]) < 1e-6


def test_rows_say_what_the_curves_say(model, pairs):
    runs = runs_of(model, pairs, ALL)
    titles = {name: name.upper() for name in runs}
    rows = faithfulness_rows(runs, titles, pairs, PRESET, threshold=0.5)
    assert [(r["explainer"], r["fill"], r["group"], r["pairs"]) for r in rows] == [
        (title, fill, group, count)
        for fill in ("black", "mean")
        for group, count in (("all", 4), ("light=bright", 2), ("light=dim", 2))
        for title in titles.values()
    ]
    members = {"all": [0, 1, 2, 3], "light=bright": [2, 3], "light=dim": [0, 1]}

    def areas(name, mode, row):
        curves = runs[name].values[f"highest {mode}, {row['fill']}"]
        return 100 * area(curves).mean(1)[members[row["group"]]]

    def difference(name, row):
        return areas(name, "inserted", row) - areas(name, "deleted", row)

    for row in rows:
        name = row["explainer"].lower()
        for column, mode in (("deletion", "deleted"), ("insertion", "inserted")):
            assert row[column] == pytest.approx(areas(name, mode, row).mean())
        gained = difference(name, row)
        assert row["ins - del"].value == pytest.approx(gained.mean(), abs=1e-4)
        if row["pairs"] == 2:  # both resampled pairs are the worse one in 1 of 4 draws
            ends = [gained.min(), gained.max()]
            assert row["ins - del"][1:] == pytest.approx(ends, abs=1e-4)
        margins = {
            "over centred Gaussian": "centred-gaussian",
            "over smooth random": "smooth-random",
            "over pixel random": "pixel-random",
        }
        for column, other in margins.items():
            assert (column in row) == (name != other)
            if column in row:
                expected = (gained - difference(other, row)).mean()
                assert row[column].value == pytest.approx(expected, abs=1e-4)


def test_marking_what_the_network_looks_at_earns_a_margin(model, pairs):
    # No cosine is negative, so that the upper half serves every pair.
    model = jax.tree.map(jnp.abs, model)
    titles = {name: name for name in ALL}
    rows = faithfulness_rows(
        runs_of(model, pairs, ALL), titles, pairs, PRESET, threshold=0.5
    )
    assert rows[0]["over centred Gaussian"].low > 0


def test_correct_is_the_area_of_the_accuracy():
    cosines = np.array([[[0.9, 0.6, 0.1]], [[0.2, 0.7, 0.1]]])
    curves = {f"highest {verb}, black": cosines for verb in ("deleted", "inserted")}
    genuine = np.array([True, False])
    found = pair_measures(curves, "black", genuine, PRESETS["fame"], 0.5)
    np.testing.assert_allclose(found["correct del."], [75, 50])


def test_the_accuracy_of_an_insertion_is_there_too():
    cosines = np.array([[[0.9, 0.6, 0.1]], [[0.2, 0.7, 0.1]]])
    curves = {"highest deleted, black": cosines, "highest inserted, black": -cosines}
    genuine = np.array([True, False])
    found = pair_measures(curves, "black", genuine, PRESETS["fame"], 0.5)
    np.testing.assert_allclose(found["correct ins."], [0, 100])


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.55, 0.95, 1.0])
@pytest.mark.parametrize("steps", [4, 10])
def test_pixels_turn_in_percentiles_with_their_ties(rng, zeros, steps):
    """A clamped map keeps its zeros whatever the step, as the masks of FAME do."""
    levels = rng.integers(1, 40, (SIZE, SIZE)) if rng.random() < 0.5 else None
    map_ = rng.random((SIZE, SIZE)) if levels is None else levels / 40
    map_ = (map_ * (rng.random((SIZE, SIZE)) >= zeros)).astype(np.float32)
    ranks = np.asarray(percentile_ranks(jnp.asarray(map_), steps=steps))
    image = np.ones((SIZE, SIZE, 1))
    for mode in ("deletion", "insertion"):
        for step, expected in enumerate(fame_masks.masked(image, map_, steps, mode)):
            turned = ranks < step * ranks.size // steps
            shown = turned if mode == "insertion" else ~turned
            np.testing.assert_array_equal(shown, expected[..., 0])


def test_the_preset_fame_has_the_numbers_of_its_script(model, pairs, images):
    """Accuracy of all pairs, with maps that are clamped and so have many ties."""
    edges = np.linspace(-1, 1, SIZE, dtype=np.float32)[:, None] * np.ones((1, SIZE))
    clamped = explainer(lambda *_: jnp.asarray(edges, jnp.float32))
    preset, threshold = PRESETS["fame"], 0.9
    found = runs_of(model, pairs, {"clamped": clamped}, preset, draws=1)["clamped"]
    measures = pair_measures(found.values, "black", pairs.genuine, preset, threshold)
    for mode, column in (("deletion", "correct del."), ("insertion", "correct ins.")):
        curves = []
        for a, b in zip(pairs.probe, pairs.gallery, strict=True):
            masks = fame_masks.masked(images[a], edges.clip(0), 10, mode)
            units = [
                np.asarray(model(x), np.float64)
                for x in (*masks.astype(np.float32), images[b])
            ]
            units = [unit / np.linalg.norm(unit) for unit in units]
            curves.append([unit @ units[-1] for unit in units[:-1]])
        expected = fame_masks.accuracy_area(curves, pairs.genuine, threshold)
        assert measures[column].mean() == pytest.approx(expected)
    kept = found.values["highest deleted, black"][:, 0]
    assert np.ptp(kept[:, 6:], axis=1).max() < 1e-6  # the lower half is never deleted


def test_dissimilarity_is_scored_by_how_much_the_cosine_rises():
    deleted = np.array([[[0.1, 0.3, 0.1]]])
    curves = {f"highest {verb}, black": deleted for verb in ("deleted", "inserted")}
    found = pair_measures(curves, "black", np.array([False]), PRESETS["rejected"], 0.5)
    assert list(found) == ["rise", "peak rise"]
    assert found["rise"][0] == pytest.approx(10)
    assert found["peak rise"][0] == pytest.approx(20)


def test_presets_choose_their_pairs(model, pairs):
    scores = score_pairs(model, pairs, RunOptions())
    chosen = faithfulness.preset_pairs(scores, PRESETS["genuine"], 0.5)
    assert chosen.genuine.tolist() == [True] * 3
    assert len(faithfulness.preset_pairs(scores, PRESETS["fame"], 0.5)) == 4
    above = float(np.median(scores.cosine))
    rejected = faithfulness.preset_pairs(scores, PRESETS["rejected"], above)
    assert rejected.probe.tolist() == np.flatnonzero(scores.cosine < above).tolist()
    with pytest.raises(ValueError, match="none of the 4 pairs are rejected"):
        faithfulness.preset_pairs(scores, PRESETS["rejected"], -1.0)


def test_curves_do_not_depend_on_batches_or_devices(model, pairs):
    devices = tuple(jax.devices())
    first, *others = (
        runs_of(model, pairs, {"r": RANDOM}, batch_size=size, devices=where)["r"]
        for size, where in ((1, devices[:1]), (3, devices[:1]), (4, devices))
    )
    for other in others:
        for name, curve in first.values.items():
            np.testing.assert_allclose(
                curve, other.values[name], atol=2e-6, err_msg=name
            )


def test_pairs_that_fail_are_left_out_of_every_row(model, pairs):
    runs = runs_of(model, pairs, ALL)
    kept = np.array([0, 2, 3])
    runs["good"] = runs["good"]._replace(
        rows=kept, values={k: v[kept] for k, v in runs["good"].values.items()}
    )
    titles = {name: name for name in runs}
    rows = faithfulness_rows(runs, titles, pairs, PRESET, threshold=0.5)
    assert {row["pairs"] for row in rows if row["group"] == "all"} == {3}
    alone = faithfulness_rows(
        runs_of(model, pairs.take(kept), ALL), titles, pairs.take(kept), PRESET, 0.5
    )
    for row, other in zip(rows, alone, strict=True):
        assert row["deletion"] == pytest.approx(other["deletion"], abs=1e-4)


def test_the_range_of_random_orders_is_that_of_their_draws(model, pairs):
    found = runs_of(model, pairs, {"random": RANDOM}, draws=8)["random"]
    low, high = random_range(found, "black")
    curves = found.values
    means = [
        100
        * np.mean(
            area(curves["highest inserted, black"][:, draw])
            - area(curves["highest deleted, black"][:, draw])
        )
        for draw in range(8)
    ]
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


@pytest.fixture
def made_up(monkeypatch):
    """The registry with two made-up explainers, in front of the references."""
    known = dict(EXPLAINERS)
    monkeypatch.setattr(faithfulness, "EXPLAINERS", {"good": GOOD, "bad": BAD} | known)


@pytest.mark.slow
@pytest.mark.usefixtures("made_up")
def test_the_report_shows_rows_curves_and_notes(model, pairs):
    protocol = Faithfulness(explainers=("good",), fills=("black",), steps=4, draws=2)
    options = RunOptions(seed=3)
    report = evaluate(protocol, pairs, backbone=network(model), options=options)
    table, chart = report.table, report.chart
    assert table.title == "Faithfulness, preset genuine: 3 pairs, tiny"
    titles = ["made up", "centred Gaussian", "smooth random", "pixel random"]
    # The groups of three genuine pairs are too small for a row of their own.
    assert [row["explainer"] for row in table.rows] == titles
    note, directions, drawn, *_ = table.notes
    assert "correct ins.: accuracy" in directions
    assert note.startswith("Cosines in per cent, 4 steps, probe perturbed, threshold")
    assert drawn.startswith("black: ins - del of smooth random orders lies in [")
    deletion, insertion = chart.panels
    assert (deletion.title, insertion.title) == ("deletion, black", "insertion, black")
    assert deletion.x_label == "pixels deleted / %"
    for panel, column in ((deletion, "deletion"), (insertion, "insertion")):
        assert list(panel.lines) == titles
        for row in table.rows:
            line = panel.lines[row["explainer"]]
            assert line.x.tolist() == [0, 25, 50, 75, 100]
            assert 100 * area(line.y) == pytest.approx(row[column], abs=1e-3)
            assert line.reference == (row["explainer"] != "made up")
        bands = {name: line.band for name, line in panel.lines.items() if line.band}
        assert list(bands) == ["made up", "centred Gaussian"]
        for name, (low, high) in bands.items():
            assert (low <= panel.lines[name].y + 1e-6).all()
            assert (high >= panel.lines[name].y - 1e-6).all()
    assert chart.highlighted == ["made up"]
    facts = report.manifest["options"]
    assert facts["evaluation"] == "faithfulness"
    assert facts["protocol"]["steps"] == 4
    assert (facts["seed"], facts["pairs"], facts["skipped"]) == (3, 3, 0)
    assert list(facts["seconds"]) == ["good", *ALL][:1] + [*ALL][1:]


@pytest.mark.parametrize("preset", ["genuine", "rejected"])
def test_the_best_explainers_stand_out_whatever_the_priors_do(pairs, preset):
    names = ["fggb", "xssab", "gradient", "fame", "corrrise", "edges", *REFERENCES]
    chosen = PRESETS[preset]
    better = dict(
        zip(names, (0.1, 0.5, 0.2, 0.4, 0.3, 0.9, 0.9, 0.9, 0.9), strict=True)
    )

    def found(gain):
        values = {}
        for curve in chosen.curves:
            up = curve.mode == "insertion" or preset == "rejected"
            values[curve.name] = np.full((4, 1, 6), 0.5 + (gain if up else -gain))
        return Results(np.arange(4), values, [])

    titles = {name: name.upper() for name in names}
    curves = {name: found(gain) for name, gain in better.items()}
    chart = faithfulness_chart(curves, titles, pairs, chosen)
    assert chart.highlighted == ["XSSAB", "FAME", "CORRRISE", "GRADIENT"]
    for panel in chart.panels:
        bands = [name for name, line in panel.lines.items() if line.band]
        assert bands == ["XSSAB", "CENTRED-GAUSSIAN"]


@pytest.mark.slow
@pytest.mark.usefixtures("made_up")
def test_thresholds_of_a_sweep_share_one_program_for_each_explainer(
    model, pairs, monkeypatch
):
    traced, measure = [], faithfulness.measure

    def counted(*args, entry, **static):
        traced.append(entry.title)
        return measure(*args, entry=entry, **static)

    monkeypatch.setattr(faithfulness, "measure", counted)
    protocol = Faithfulness(explainers=("good", "fggb", "gradient"), steps=2, draws=1)
    reports = [
        evaluate(
            dataclasses.replace(protocol, threshold=threshold),
            pairs,
            backbone=network(model),
        )
        for threshold in (-1.0, 0.5, 1.0)
    ]
    assert len(traced) == len(set(traced)) == 6
    correct = [report.table.rows[1]["correct del."] for report in reports]
    assert correct[0] == 100
    assert correct[0] >= correct[1] >= correct[2]
    assert correct[2] < 50


def test_a_preset_is_changed_by_what_is_given():
    usual = Faithfulness(preset="fame")._preset()
    assert usual == PRESETS["fame"]
    other = Faithfulness(
        preset="fame", fills=("mean",), perturb="both", steps=3
    )._preset()
    assert other.curves == both_modes(("mean",))
    assert (other.perturb, other.steps, other.pairs) == ("both", 3, "all")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "x"}, "'genuine', 'rejected' or 'fame', got 'x'"),
        ({"perturb": "x"}, "'probe' or 'both', got 'x'"),
        ({"fills": ("x",)}, "'black', 'mean' or 'blur', got 'x'"),
        ({"steps": 0}, "at least 1 of the steps, got 0"),
        ({"steps": 2.5}, "a whole number of the steps, got 2.5"),
        ({"explainers": "edges"}, r"explainers such as \(\"edges\",\), got 'edges'"),
        ({"fills": "black"}, r"fills such as \(\"black\",\), got 'black'"),
        ({"draws": 0}, "at least 1 of the draws, got 0"),
        ({"threshold": 2.0}, r"a cosine in \[-1, 1\], got 2"),
        ({"explainers": ("x",)}, "no explainer 'x'; there are fggb,"),
    ],
)
def test_options_without_a_meaning_are_refused(model, pairs, change, message):
    options = {"explainers": ("edges",)} | change
    with pytest.raises(ValueError, match=message):
        evaluate(Faithfulness(**options), pairs, backbone=network(model))


@pytest.mark.slow
def test_on_real_faces_fggb_is_above_smooth_random_orders():
    protocol = Faithfulness(explainers=("fggb",), fills=("black", "blur"), draws=20)
    report = evaluate(protocol)
    for fill, note in zip(("black", "blur"), report.table.notes[2:4], strict=True):
        rows = {
            row["explainer"]: row
            for row in report.table.rows
            if (row["fill"], row["group"]) == (fill, "all")
        }
        high = float(note.split(", ")[-1].split("]")[0])
        assert note.startswith(fill)
        assert rows["FGGB"]["ins - del"].value > high + 10
