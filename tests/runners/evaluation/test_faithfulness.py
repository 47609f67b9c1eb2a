import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.faces import sample_pairs
from fxai_jax.data.pair_sets import open_pairs, take_pairs
from fxai_jax.metrics.faithfulness import (
    PRESETS,
    area,
    cosine_curve,
    perturbed_embeddings,
)
from fxai_jax.runners.evaluation import faithfulness
from fxai_jax.runners.evaluation.explainers import EXPLAINERS
from fxai_jax.runners.evaluation.scores import score_pairs
from tests.runners.evaluation.tiny import (
    SIZE,
    explainer,
    network,
    noise,
    pair_set,
    rows_map,
)

PROTOCOL = PRESETS["genuine"]._replace(fills=("black", "mean"), steps=4)
GOOD, BAD = explainer(rows_map(1)), explainer(rows_map(-1))
RANDOM = explainer(noise, random=True)


@pytest.fixture
def images(rng):
    people = rng.uniform(size=(3, SIZE, SIZE, 3))
    both = np.concatenate([people, 0.9 * people + 0.1 * rng.uniform(size=people.shape)])
    return list(both.astype(np.float32))


@pytest.fixture
def model(rng):
    return network(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


@pytest.fixture
def pairs(images):
    light = ["dim", "dim", "bright", "bright"]
    return pair_set(images, range(4), [3, 4, 5, 1], [1, 1, 1, 0], light=light)


def test_the_curves_of_a_pair_are_those_of_the_metric(model, images, key):
    found = faithfulness.pair_curves(
        model, key, *images[:2], explainer=GOOD, protocol=PROTOCOL, threshold=0.5
    )
    assert sorted(found) == [
        f"{fill} {mode}" for fill in ("black", "mean") for mode in faithfulness.MODES
    ]
    map_ = rows_map(1)(None, None, None)
    options = {"mode": "insertion", "fill": "mean", "steps": 4}
    expected = perturbed_embeddings(model, key, images[0], map_, **options)
    curve = cosine_curve(expected, model(images[1]))
    # Pixels of one row are tied: only steps of whole rows are alike for every key.
    assert found["mean insertion"].shape == (1, 5)
    np.testing.assert_allclose(found["mean insertion"][0], curve, atol=1e-5)


def test_both_images_are_perturbed_where_the_protocol_says_so(model, images, key):
    both = PROTOCOL._replace(perturb="both", fills=("black",))
    found = faithfulness.pair_curves(
        model, key, *images[:2], explainer=GOOD, protocol=both, threshold=0.5
    )
    deleted = found["black deletion"][0]
    alone = faithfulness.pair_curves(
        model, key, *images[:2], explainer=GOOD, protocol=PROTOCOL, threshold=0.5
    )["black deletion"][0]
    assert deleted[0] == pytest.approx(float(alone[0]), abs=1e-5)
    assert deleted[-1] == pytest.approx(1.0, abs=1e-5)
    assert alone[-1] < 0.999


def test_random_orders_are_drawn_several_times(model, images, key):
    found = faithfulness.pair_curves(
        model,
        key,
        *images[:2],
        explainer=RANDOM,
        protocol=PROTOCOL,
        threshold=0.5,
        draws=3,
    )
    curves = np.asarray(found["black deletion"])
    assert curves.shape == (3, 5)
    assert np.ptp(curves[:, 2]) > 0
    assert np.ptp(curves[:, 0]) < 1e-6


def runs_of(model, pairs, explainers, protocol=PROTOCOL, **options):
    return {
        name: faithfulness.run_explainer(
            model, jax.random.key(0), pairs, each, protocol, threshold=0.5, **options
        )
        for name, each in explainers.items()
    }


REFERENCES = {
    "centred-gaussian": BAD,
    "smooth-random": RANDOM,
    "pixel-random": RANDOM,
}


def test_rows_say_what_the_curves_say(model, pairs):
    # No cosine is negative, so that the upper half serves every pair.
    model = jax.tree.map(jnp.abs, model)
    runs = runs_of(model, pairs, {"good": GOOD, **REFERENCES})
    titles = {name: name.upper() for name in runs}
    rows = faithfulness.faithfulness_rows(runs, titles, pairs, PROTOCOL, threshold=0.5)
    assert len(rows) == 2 * 3 * 4
    first = rows[0]
    assert (first["explainer"], first["fill"], first["group"]) == (
        "GOOD",
        "black",
        "all",
    )
    curves = runs["good"].curves
    deleted, inserted = (
        100
        * np.mean([area(jnp.asarray(curve[0])) for curve in curves[f"black {mode}"]])
        for mode in faithfulness.MODES
    )
    assert first["deletion"] == pytest.approx(deleted, abs=1e-3)
    assert first["ins - del"].value == pytest.approx(inserted - deleted, abs=1e-3)
    assert first["ins - del"].low <= first["ins - del"].value <= first["ins - del"].high
    bad = rows[1]
    margin = first["over centred Gaussian"]
    assert margin.value == pytest.approx(
        first["ins - del"].value - bad["ins - del"].value, abs=1e-3
    )
    assert margin.low > 0
    assert "over centred Gaussian" not in bad
    dim = next(row for row in rows if row["group"] == "light=dim")
    assert dim["pairs"] == 2


def test_correct_is_the_area_of_the_accuracy():
    cosines = np.array([[[0.9, 0.6, 0.1]], [[0.2, 0.7, 0.1]]])
    curves = {"black deletion": cosines, "black insertion": cosines}
    genuine = np.array([True, False])
    found = faithfulness.pair_measures(curves, "black", genuine, PRESETS["fame"], 0.5)[
        "correct"
    ]
    np.testing.assert_allclose(found, [75, 50])


def test_dissimilarity_is_scored_by_how_much_the_cosine_rises():
    deleted = np.array([[[0.1, 0.3, 0.1]]])
    curves = {"black deletion": deleted, "black insertion": deleted}
    found = faithfulness.pair_measures(
        curves, "black", np.array([False]), PRESETS["rejected"], 0.5
    )
    assert list(found) == ["rise", "peak rise"]
    assert found["rise"][0] == pytest.approx(10)
    assert found["peak rise"][0] == pytest.approx(20)


def test_protocols_choose_their_pairs(model, pairs):
    scores = score_pairs(model, pairs)
    chosen = faithfulness.protocol_pairs(scores, PRESETS["genuine"], 0.5)
    assert chosen.genuine.tolist() == [True] * 3
    assert faithfulness.protocol_pairs(scores, PRESETS["fame"], 0.5).genuine.size == 4
    above = float(np.median(scores.cosine))
    rejected = faithfulness.protocol_pairs(scores, PRESETS["rejected"], above)
    assert rejected.genuine.size == np.sum(scores.cosine < above)
    with pytest.raises(ValueError, match="none of the 4 pairs are rejected"):
        faithfulness.protocol_pairs(scores, PRESETS["rejected"], -1.0)


def test_tables_do_not_depend_on_batches_or_devices(model, pairs):
    devices = jax.devices()
    found = [
        runs_of(model, pairs, {"random": RANDOM}, batch_size=size, devices=where)
        for size, where in ((1, devices[:1]), (3, devices[:1]), (4, devices))
    ]
    for other in found[1:]:
        for name, curve in found[0]["random"].curves.items():
            np.testing.assert_allclose(
                curve, other["random"].curves[name], atol=2e-6, err_msg=name
            )


def test_pairs_that_fail_are_left_out_of_every_row(model, pairs):
    runs = runs_of(model, pairs, {"good": GOOD, **REFERENCES})
    runs["good"] = runs["good"]._replace(
        rows=runs["good"].rows[[0, 2, 3]],
        curves={k: v[[0, 2, 3]] for k, v in runs["good"].curves.items()},
    )
    titles = {name: name for name in runs}
    rows = faithfulness.faithfulness_rows(runs, titles, pairs, PROTOCOL, threshold=0.5)
    assert {row["pairs"] for row in rows if row["group"] == "all"} == {3}


def test_an_explainer_that_fails_everywhere_is_an_error(pairs):
    model = network(np.full((SIZE * SIZE * 3 // 2, 8), np.nan))
    with pytest.raises(ValueError, match="made up failed on every pair"):
        runs_of(model, pairs, {"good": GOOD})


def test_the_range_of_random_orders_covers_their_mean(model, pairs):
    run = runs_of(model, pairs, {"random": RANDOM}, draws=8)["random"]
    low, high = faithfulness.random_range(run, "black", PROTOCOL)
    mean = faithfulness.pair_measures(
        run.curves, "black", pairs.genuine, PROTOCOL, 0.5
    )["ins - del"].mean()
    assert low < mean < high


@pytest.mark.slow
def test_on_real_faces_fggb_is_above_smooth_random_orders():
    model = load_backbone("mobilefacenet")
    pairs = open_pairs(sample_pairs())
    pairs = take_pairs(pairs, np.flatnonzero(pairs.genuine))
    protocol = PRESETS["genuine"]._replace(fills=("black", "blur"))
    explainers = {name: EXPLAINERS[name] for name in ("fggb", "smooth-random")}
    runs = runs_of(model, pairs, explainers, protocol, batch_size=4, draws=20)
    for fill in protocol.fills:
        _, high = faithfulness.random_range(runs["smooth-random"], fill, protocol)
        fggb = faithfulness.pair_measures(
            runs["fggb"].curves, fill, pairs.genuine, protocol, 0.5
        )["ins - del"].mean()
        assert fggb > high + 10
