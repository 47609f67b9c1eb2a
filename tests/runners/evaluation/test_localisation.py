import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.runners.evaluation import localisation
from tests.conftest import SEED
from tests.runners.evaluation.tiny import SIZE, explainer, network, noise, pair_set

THRESHOLD = 0.999
"""Between the cosine of a patched image with its original and 1, that of the two."""

OPTIONS = {"threshold": THRESHOLD, "patches": 6, "side": 8}


def where_they_differ(probe, gallery, key):
    """Negative where the probe differs from the gallery image, else positive."""
    same = jnp.all(probe == gallery, axis=-1)
    return jnp.where(same, 1.0, -1.0)


FINDS = explainer(where_they_differ)
MISSES = explainer(lambda *pair: -where_they_differ(*pair))
GUESSES = explainer(noise, signed=False, random=True)


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng([SEED, 1])
    images = list(rng.uniform(size=(3, SIZE, SIZE, 3)).astype(np.float32))
    # Genuine pairs of one image with itself: only the patches differ.
    return pair_set(images, [0, 1, 2, 0], [0, 1, 2, 1], [1, 1, 1, 0], sex=list("ffmm"))


@pytest.fixture(scope="module")
def run(pairs):
    rng = np.random.default_rng([SEED, 2])
    model = network(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)
    donors = localisation.choose_donors(pairs, seed=0)
    key = jax.random.key(0)

    def with_explainer(each, **options):
        return localisation.run_patched(
            model, key, pairs, donors, each, **OPTIONS, **options
        )

    return with_explainer


@pytest.fixture(scope="module")
def found(run):
    return run(FINDS)


@pytest.fixture(scope="module")
def missed(run):
    return run(MISSES)


@pytest.fixture(scope="module")
def guessed(run):
    return run(GUESSES, draws=20, batch_size=1, devices=jax.devices()[:1])


def test_a_map_that_knows_the_patches_finds_all_of_them(found, missed):
    np.testing.assert_allclose(found.roc_area, 1)
    np.testing.assert_allclose(found.precision_recall_area, 1)
    np.testing.assert_allclose(missed.roc_area, 0)
    assert found.restored.shape == (4, 1, 19)


def test_guessing_is_chance(guessed):
    assert guessed.roc_area.shape == (4, 20)
    assert guessed.roc_area.mean() == pytest.approx(0.5, abs=0.02)
    share = 6 * 64 / SIZE**2
    assert guessed.precision_recall_area.mean() == pytest.approx(share, abs=0.03)


def test_restoring_what_was_replaced_restores_the_cosine(found, missed):
    """The maps of these pairs are 1 where the probe was replaced, else -1."""
    clean, replaced = 1.0, 6 * 64 / SIZE**2
    assert (found.cosine[:3] < THRESHOLD).all()
    # A rejected pair: its lowest pixels go first, and those are the replaced ones.
    genuine = found.restored[:3, 0]
    enough = np.arange(1, 20) / 20 >= replaced
    np.testing.assert_allclose(genuine[:, enough], clean, atol=1e-5)
    assert (genuine[:, ~enough] < clean - 1e-4).all()
    # Turned round, the untouched pixels go first and nothing comes back until then.
    wrong = missed.restored[:3, 0]
    late = np.arange(1, 20) / 20 <= 1 - replaced
    patched = np.broadcast_to(found.cosine[:3, None], (3, late.sum()))
    np.testing.assert_allclose(wrong[:, late], patched, atol=1e-5)


def test_errors_are_those_of_the_threshold(found):
    chosen = np.arange(4) < 3
    errors = localisation.error_curve(found, chosen, "genuine", THRESHOLD)
    cosines = np.concatenate([found.cosine[:3, None], found.restored[:3, 0]], axis=1)
    np.testing.assert_allclose(errors, (cosines < THRESHOLD).mean(0), atol=1e-6)
    assert errors[0] == 1
    assert errors[-1] == 0
    accepted = localisation.error_curve(found, ~chosen, "impostor", THRESHOLD)
    cosines = np.concatenate([found.cosine[3:, None], found.restored[3:, 0]], axis=1)
    np.testing.assert_allclose(accepted, (cosines >= THRESHOLD).mean(0), atol=1e-6)


def test_every_explainer_sees_the_same_patches(found, guessed):
    np.testing.assert_allclose(found.cosine, guessed.cosine, atol=1e-6)


def test_patches_come_from_another_person(rng):
    images = [None] * 8
    chain = pair_set(images, [0, 1, 3, 5, 0], [1, 2, 4, 6, 7], [1, 1, 1, 1, 0])
    for seed in range(20):
        donors = localisation.choose_donors(chain, seed=seed)
        assert donors[0] not in (0, 1, 2)
        assert donors[1] not in (0, 1, 2)
        assert donors[2] not in (3, 4)
        assert donors[4] == 7
    assert len({tuple(localisation.choose_donors(chain, seed=s)) for s in range(9)}) > 1
    alone = pair_set(images, [0], [1], [1])
    assert localisation.choose_donors(alone, seed=0).tolist() == [-1]


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


def test_batches_and_devices_do_not_matter(run, guessed):
    many = run(GUESSES, draws=20, batch_size=4, devices=jax.devices())
    np.testing.assert_allclose(guessed.roc_area, many.roc_area, atol=1e-6)
    np.testing.assert_allclose(guessed.restored, many.restored, atol=2e-6)
