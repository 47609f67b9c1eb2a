r"""Names of files: bytes on disk, text inside, and harmless where they are shown.

Inside, a name is text in which a byte that is no UTF-8 is a lone surrogate, as
`os.fsdecode` makes it. Written to text files (``errors=KEPT``) it becomes that byte
again; in JSON it is the escape ``\udcXX``, which JSON reads back.
"""

import json
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KEPT = "surrogateescape"
"""How text files are opened, so that names leave as the bytes they came as."""


def printable(text: object, most: int = 2000) -> str:
    r"""A text as terminals and figures show it: it must not colour, move or erase.

    Of a text of more than `most` letters the first are shown.

    Example:
        >>> print(printable("caf\udce9\x1b[31m\n\u202egnp.png"))
        caf\xe9\x1b[31m\n\u202egnp.png
        >>> printable("a long name", 6)
        'a long...'
    """
    letters = str(text)
    more = "..." if len(letters[:most]) < len(letters) else ""
    return "".join(map(_shown, letters[:most])) + more


def _shown(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":
        return letter
    return escaped(letter)


def escaped(letter: str) -> str:
    r"""A letter as Python writes what cannot be shown; a byte as ``\xe9``."""
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


def json_bytes(content: Any) -> bytes:
    r"""A file of JSON, names in it readable.

    Example:
        >>> json.loads(json_bytes({"é": "caf\udce9"})) == {"é": "caf\udce9"}
        True
    """
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # What Python writes for a lone surrogate is JSON's escape for it.
    return (text + "\n").encode("utf-8", "backslashreplace")


def relative_names(paths: Sequence[Path]) -> list[str]:
    """Paths from the folder that all have in common.

    Example:
        >>> relative_names([Path("faces/anna/1.png"), Path("faces/bert/1.png")])
        ['anna/1.png', 'bert/1.png']
    """
    full = [os.path.abspath(path) for path in paths]
    common = os.path.commonpath([os.path.dirname(path) for path in full])
    return [os.path.relpath(path, common) for path in full]
