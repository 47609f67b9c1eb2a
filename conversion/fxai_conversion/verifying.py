"""Does a converted network behave: finite, repeatable, faces of one person closer?"""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fxai_conversion.references import read_reference
from fxai_jax.array_types import FaceModel
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face

FACES = ("a_1", "a_2", "a_3", "b_1", "c_1")
"""Sample faces of three persons; the letter names the person."""

TOLERANCE = 1e-5

NORM_TOLERANCE = 5e-3
"""Most relative deviation of a norm: what an angle of that cosine does to a vector."""


class Verification(NamedTuple):
    """What a network does with the sample faces.

    Attributes:
        names: The faces.
        norms: Norm of each raw embedding.
        cosines: Cosine of each pair of faces.
    """

    names: tuple[str, ...]
    norms: np.ndarray
    cosines: np.ndarray


class Deviation(NamedTuple):
    """How far a network is from reference embeddings.

    Attributes:
        relative: Largest difference by the largest entry; the reference sets the norm
            where all its embeddings have norm 1.
        norm: Largest difference of norms by the reference's norm; 0 where all its
            embeddings have norm 1.
        one_minus_cosine: Largest of all images.
    """

    relative: float
    norm: float
    one_minus_cosine: float


def verify(folder: str | Path) -> Verification:
    """Embeds the sample faces twice.

    Args:
        folder: A checkpoint folder, or the name of a shipped network.

    Returns:
        Norms and cosines.

    Raises:
        ValueError: If the folder cannot be read, or an embedding is not finite, zero,
            or another one the second time.

    Example:
        >>> verify("mobilefacenet").cosines.shape
        (5, 5)
    """
    card = load_card(folder)
    model = load_backbone(folder, dtype=np.float32)
    images = np.stack([_sample(name, card) for name in FACES])
    embeddings, again = (_embed(model, images) for _ in range(2))
    norms = np.linalg.norm(embeddings, axis=1)
    if not np.isfinite(embeddings).all() or not norms.all():
        raise ValueError(f"{card.name} gives embeddings that are zero or not finite")
    if not np.array_equal(embeddings, again):
        raise ValueError(f"{card.name} gives another embedding the second time")
    unit = embeddings / norms[:, None]
    return Verification(FACES, norms, unit @ unit.T)


def compare(folder: str | Path, reference: str | Path) -> Deviation:
    """Compares a network with embeddings that PyTorch computed.

    Args:
        folder: A checkpoint folder, or the name of a shipped network.
        reference: An .npz file of ``images`` (n, h, w, 3), RGB in [0, 1], and
            ``embeddings`` (n, d).

    Returns:
        The deviation.

    Raises:
        ValueError: If a file cannot be read or does not fit the network.

    Example:
        >>> import tempfile
        >>> images = sample_face("a_1")[None]
        >>> embeddings = jax.jit(jax.vmap(load_backbone("mobilefacenet")))(images)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/golden.npz", images=images, embeddings=embeddings)
        ...     compare("mobilefacenet", f"{folder}/golden.npz").one_minus_cosine < 1e-5
        True
    """
    card = load_card(folder)
    model = load_backbone(folder, dtype=np.float32)
    images, expected = read_reference(Path(reference), card)
    found = _embed(model, images)
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    cosines = np.sum(found / norms * expected / lengths, axis=1, dtype=np.float64)
    if np.allclose(lengths, 1, atol=1e-4):
        found, norms = found / norms, lengths
    relative = np.abs(found - expected).max() / np.abs(expected).max()
    norm = np.abs(norms / lengths - 1).max()
    return Deviation(float(relative), float(norm), float((1 - cosines).max()))


def _embed(model: FaceModel, images: np.ndarray) -> np.ndarray:
    with jax.default_matmul_precision("highest"):
        return np.asarray(jax.jit(jax.vmap(model))(images), np.float64)


def _sample(name: str, card: Card) -> np.ndarray:
    face = np.asarray(sample_face(name), np.float32)
    shape = (*card.image_size, 3)
    if face.shape == shape:
        return face
    return np.asarray(jax.image.resize(face, shape, "linear")).clip(0, 1)
