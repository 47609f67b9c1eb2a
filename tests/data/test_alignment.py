import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.transform import SimilarityTransform, warp

from fxai_jax.data.alignment import (
    ARCFACE_TEMPLATE,
    align,
    check_landmarks,
    read_landmarks,
    similarity_transform,
)
from fxai_jax.data.samples import sample_landmarks, sample_path


def oracle(source, target):
    return SimilarityTransform.from_estimate(source, target).params


def face_landmarks(rng):
    """The template turned, scaled, moved and disturbed, as in a photograph."""
    angle, scale = rng.uniform(-0.6, 0.6), rng.uniform(0.5, 3.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centred = ARCFACE_TEMPLATE - ARCFACE_TEMPLATE.mean(axis=0)
    points = scale * centred @ turn.T + rng.uniform(60, 140, 2)
    return (points + rng.normal(0, 2, (5, 2))).astype(np.float32)


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_transform_equals_scikit_image(rng, count):
    source, target = rng.normal(0, 50, (2, count, 2)) + 100
    found = np.asarray(similarity_transform(jnp.asarray(source), jnp.asarray(target)))
    expected = oracle(source, target)[:2]
    np.testing.assert_allclose(found[:, :2], expected[:, :2], atol=1e-5)
    np.testing.assert_allclose(found[:, 2], expected[:, 2], atol=2e-3)


def test_transform_equals_scikit_image_on_reflections(rng):
    source = rng.normal(0, 50, (5, 2))
    target = source * [-1, 1] + rng.normal(0, 3, (5, 2))
    found = np.asarray(similarity_transform(jnp.asarray(source), jnp.asarray(target)))
    np.testing.assert_allclose(found, oracle(source, target)[:2], atol=1e-3)
    assert np.linalg.det(found[:, :2]) >= 0


def test_transform_recovers_a_similarity(rng):
    a, b, x, y = rng.normal(0, 2, 4)
    source = rng.normal(0, 1, (5, 2))
    target = source @ np.array([[a, -b], [b, a]]).T + [x, y]
    found = similarity_transform(jnp.asarray(source), jnp.asarray(target))
    np.testing.assert_allclose(found, [[a, -b, x], [b, a, y]], atol=1e-4)


def test_transform_is_finite_where_points_coincide():
    points = jnp.full((5, 2), 7.0)
    target = jnp.asarray(ARCFACE_TEMPLATE)
    found = np.asarray(similarity_transform(points, target))
    centre = ARCFACE_TEMPLATE.mean(axis=0)
    np.testing.assert_allclose(found[:, :2], 0)
    np.testing.assert_allclose(found[:, 2], centre, rtol=1e-6)
    gradient = jax.grad(lambda p: jnp.sum(similarity_transform(p, target)))(points)
    assert np.all(np.isfinite(gradient))
    assert np.all(np.isfinite(align(jnp.ones((20, 20, 3)), points)))


def test_transform_under_jit_and_vmap(rng):
    source = jnp.asarray(rng.normal(0, 50, (4, 5, 2)).astype(np.float32))
    target = jnp.asarray(ARCFACE_TEMPLATE)
    many = jax.vmap(similarity_transform, in_axes=(0, None))(source, target)
    for one, points in zip(many, source, strict=True):
        alone = similarity_transform(points, target)
        jitted = jax.jit(similarity_transform)(points, target)
        np.testing.assert_allclose(one, alone, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(jitted, alone, rtol=1e-4, atol=1e-4)


def warped(image, landmarks, template, size):
    inverse = np.linalg.inv(oracle(landmarks.astype(float), template.astype(float)))
    return warp(image.astype(float), inverse, output_shape=(size, size), order=1)


def test_align_equals_scikit_image(rng):
    image = rng.random((180, 210, 3)).astype(np.float32)
    points = face_landmarks(rng)
    found = np.asarray(align(image, points))
    expected = warped(image, points, ARCFACE_TEMPLATE, 112)
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize(
    ("size", "scale", "margin"), [(224, 2, 0), (128, 1, 8), (256, 2, 16), (896, 8, 0)]
)
def test_align_to_other_sizes(rng, size, scale, margin):
    image = rng.random((60, 70, 1)).astype(np.float32)
    points = face_landmarks(rng)
    found = np.asarray(align(image, points, size=size))
    template = scale * ARCFACE_TEMPLATE + np.array([margin, 0])
    np.testing.assert_allclose(found, warped(image, points, template, size), atol=5e-3)


def test_align_at_the_template_changes_nothing(rng):
    image = rng.random((112, 112, 3)).astype(np.float32)
    np.testing.assert_allclose(align(image, ARCFACE_TEMPLATE), image, atol=1e-4)


def test_align_moves_by_whole_pixels(rng):
    image = rng.random((150, 140, 3)).astype(np.float32)
    moved = align(image, ARCFACE_TEMPLATE + np.array([[9, 21]], np.float32))
    np.testing.assert_allclose(moved, image[21:133, 9:121], atol=2e-4)


def test_align_fills_the_outside_with_black(rng):
    image = 0.5 + 0.5 * rng.random((112, 112, 3)).astype(np.float32)
    moved = np.asarray(align(image, ARCFACE_TEMPLATE - np.array([[30, 0]], np.float32)))
    np.testing.assert_array_equal(moved[:, :29], 0)
    assert moved[:, 31:].min() > 0.49


def test_align_under_jit_and_vmap(rng):
    images = jnp.asarray(rng.random((3, 90, 80, 3)).astype(np.float32))
    points = jnp.asarray(np.stack([face_landmarks(rng) for _ in range(3)]))
    many = jax.jit(jax.vmap(align))(images, points)
    for one, image, marks in zip(many, images, points, strict=True):
        np.testing.assert_allclose(one, align(image, marks), atol=2e-3)


@pytest.mark.parametrize("size", [0, -112, 100, 160])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f"size={size}, expected a multiple of 112"):
        align(np.ones((9, 9, 3), np.float32), ARCFACE_TEMPLATE, size=size)


def test_align_reproduces_the_sample_face():
    photograph = data.astronaut().astype(np.float32) / np.float32(255)
    found = np.asarray(align(photograph, sample_landmarks("c_1"))) * 255
    difference = np.abs(found - np.asarray(Image.open(sample_path("c_1"))))
    assert difference.mean() < 0.3
    assert difference.max() < 1.5


POINTS = ARCFACE_TEMPLATE.tolist()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (POINTS, None),
        (POINTS, "anything"),
        ({"landmarks": POINTS, "prob": 0.99}, None),
        ({"me.jpg": POINTS, "you": [[0, 0]]}, "me.jpg"),
        ({"me.jpg": POINTS, "you": [[0, 0]]}, "me"),
        ({"me": POINTS, "you": [[0, 0]]}, "folder/me.jpg"),
        ({"me.jpg": {"landmarks": POINTS}, "me.png": []}, "folder/me.jpg"),
        ({"v1.2_me": POINTS, "v1.3_me": []}, "v1.2_me.png"),
        ([[round(x), round(y)] for x, y in POINTS], None),
    ],
)
def test_landmark_files(tmp_path, content, name):
    path = tmp_path / "landmarks.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    found = read_landmarks(path, name=name)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ARCFACE_TEMPLATE, atol=0.5)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", None, "not JSON"),
        ("[[1, 2", None, "not JSON"),
        ("[" * 100_000, None, "not JSON"),
        ("null", None, "found object values"),
        ("{}", None, "expected to be told which"),
        ('{"landmarks": null}', None, "found object values"),
        ('{"me": [], "you": []}', None, r"by photograph \(me, you\).*give its name"),
        ('{"me": [], "you": []}', "they", r"found 0 entries for they.*me, you"),
        ('{"me.png": [], "me.jpg": []}', "me", "found 2 entries for me"),
        ('{"me": []}', "me", r"shape \(0,\)"),
        ("[[1, 2], [3]]", None, "unequal length"),
        ("[[1, 2, 3], [4, 5, 6]]", None, r"shape \(2, 3\)"),
        (json.dumps([["1", "2"]] * 5), None, r"<U1 values"),
        (json.dumps([[True, False]] * 5), None, "bool values"),
        (json.dumps([[1, None]] * 5), None, "object values"),
        (json.dumps([[10**400, 1]] * 5), None, "object values"),
        (json.dumps([[1e300, 1]] * 5), None, "beyond 1e6"),
        (json.dumps([[float("nan"), 1]] * 5), None, "NaN"),
        (json.dumps([[float("inf"), 1]] * 5), None, "NaN or beyond"),
    ],
)
def test_bad_landmark_files_are_refused(tmp_path, text, name, message):
    path = tmp_path / "landmarks.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"landmarks\.json: .*{message}"):
        read_landmarks(path, name=name)


def test_landmark_files_that_are_no_text(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"a\.json: not JSON"):
        read_landmarks(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError, match=r"no\.json: there is no such file"):
        read_landmarks(tmp_path / "no.json")
    with pytest.raises(ValueError, match="directory"):
        read_landmarks(tmp_path)


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
