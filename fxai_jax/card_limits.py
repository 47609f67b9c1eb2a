"""What no network has: options and calibrations of a card that are refused."""

from collections.abc import Mapping
from typing import Any

MAX_SIZE = 2**20
"""Most channels or entries that an option may ask for."""

MAX_PIXELS = 2048
"""Most rows or columns of a network's images."""

MAX_BLOCKS = 1100
"""Most blocks that a network may have; the deepest that was published has 1,030."""

_LARGEST = 3.4e38
_SMALLEST = 1.2e-38
"""What float32 holds without becoming infinite or denormal."""

_CONVENTION = {
    "mean": (-_LARGEST, _LARGEST),
    "scale": (_SMALLEST, _LARGEST),
    "eps": (_SMALLEST, _LARGEST),
}
"""Least and most of the options that are numbers."""

_QUALITY = {
    "center": (_SMALLEST, 1.0),
    "alpha": (_SMALLEST, _LARGEST),
    "gamma_at_quality": (_SMALLEST, 1.0),
    "quantile_10": (0.0, 1.0),
    "median": (0.0, 1.0),
    "quantile_90": (0.0, 1.0),
}
"""Least and most of a calibration's numbers; qualities of SER-FIQ are in (0, 1]."""

_MAX_GAMMA = 38.0
"""Most of gamma: 10 to its power is a float32."""


def check_blocks(options: Mapping[str, Any]) -> None:
    """Refuses options of a network that is too wide or deep to be built.

    Example:
        >>> check_blocks({"depth": [2000, 1]})
        Traceback (most recent call last):
        ValueError: its network has 2001 blocks, more than 1100
    """
    blocks = 0
    for name in options.keys() - _CONVENTION.keys():
        value = options[name]
        sizes = value if isinstance(value, list) else [value]
        whole = [size for size in sizes if isinstance(size, int)]
        if any(not 0 <= size <= MAX_SIZE for size in whole):
            raise ValueError(f"its option {name} is out of range")
        blocks += sum(whole) if len(sizes) > 1 or name == "depth" else 0
    if blocks > MAX_BLOCKS:
        raise ValueError(f"its network has {blocks} blocks, more than {MAX_BLOCKS}")


def check_convention(options: Mapping[str, Any]) -> None:
    """Refuses an input convention that gives no numbers."""
    for name in _CONVENTION.keys() & options.keys():
        _check_number(f"option {name}", options[name], *_CONVENTION[name])


def check_quality(quality: Mapping[str, Any]) -> None:
    """Refuses a calibration that is not as fxai-jax calibrate writes it."""
    gamma = quality.get("gamma")
    if not isinstance(gamma, dict) or not gamma.keys() <= {"uniform", "minimum_norm"}:
        raise ValueError(
            f"its quality's gamma is {repr(gamma)[:80]}, not one number each for "
            '"uniform" and "minimum_norm": measure it with fxai-jax calibrate'
        )
    for name, value in gamma.items():
        _check_number(f"quality's gamma of {name}", value, _SMALLEST, _MAX_GAMMA)
    for name in _QUALITY.keys() & {"center", "alpha", *quality}:
        _check_number(f"quality's {name}", quality.get(name), *_QUALITY[name])


def _check_number(name: str, value: Any, least: float, most: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most:
        raise ValueError(
            f"its {name} is {repr(value)[:80]}, not a number from {least:g} to {most:g}"
        )
