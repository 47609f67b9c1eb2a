import json
import os
from pathlib import Path

import numpy as np
import pytest

from fxai_jax.data.alignment import ARCFACE_TEMPLATE
from fxai_jax.data.landmarks import check_landmarks, read_landmarks
from tests.faces import face_landmarks

POINTS = ARCFACE_TEMPLATE.tolist()


def written(folder, content):
    path = folder / "landmarks.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (POINTS, "anything"),
        ({"landmarks": POINTS, "prob": 0.99}, "anything"),
        ({"me.jpg": POINTS, "you": [[0, 0]]}, "me.jpg"),
        ({"me.jpg": POINTS, "you": [[0, 0]]}, "me"),
        ({"me": POINTS, "you": [[0, 0]]}, "folder/me.jpg"),
        ({"me.jpg": {"landmarks": POINTS}, "me.png": []}, "folder/me.jpg"),
        ({"v1.2_me": POINTS, "v1.3_me": []}, "v1.2_me.png"),
        ([[round(x), round(y)] for x, y in POINTS], "anything"),
    ],
)
def test_landmark_files(tmp_path, content, name):
    found = read_landmarks(written(tmp_path, content), [Path(name)])(Path(name))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ARCFACE_TEMPLATE, atol=0.5)


def test_every_photograph_gets_its_own_points(tmp_path, rng):
    """Whatever part of its path the file names it by, as far as that tells it apart."""
    people = [f"{name}/{i}.png" for name in ("anna", "bert", "x/anna") for i in (1, 2)]
    points = {name: face_landmarks(rng) for name in people}
    folder = tmp_path / "faces"
    forms = [str, "./{}".format, lambda name: name.removesuffix(".png")]
    forms += ["faces/{}".format, f"{folder}/{{}}".format, "faces/../faces/{}".format]
    keyed = {forms[rng.integers(len(forms))](name): points[name] for name in people}
    path = written(tmp_path, {name: x.tolist() for name, x in keyed.items()})
    photographs = [folder / name for name in rng.permutation(people)]
    points_of = read_landmarks(path, photographs, [folder])
    for photograph in photographs:
        expected = points[str(photograph.relative_to(folder))]
        np.testing.assert_array_equal(points_of(photograph), expected)


def test_one_that_is_missing_costs_itself(tmp_path):
    photographs = [Path("anna/1.png"), Path("bert/1.png")]
    points_of = read_landmarks(written(tmp_path, {"anna/1.png": POINTS}), photographs)
    np.testing.assert_array_equal(points_of(photographs[0]), ARCFACE_TEMPLATE)
    with pytest.raises(
        ValueError, match=r"landmarks.json: there is no entry for .*/bert/1.png"
    ):
        points_of(photographs[1])


def test_faulty_points_are_named_with_their_photograph(tmp_path):
    photographs = [Path("a.png"), Path("b.png")]
    path = written(tmp_path, {"a": POINTS, "b": POINTS[:4]})
    with pytest.raises(ValueError, match=r"landmarks\.json: of b\.png, found .*\(4, 2"):
        read_landmarks(path, photographs)(photographs[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[[1, 2", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "found no landmarks of any image; there is no entry for .*/they"),
        ('{"me": [], "you": []}', "no landmarks of any image; there is no entry for"),
        ('{"they.png": [], "they.jpg": []}', "'they.png' and 'they.jpg' both mean"),
        ('{"they": [], "./they": []}', "'they' and './they' both mean .*/they"),
        ('{"they": [], "you": [], "they": []}', "'they' 2 times, expected it once"),
    ],
)
def test_files_that_say_nothing_of_any_photograph_are_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"landmarks\.json: .*{message}"):
        read_landmarks(written(tmp_path, text), [Path("they")])


def test_one_entry_for_several_photographs_is_refused(tmp_path):
    for content in (POINTS, {"landmarks": POINTS}):
        path = written(tmp_path, content)
        with pytest.raises(ValueError, match="of one photograph, expected those of 2"):
            read_landmarks(path, [Path("a"), Path("b"), Path("a")])
        assert read_landmarks(path, [Path("a"), Path("a")])(Path("a")).shape == (5, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("null", "found object values"),
        ('{"landmarks": null}', "found object values"),
        ('{"they": []}', r"shape \(0,\)"),
        ("[[1, 2], [3]]", "unequal length"),
        ("[[1, 2, 3], [4, 5, 6]]", r"shape \(2, 3\)"),
        (json.dumps([["1", "2"]] * 5), r"<U1 values"),
        (json.dumps([[True, False]] * 5), "bool values"),
        (json.dumps([[1, None]] * 5), "object values"),
        (json.dumps([[10**400, 1]] * 5), "object values"),
        (json.dumps([[1e300, 1]] * 5), "beyond 1e6"),
        (json.dumps([[float("nan"), 1]] * 5), "NaN"),
        (json.dumps([[float("inf"), 1]] * 5), "NaN or beyond"),
    ],
)
def test_bad_points_are_refused(tmp_path, text, message):
    photograph = Path("they")
    points_of = read_landmarks(written(tmp_path, text), [photograph])
    with pytest.raises(ValueError, match=rf"landmarks\.json: of they, .*{message}"):
        points_of(photograph)


def test_landmark_files_that_are_no_text(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"a\.json: not JSON"):
        read_landmarks(tmp_path / "a.json", [])
    with pytest.raises(FileNotFoundError, match=r"no\.json: there is no such file"):
        read_landmarks(tmp_path / "no.json", [])
    with pytest.raises(ValueError, match="directory"):
        read_landmarks(tmp_path, [])


def test_names_may_be_bytes_that_are_no_text(tmp_path):
    photograph = Path(os.fsdecode(b"caf\xe9.png"))
    path = tmp_path / "landmarks.json"
    for key in (b"caf\xe9.png", b"caf\\udce9.png"):
        path.write_bytes(b'{"%s": %s}' % (key, json.dumps(POINTS).encode()))
        assert read_landmarks(path, [photograph])(photograph).shape == (5, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p / 112, "within 2 pixels.*fractions"),
        (lambda p: p * 0 + 50, "within 2 pixels"),
        (lambda p: p[[0, 0, 2, 3, 4]], "coincide"),
        (lambda p: p * [1, 0], "on one line"),
        (lambda p: p @ np.array([[1, 2], [1, 2]]), "on one line"),
        (lambda p: p[[1, 0, 2, 4, 3]], "left and right exchanged"),
        (lambda p: p * [-1, 1] + [112, 0], "left and right exchanged"),
    ],
)
def test_degenerate_landmarks_are_refused(change, message):
    with pytest.raises(ValueError, match=rf"{message}.*expected five \[x, y\]"):
        check_landmarks(change(ARCFACE_TEMPLATE.astype(float)))


def test_turned_landmarks_pass(rng):
    for angle in np.linspace(0, 2 * np.pi, 9):
        c, s = np.cos(angle), np.sin(angle)
        turned = face_landmarks(rng) @ np.array([[c, s], [-s, c]])
        np.testing.assert_allclose(check_landmarks(turned), turned, rtol=1e-5)


def test_profiles_pass_though_their_eyes_cross():
    profile = ARCFACE_TEMPLATE * np.array([[0.1, 1]], np.float32)
    profile[:2, 0] = [6, 5]
    np.testing.assert_array_equal(check_landmarks(profile), profile)
