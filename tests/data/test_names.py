import os
import unicodedata

import pytest

from fxai_jax.data.names import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("anna 1.png", "anna 1.png"),
        ("安娜_é.png", "安娜_é.png"),
        ("[bold]a\\b", "[bold]a\\b"),
        ("\x1b[2J\x07\r\n\t\x7f\x9b", r"\x1b[2J\x07\r\n\t\x7f\x9b"),
        ("\u202egnp.anna", r"\u202egnp.anna"),
        ("\u2028\U000e0001", r"\u2028\U000e0001"),
        (os.fsdecode("é.png".encode("latin-1")), r"\xe9.png"),
        (os.fsdecode("安.png".encode("gbk")), r"\xb0\xb2.png"),
        ("\ud800", r"\ud800"),
        ("", ""),
    ],
)
def test_texts_are_shown_and_do_nothing(text, shown):
    assert printable(text) == shown


def test_random_names_are_harmless_and_can_be_encoded(rng):
    names = [os.fsdecode(rng.bytes(40)) for _ in range(50)]
    names += ["".join(map(chr, rng.integers(0, 0x110000, 40))) for _ in range(50)]
    for name in names:
        shown = printable(name)
        shown.encode("utf-8")
        kinds = {unicodedata.category(letter)[0] for letter in shown if letter != " "}
        assert not kinds & {"C", "Z"}
