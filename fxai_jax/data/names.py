"""Names of files and texts from files, as they may be shown."""

BYTE = 0xDC00
"""What Python adds to a byte of a file's name that is not UTF-8 (PEP 383)."""


def printable(text: str) -> str:
    r"""A text from elsewhere that cannot colour, move, turn or erase what is printed.

    Control characters, overrides of direction and bytes that are not UTF-8 become
    escapes, as in a literal of Python.

    Example:
        >>> print(printable("\x1b[31m\u202eanna\n\udce9.png"))
        \x1b[31m\u202eanna\n\xe9.png
    """
    return "".join(x if x.isprintable() else _escape(x) for x in text)


def _escape(letter: str) -> str:
    code = ord(letter)
    if BYTE + 0x80 <= code <= BYTE + 0xFF:
        return f"\\x{code - BYTE:02x}"
    return ascii(letter)[1:-1]
