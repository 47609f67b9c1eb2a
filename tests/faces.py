"""Faces and networks that several tests share."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fxai_jax.data.alignment import ARCFACE_TEMPLATE

GOLDEN = Path(__file__).parent / "golden"
WHOLE = ("a_1", "a_2", "a_3", "b_1", "c_1")


def load_npz(path):
    """Every array of an .npz file, which is closed again."""
    with np.load(path) as arrays:
        return dict(arrays)


def golden(name):
    """Reference values, computed with PyTorch from the shipped weights and faces."""
    return load_npz(GOLDEN / f"{name}.npz")


def smooth_embedder(key, size, d):
    """A random embedder without kinks: its gradients do not depend on rounding."""
    first, second = jax.random.split(key)
    inner = jax.random.normal(first, (size * size * 3, 16)) / size
    outer = jax.random.normal(second, (16, d))
    return lambda image: jnp.tanh(image.reshape(-1) @ inner) @ outer


def roundings(image):
    """The image and its two neighbours in float32.

    A PReLU whose input is nearly zero may fall on either side of its kink, and one of
    them changes a gradient map by up to one per cent. The reference took one side;
    which one a machine takes depends on the last bit of the pixels.
    """
    image = np.asarray(image, np.float32)
    return image, np.nextafter(image, 2), np.nextafter(image, -1).clip(0)


def relative(found, expected):
    """Largest difference, relative to the largest expected entry."""
    expected = np.asarray(expected)
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


def face_landmarks(rng):
    """The template turned, scaled, moved and disturbed, as in a photograph."""
    angle, scale = rng.uniform(-0.6, 0.6), rng.uniform(0.5, 3.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centred = ARCFACE_TEMPLATE - ARCFACE_TEMPLATE.mean(axis=0)
    points = scale * centred @ turn.T + rng.uniform(60, 140, 2)
    return (points + rng.normal(0, 2, (5, 2))).astype(np.float32)
