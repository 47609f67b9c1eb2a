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
    crop_fault,
    similarity_transform,
)
from fxai_jax.data.samples import sample_landmarks, sample_names, sample_path
from tests.faces import face_landmarks


def oracle(source, target):
    return SimilarityTransform.from_estimate(source, target).params


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


def test_landmarks_of_real_faces_have_no_fault():
    """Of photographs as large as the points need."""
    for name in sample_names():
        points = sample_landmarks(name)
        height, width = (int(points[:, i].max() + np.ptp(points)) for i in (1, 0))
        assert crop_fault(points, (height, width)) is None


def test_heads_that_turn_have_no_fault_and_disorder_has_one(rng):
    x, y = ARCFACE_TEMPLATE.T.astype(float)
    depth = np.array([0, 0, 18, 5, 5])  # the nose stands out by half the eyes' distance
    for yaw in np.radians([0, 45, 75, 90]):
        turned = np.stack([(x - 56) * np.cos(yaw) + depth * np.sin(yaw) + 56, y], 1)
        assert crop_fault(turned, (112, 112)) is None
    for order in ([2, 0, 1, 3, 4], [0, 3, 1, 4, 2]):
        fault = crop_fault(ARCFACE_TEMPLATE[order], (112, 112))
        assert fault.startswith("the points depart from a face's by 0.")
    scattered = [crop_fault(rng.uniform(0, 112, (5, 2)), (112, 112)) for _ in range(99)]
    assert sum(fault is not None for fault in scattered) > 40


def test_the_residual_is_that_of_the_transform(rng):
    points = rng.uniform(0, 112, (5, 2)).astype(np.float32)
    matrix = np.asarray(similarity_transform(points, ARCFACE_TEMPLATE))
    left = points @ matrix[:, :2].T + matrix[:, 2] - ARCFACE_TEMPLATE
    eyes = np.linalg.norm(ARCFACE_TEMPLATE[1] - ARCFACE_TEMPLATE[0])
    residual = np.sqrt(np.mean(np.sum(left**2, axis=1))) / eyes
    fault = crop_fault(points, (112, 112)) or ""
    assert (residual > 0.5) == fault.startswith(
        f"the points depart from a face's by {residual:.2f}"
    )


def test_a_crop_outside_of_its_photograph_has_a_fault(rng):
    image = np.ones((112, 112, 1), np.float32)
    for _ in range(20):
        move = rng.uniform(-140, 140, (1, 2)).astype(np.float32)
        size = int(rng.choice([112, 128, 224]))
        outside = float(
            np.mean(np.asarray(align(image, ARCFACE_TEMPLATE + move, size=size)) < 0.5)
        )
        fault = crop_fault(ARCFACE_TEMPLATE + move, (112, 112), size=size)
        if abs(outside - 0.5) > 0.02:
            assert (outside > 0.5) == (fault is not None), (move, outside, fault)
        if fault:
            assert "of the face lies outside the 112 x 112 photograph" in fault


def test_points_measured_before_the_photograph_was_turned():
    sideways = ARCFACE_TEMPLATE[:, ::-1] * np.float32([1, -1]) + np.float32([0, 112])
    assert crop_fault(sideways, (112, 112)) is None  # somebody who lies down
    for orientation in (5, 6, 7, 8):
        fault = crop_fault(sideways, (112, 112), orientation=orientation)
        assert fault.startswith("the eyes lie above each other")
        upright = {"orientation": orientation}
        assert crop_fault(ARCFACE_TEMPLATE, (112, 112), **upright) is None
    assert crop_fault(sideways, (112, 112), orientation=3) is None
