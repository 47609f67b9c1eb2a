"""Names in figures: files and groups may be called anything, fonts know less."""

import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

from fxai_jax.data.names import escaped

BOXES = "Last Resort"
"""A font that comes with Matplotlib and draws boxes for all that no other one has."""


def write(text: Text, words: str, *, most: int | None = None) -> None:
    r"""Sets a name as the words of a title, a label or a line of a legend.

    The name is no formula. What the font of the text lacks is drawn by any installed
    font that has it; the rest is written as `drawable` says.

    Example:
        >>> from matplotlib.text import Text
        >>> text = Text()
        >>> write(text, "$a_1$\n" + 20 * "b", most=12)
        >>> text.get_text()
        '$a_1$…bbbbb'
    """
    families = text.get_fontfamily()
    text.set_parse_math(False)
    text.set_text(drawable(words, families, most=most))
    text.set_fontfamily(fonts(words, families))


def drawable(
    words: str, families: Sequence[str] = ("sans-serif",), *, most: int | None = None
) -> str:
    r"""A name as fonts can draw it, in one line.

    Characters that no font has, control characters, and bytes that are not UTF-8 become
    escapes such as ``\u5f20`` and ``\xc4``. With more than `most` characters, of
    which East Asian ones count twice, it is shortened in the middle.

    Example:
        >>> drawable("a\udcc4.png")
        'a\\xc4.png'
    """
    pieces = [_piece(letter, tuple(families)) for letter in words]
    return "".join(_shortened(pieces, most))


def fonts(words: str, families: Sequence[str] = ("sans-serif",)) -> list[str]:
    """The families, and after them installed ones that have what they lack.

    Example:
        >>> fonts("plain")
        ['sans-serif']
    """
    found = [_family(x, tuple(families)) for x in words if x.isprintable()]
    return list(dict.fromkeys([*families, *(name for name in found if name)]))


def _piece(letter: str, families: tuple[str, ...]) -> str:
    known = letter.isprintable() and _family(letter, families) is not None
    return letter if known else escaped(letter)


@cache
def _family(letter: str, families: tuple[str, ...]) -> str | None:
    """The family that draws a letter: the first of those given, or an installed one."""
    if ord(letter) in _codes(findfont(FontProperties(family=list(families)))):
        return families[0]
    return next((n for n, codes in _fonts().items() if ord(letter) in codes), None)


@cache
def _codes(path: str) -> np.ndarray:
    """Sorted characters of a font file."""
    return np.sort(np.fromiter(get_font(path).get_charmap(), np.uint32))


@cache
def _fonts() -> dict[str, np.ndarray]:
    """Characters of each installed family, those of an upright regular face."""
    found: dict[str, np.ndarray] = {}
    faces = sorted(
        fontManager.ttflist,
        key=lambda face: (face.style != "normal", str(face.weight) != "400", face.name),
    )
    for face in faces:
        if face.name in found or face.name.startswith(BOXES):
            continue
        try:
            found[face.name] = _codes(face.fname)
        except (OSError, RuntimeError):  # listed, but gone or broken
            continue
    return found


def _shortened(pieces: Sequence[str], most: int | None) -> list[str]:
    if most is None or sum(map(_width, pieces)) <= most:
        return list(pieces)
    half = (most - 1) // 2
    front = _fitting(pieces, half)
    return [*front, "…", *reversed(_fitting(pieces[::-1], half))]


def _fitting(pieces: Sequence[str], room: int) -> list[str]:
    ends = np.cumsum([_width(piece) for piece in pieces])
    return list(pieces[: int(np.sum(ends <= room))])


def _width(piece: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(x) in "WF") for x in piece)
