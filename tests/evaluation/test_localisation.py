import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.evaluation import localisation
from fxai_jax.evaluation.donors import choose_donors
from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.localisation import Localisation
from fxai_jax.evaluation.registry import EXPLAINERS
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.running import run
from tests.conftest import SEED
from tests.evaluation.tiny import (
    SIZE,
    explainer,
    network,
    noise,
    pairs_of,
    upper_half,
)

THRESHOLD = 0.999
"""Between the cosine of a patched image with its original and 1, that of the two."""

OPTIONS = {"threshold": THRESHOLD, "patches": 6, "side": 8, "draws": 20}


@contextlib.contextmanager
def protocol_with(each):
    """The protocol with one more explainer in the registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localisation, "EXPLAINERS", {"made-up": each} | EXPLAINERS)
        yield Localisation(explainers=("made-up",), **OPTIONS)


def where_they_differ(probe, gallery, key):
    """Negative where the probe differs from the gallery image, else positive."""
    same = jnp.all(probe == gallery, axis=-1)
    return jnp.where(same, 1.0, -1.0)


FINDS = explainer(where_they_differ)
MISSES = explainer(lambda *pair: -where_they_differ(*pair))
MARKS = explainer(
    lambda *pair: (1.0 - where_they_differ(*pair)) / 2, sign_is_importance=False
)
GUESSES = explainer(noise, sign_is_importance=False, random=True)


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng([SEED, 1])
    images = list(rng.uniform(size=(3, SIZE, SIZE, 3)).astype(np.float32))
    # Genuine pairs of one image with itself: only the patches differ.
    return pairs_of(images, [0, 1, 2, 0], [0, 1, 2, 1], [1, 1, 1, 0], sex=list("ffmm"))


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng([SEED, 2])
    return upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)


@pytest.fixture(scope="module")
def run_with(pairs, model):
    """What a run of the protocol finds with one explainer in the registry."""

    def with_explainer(each, options=None):
        scores = localisation.Scores(pairs, np.zeros(4), 0)
        with protocol_with(each) as protocol:
            task = protocol.plan(network(model), scores, 0).tasks[0]
        assert task.file == "made-up"
        return run(task, options or RunOptions())

    return with_explainer


@pytest.fixture(scope="module")
def found(run_with):
    return run_with(FINDS)


@pytest.fixture(scope="module")
def missed(run_with):
    return run_with(MISSES)


@pytest.fixture(scope="module")
def guessed(run_with):
    return run_with(GUESSES, RunOptions(batch_size=1, devices=(jax.devices()[0],)))


def test_a_map_that_knows_the_patches_finds_all_of_them(found, missed):
    np.testing.assert_allclose(found.values["roc_area"], 1)
    np.testing.assert_allclose(found.values["pr_area"], 1)
    np.testing.assert_allclose(missed.values["roc_area"], 0)
    assert found.values["restored"].shape == (4, 1, 19)


def test_guessing_is_chance(guessed):
    assert guessed.values["roc_area"].shape == (4, 20)
    assert guessed.values["roc_area"].mean() == pytest.approx(0.5, abs=0.02)
    share = 6 * 64 / SIZE**2
    assert guessed.values["pr_area"].mean() == pytest.approx(share, abs=0.03)


def test_restoring_what_was_replaced_restores_the_cosine(found, missed):
    """The maps of these pairs are 1 where the probe was replaced, else -1."""
    clean, replaced = 1.0, 6 * 64 / SIZE**2
    assert (found.values["cosine"][:3] < THRESHOLD).all()
    # A rejected pair: its lowest pixels go first, and those are the replaced ones.
    genuine = found.values["restored"][:3, 0]
    enough = np.arange(1, 20) / 20 >= replaced
    np.testing.assert_allclose(genuine[:, enough], clean, atol=1e-5)
    assert (genuine[:, ~enough] < clean - 1e-4).all()
    # Turned round, the untouched pixels go first and nothing comes back until then.
    wrong = missed.values["restored"][:3, 0]
    late = np.arange(1, 20) / 20 <= 1 - replaced
    patched = np.broadcast_to(found.values["cosine"][:3, None], (3, late.sum()))
    np.testing.assert_allclose(wrong[:, late], patched, atol=1e-5)


def test_a_map_without_a_sign_marks_what_decided_whatever_that_was(run_with, found):
    """It is high where the probe was replaced, which is why the pairs were rejected."""
    marked = run_with(MARKS).values["restored"][:, 0]
    np.testing.assert_allclose(marked[:3], found.values["restored"][:3, 0], atol=1e-5)
    assert (found.values["cosine"][:3] < THRESHOLD).all()


def test_errors_are_those_of_the_threshold(found):
    chosen = np.arange(4) < 3
    errors = localisation.error_curve(found, chosen, "genuine", THRESHOLD)
    cosine, restored = found.values["cosine"][:, None], found.values["restored"][:, 0]
    cosines = np.concatenate([cosine, restored], axis=1)
    np.testing.assert_allclose(errors, (cosines[:3] < THRESHOLD).mean(0), atol=1e-6)
    assert errors[0] == 1
    assert errors[-1] == 0
    accepted = localisation.error_curve(found, ~chosen, "impostor", THRESHOLD)
    np.testing.assert_allclose(accepted, (cosines[3:] >= THRESHOLD).mean(0), atol=1e-6)


def test_every_explainer_sees_the_same_patches(found, guessed):
    np.testing.assert_allclose(
        found.values["cosine"], guessed.values["cosine"], atol=1e-6
    )


def test_patches_come_from_another_person(rng):
    images = [None] * 8
    chain = pairs_of(images, [0, 1, 3, 5, 0], [1, 2, 4, 6, 7], [1, 1, 1, 1, 0])
    for seed in range(20):
        donors = choose_donors(chain, seed=seed)
        assert donors[0] not in (0, 1, 2)
        assert donors[1] not in (0, 1, 2)
        assert donors[2] not in (3, 4)
        assert donors[4] == 7
    assert len({tuple(choose_donors(chain, seed=s)) for s in range(9)}) > 1
    alone = pairs_of(images, [0], [1], [1])
    assert choose_donors(alone, seed=0).tolist() == [-1]


def test_rows_are_by_group_and_kind(pairs, found, guessed):
    runs = {"finds": found, "guesses": guessed}
    titles = {name: name for name in runs}
    rows = localisation.localisation_rows(runs, titles, pairs, threshold=THRESHOLD)
    places = [
        (row["explainer"], row["group"], row["kind"], row["pairs"]) for row in rows
    ]
    assert places[:4] == [
        ("finds", "all", "genuine", 3),
        ("guesses", "all", "genuine", 3),
        ("finds", "all", "impostor", 1),
        ("guesses", "all", "impostor", 1),
    ]
    assert ("finds", "sex=f", "impostor", 1) not in places
    assert rows[0]["ROC area"] == pytest.approx((100, 100, 100))
    genuine = rows[0]
    assert genuine["error patched"] == pytest.approx(100)
    errors = localisation.error_curve(found, np.arange(4) < 3, "genuine", THRESHOLD)
    assert genuine["error restored"] == pytest.approx(100 * errors[1:].mean())
    assert 0 < genuine["error restored"] < rows[1]["error restored"]


def test_batches_and_devices_do_not_matter(run_with, guessed):
    many = run_with(GUESSES, RunOptions(batch_size=4, devices=tuple(jax.devices())))
    for name, tolerance in (("roc_area", 1e-6), ("restored", 2e-6)):
        np.testing.assert_allclose(
            guessed.values[name], many.values[name], atol=tolerance
        )


def test_the_chart_shows_errors_while_pixels_are_restored(found, guessed, pairs):
    results = {"finds": found, "pixel-random": guessed}
    titles = {"finds": "Finds", "pixel-random": "guesses"}
    drawing = localisation.chart(results, titles, pairs.genuine, THRESHOLD)
    genuine, impostor = drawing.panels
    assert (genuine.title, genuine.y_label) == ("patched genuine pairs", "FNMR / %")
    assert (impostor.title, impostor.y_label) == ("patched impostor pairs", "FMR / %")
    for panel, kind in ((genuine, "genuine"), (impostor, "impostor")):
        chosen = pairs.genuine == (kind == "genuine")
        for title, each in (("Finds", found), ("guesses", guessed)):
            line = panel.lines[title]
            errors = localisation.error_curve(each, chosen, kind, THRESHOLD)
            np.testing.assert_allclose(line.y, 100 * errors)
            np.testing.assert_allclose(line.x, np.arange(20) * 5)
            assert line.reference == (title == "guesses")
    alone = localisation.chart(results, titles, np.ones(4, bool), THRESHOLD)
    assert [panel.title for panel in alone.panels] == ["patched genuine pairs"]


def test_the_report_skips_pairs_that_nobody_can_be_patched_into(model):
    images = [np.full((SIZE, SIZE, 3), 0.5, np.float32)] * 3
    listed = pairs_of(images, [0, 1, 0], [1, 0, 2], [1, 1, 0])

    def plan(pairs):
        scores = localisation.Scores(pairs, np.zeros(len(pairs)), 0)
        with protocol_with(FINDS) as protocol:
            return protocol.plan(network(model), scores, seed=0)

    assert plan(listed).notices == []
    chain = pairs_of(images, [0, 1, 0], [1, 2, 0], [1, 1, 0])
    assert plan(chain).notices == [
        "2 pairs were skipped: the list has no other person to patch from"
    ]
    assert plan(chain).facts["pairs"] == 1
    with pytest.raises(ValueError, match="no other person to patch from"):
        plan(listed.take(np.array([0, 1])))


@pytest.mark.slow
def test_a_report_says_how_large_the_patches_are(pairs, model):
    with protocol_with(FINDS) as protocol:
        report = evaluate(protocol, pairs, backbone=network(model))
    assert report.table.title == "Localisation of patches: 4 pairs, tiny"
    share = 100 * 6 * 64 / SIZE**2
    assert "6 patches of 8x8 pixels, threshold 0.999" in report.table.notes[0]
    assert f"{share:.1f} for the precision-recall area" in report.table.notes[0]
    first = report.table.rows[0]
    assert (first["explainer"], first["ROC area"].value) == ("made up", 100)
    assert report.manifest["options"]["patches"] == 6


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"patches": 0}, "at least 1 of the patches, got 0"),
        ({"side": 0}, "at least 1 of the pixels of a side, got 0"),
        ({"draws": 0}, "at least 1 of the draws, got 0"),
        ({"threshold": 2.0}, r"a cosine in \[-1, 1\], got 2"),
        ({"explainers": ("x",)}, "no explainer 'x'; there are fggb,"),
    ],
)
def test_options_without_a_meaning_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        Localisation(**option)
