"""Six aligned faces of three persons, to try every method without files of one's own.

The persons are called a, b and c; `a_partial` is half a face. All are works of the US
government in the public domain: `faces/provenance.json` says where each comes
from.
"""

import functools
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from fxai_jax.data.images import Pixels, load_image
from fxai_jax.data.landmarks import Landmarks


def sample_names() -> tuple[str, ...]:
    """Names of the sample faces.

    Returns:
        Names in alphabetical order; the part before ``_`` is the person.

    Example:
        >>> sample_names()
        ('a_1', 'a_2', 'a_3', 'a_partial', 'b_1', 'c_1')
    """
    return tuple(sorted(_provenance()))


def sample_path(name: str) -> Path:
    """Path of a sample face, an 8-bit RGB PNG file.

    Example:
        >>> sample_path("b_1").name
        'b_1.png'
    """
    _entry(name)
    return _folder() / f"{name}.png"


def sample_face(name: str) -> Pixels:
    """A sample face, aligned to the ArcFace template.

    Args:
        name: One of `sample_names`.

    Returns:
        float32 array with shape (112, 112, 3), RGB in [0, 1].

    Raises:
        ValueError: If there is no such sample.

    Example:
        >>> sample_face("a_1").shape
        (112, 112, 3)
    """
    return load_image(sample_path(name))


def sample_pairs() -> Path:
    """Path of a list of all ordered pairs of the sample faces: 12 genuine, 18 impostor.

    Its column ``crop`` is "partial" where one of the two is `a_partial`, else "whole".

    Returns:
        Path of the CSV file inside the installed package, beside the faces.

    Example:
        >>> sample_pairs().name
        'pairs.csv'
    """
    return _folder() / "pairs.csv"


def sample_landmarks(name: str) -> Landmarks:
    """The landmarks by which a sample face was cut out of its photograph.

    Example:
        >>> sample_landmarks("c_1").shape
        (5, 2)
    """
    return np.asarray(_entry(name)["landmarks"], np.float32)


def _entry(name: str) -> dict[str, Any]:
    if name not in sample_names():
        raise ValueError(
            f"there is no sample face {name!r}; choose one of "
            f"{', '.join(sample_names())}"
        )
    return _provenance()[name]


@functools.cache
def _provenance() -> dict[str, Any]:
    text = (_folder() / "provenance.json").read_text(encoding="utf-8")
    return json.loads(text)["faces"]


def _folder() -> Path:
    return Path(str(resources.files("fxai_jax.data"))) / "faces"
