"""Formats of figures; to know them takes no Matplotlib."""

from typing import Literal

Format = Literal["png", "pdf", "svg"]

LEAST_DPI, MOST_DPI = 20, 1200


def check_dpi(dpi: int) -> None:
    """Refuses numbers with which nothing can be seen, or memory ends."""
    if not LEAST_DPI <= dpi <= MOST_DPI:
        raise ValueError(f"dpi must be {LEAST_DPI} to {MOST_DPI}, got {dpi}")
