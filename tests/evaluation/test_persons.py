import numpy as np
import pytest

from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.estimates import mean_interval
from fxai_jax.evaluation.persons import (
    drawn_persons,
    image_persons,
    interval_note,
    persons_of,
    with_persons,
)
from fxai_jax.evaluation.verification import Verification
from tests.evaluation.tiny import SIZE, network, pairs_of, upper_half


def named(names, probe, gallery, genuine, **groups):
    """Pairs of images with these names."""
    pairs = pairs_of(names, probe, gallery, genuine, **groups)
    pairs.images[:] = names
    return pairs


def who(pairs):
    """The persons of each pair, as the list's evaluation would tell them apart."""
    found, how = with_persons(pairs)
    return found.groups["identity_a"], found.groups["identity_b"], how


def test_columns_name_the_persons():
    columns = {"probe_identity": ["b", "a", ""], "gallery_identity": ["b", "", "b"]}
    pairs = named(["x/1", "x/2", "y/3"], [0, 1, 2], [1, 0, 0], [1, 0, 0], **columns)
    assert who(pairs) == (
        ["b", "a", "image 2"],
        ["b", "image 0", "b"],
        "as the columns probe_identity and gallery_identity name them",
    )
    named_persons = persons_of(with_persons(pairs)[0])
    assert named_persons.tolist() == [[1, 1], [0, 2], [3, 1]]
    half = named(list("ab"), [0, 1], [1, 0], [1, 0], probe_identity=["p", "p"])
    assert persons_of(half).tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("session", ["", "1/", "1/deep/"])
def test_folders_name_the_persons_where_they_agree_with_the_labels(session):
    places = {"anna": "1.png", "bert": "1.png", "carl": "2.png"}
    names = [f"lfw/{who}/{session}{name}" for who, name in places.items()]
    names.append(f"lfw/anna/{session and '2/' + session[2:]}3.png")
    pairs = named(names, [0, 1, 2, 3], [3, 2, 0, 1], [1, 0, 0, 0])
    first, second, how = who(pairs)
    assert how == "as the folders of the images name them"
    assert first == [f"lfw/{name}" for name in ("anna", "bert", "carl", "anna")]
    assert second == [f"lfw/{name}" for name in ("anna", "carl", "anna", "bert")]


def test_elsewhere_genuine_pairs_link_persons():
    """Folders of light, and a chain 0 - 1 - 2 beside the pair 3 - 4 and image 5."""
    names = ["dim/0", "dim/1", "bright/2", "dim/3", "bright/4", "dim/5"]
    pairs = named(names, [0, 1, 3, 0, 5], [1, 2, 4, 3, 2], [1, 1, 1, 0, 0])
    first, second, how = who(pairs)
    assert how == "as far as genuine pairs link their images"
    assert first[0] == first[1] == second[0] == second[1] == first[3] == second[4]
    assert first[2] == second[2] == second[3]
    assert len({*first, *second}) == 3
    one_kind = named(["a/0", "a/1", "a/2"], [0, 1], [1, 2], [1, 1])
    assert who(one_kind)[2] == how


def test_names_and_genuine_pairs_join_images():
    columns = {"identity_a": ["p", "p", "q"], "identity_b": ["p", "r", "r"]}
    pairs = named(list("abcde"), [0, 2, 3], [1, 4, 4], [1, 0, 0], **columns)
    person = image_persons(pairs)
    assert person[0] == person[1] == person[2]
    assert len({person[0], person[3], person[4]}) == 3
    unnamed = named(list("abcde"), [0, 2, 3], [1, 4, 4], [1, 0, 0])
    assert len(set(image_persons(unnamed))) == 4


def test_pairs_of_one_person_widen_an_interval(rng):
    person = np.repeat(np.arange(10), 12)
    values = (person + 0.1 * rng.normal(size=person.size))[:, None]
    places = np.arange(person.size)
    columns = {name: [str(p) for p in person] for name in ("identity_a", "identity_b")}
    unnamed = named(["x"] * 120, places, places, [1] * 120)
    listed = named(["x"] * 120, places, places, [1] * 120, **columns)
    alone, together = (
        np.diff(mean_interval(values, p, 0), axis=0) for p in (unnamed, listed)
    )
    expected = 2 * 1.96 * np.arange(10).std() / np.sqrt(10)
    assert together == pytest.approx(expected, rel=0.2)
    assert alone == pytest.approx(expected / np.sqrt(12), rel=0.2)


@pytest.mark.parametrize("count", [1, 9, 10])
def test_a_few_persons_are_not_drawn(rng, count):
    person = np.arange(60) % count
    columns = {name: [str(p) for p in person] for name in ("identity_a", "identity_b")}
    places = np.arange(60)
    listed = named(["x"] * 60, places, places, [1] * 60, **columns)
    drawn = drawn_persons(listed)
    assert len(np.unique(drawn)) == (count if count >= 10 else 60)
    values = rng.normal(size=(60, 1))
    low, high = mean_interval(values, listed, 0)
    expected = 2 * 1.96 * values.std() / np.sqrt(60)
    if count < 10:
        assert high - low == pytest.approx(expected, rel=0.2)


def test_the_note_says_what_was_drawn():
    recurring, how = with_persons(named(list("abc"), [0, 0], [1, 2], [1, 0]))
    assert interval_note(recurring, how) == (
        "Intervals draw pairs, and are too narrow: pairs of one person are alike, and "
        "of the 1 who recur, as far as genuine pairs link their images, there are too "
        "few to draw them."
    )
    places = np.arange(50)
    many, how = with_persons(
        named([f"{i}/x" for i in range(50)], places, places[::-1], [0] * 50)
    )
    assert interval_note(many, how) == (
        "Intervals draw persons, not pairs; 50 recur, as far as genuine pairs link "
        "their images. Where one is taken for two they are too narrow, and so are "
        "those of rows in which fewer than 10 recur: these draw pairs."
    )
    once, how = with_persons(named(list("abcd"), [0, 2], [1, 3], [1, 0]))
    assert interval_note(once, how) == (
        "Intervals draw pairs: nobody recurs in them, as far as genuine pairs link "
        "their images."
    )


@pytest.fixture
def images(rng):
    return list(rng.uniform(size=(6, SIZE, SIZE, 3)).astype(np.float32))


@pytest.fixture
def backbone(rng):
    return network(upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE))


def test_every_table_says_what_is_doubtful_about_its_list(images, backbone):
    same = pairs_of(images, [0, 1, 2, 2], [0, 1, 3, 3], [1, 1, 0, 0])
    notes = evaluate(Verification(), same, backbone=backbone).table.notes
    assert any("2 of 2 genuine pairs hold one image twice" in note for note in notes)
    assert any("1 of 4 pairs repeat an earlier one" in note for note in notes)
    assert notes[-1].startswith("Intervals draw pairs, and are too narrow")


def test_labels_that_are_inverted_are_asked_about(images, backbone):
    images[1] = 0.9 * images[0]
    listed = {1: "inverted", 0: "right"}
    for genuine, name in listed.items():
        pairs = pairs_of(images, [0, 2], [1, 3], [not genuine, genuine])
        notes = " ".join(evaluate(Verification(), pairs, backbone=backbone).table.notes)
        assert ("EER 100.0 %: genuine pairs have lower" in notes) == (
            name == "inverted"
        )
