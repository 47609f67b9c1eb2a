import os

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

from fxai_jax import visualize
from fxai_jax.visualize import words
from fxai_jax.visualize.words import drawable, fonts, write

FACE = np.full((4, 4, 3), 0.5, np.float32)
RARE = "\U00013000\U00013001"
"""Hieroglyphs, which hardly any installed font has."""


@pytest.fixture
def rare_font(tmp_path):
    """An installed font that has the hieroglyphs."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((500, 0))
    pen.lineTo((250, 700))
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "sign"])
    builder.setupCharacterMap(dict.fromkeys(map(ord, RARE), "sign"))
    builder.setupGlyf(dict.fromkeys([".notdef", "sign"], pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", "sign"], (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Rare Signs", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(tmp_path / "rare.ttf")
    listed = [*fontManager.ttflist]
    fontManager.addfont(str(tmp_path / "rare.ttf"))
    forget()
    yield "Rare Signs"
    fontManager.ttflist = listed
    forget()


def forget():
    words._fonts.cache_clear()
    words._family.cache_clear()


def written(name, **options):
    text = Text()
    write(text, name, **options)
    return text


def test_names_are_no_formulas():
    text = written("$a_1$ \\frac{")
    assert text.get_text() == "$a_1$ \\frac{"
    assert not text.get_parse_math()


def test_what_no_font_has_is_escaped(monkeypatch):
    monkeypatch.setattr(words, "_fonts", dict)
    forget_family = words._family.cache_clear
    forget_family()
    assert drawable("张伟_01.jpg") == r"\u5f20\u4f1f_01.jpg"
    assert drawable("🙂") == r"\U0001f642"
    assert fonts("张伟_01.jpg") == ["sans-serif"]
    forget_family()


def test_an_installed_font_draws_what_the_usual_one_lacks(rare_font, tmp_path):
    text = written(f"a{RARE}")
    assert text.get_text() == f"a{RARE}"
    assert text.get_fontfamily() == ["sans-serif", rare_font]
    figure = visualize.contact_sheet(lambda i: FACE, np.ones(1), [f"a{RARE}"])
    visualize.save_figure(figure, tmp_path / "a")  # a missing glyph would warn
    visualize.save_figure(figure, tmp_path / "a", format="pdf")


def test_letters_of_other_alphabets_stay():
    for name in ("Zoë", "Ωμέγα", "Борис", "łódź"):
        assert drawable(name) == name
        assert fonts(name) == ["sans-serif"]


def test_what_would_move_or_hide_words_is_escaped():
    assert drawable("a\nb\tc\x1b[31m\u202ed") == r"a\nb\tc\x1b[31m\u202ed"


def test_names_of_any_bytes_are_drawn(rng, tmp_path):
    """Names that are not UTF-8, as Python gives them, and lone surrogates."""
    names = [os.fsdecode(rng.bytes(12)) for _ in range(12)]
    names += ["", "\ud800", os.fsdecode("张".encode("gbk")) + ".png"]
    assert drawable(names[-1]) == r"\xd5\xc5.png"
    qualities = np.linspace(0, 1, len(names))
    figure = visualize.contact_sheet(lambda i: FACE, qualities, names)
    for format in ("png", "pdf", "svg"):
        visualize.save_figure(figure, tmp_path / "a", format=format, dpi=40)
    shown = [axis.get_title() for axis in figure.axes if axis.images]
    assert all(name.isprintable() for name in shown)
    (tmp_path / "a.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a" * 12, "a" * 12),
        ("a" * 7 + "b" * 6, "aaaaa…bbbbb"),
        ("\x00" * 4, r"\x00…\x00"),  # an escape is never cut
    ],
)
def test_long_names_are_shortened_in_the_middle(name, shown):
    assert drawable(name, most=12) == shown


def test_wide_letters_count_twice(monkeypatch):
    monkeypatch.setattr(words, "_family", lambda letter, families: families[0])
    assert drawable("张" * 6, most=12) == "张" * 6
    assert drawable("张" * 7, most=12) == "张张…张张"
