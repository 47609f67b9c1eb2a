"""Figures as files for papers and for pages."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from fxai_jax.visualize.formats import Format, check_dpi
from fxai_jax.writing import written

TEXT_AS_TEXT = {"pdf.fonttype": 42, "svg.fonttype": "none"}
"""Text can be searched and edited; fonts are embedded in PDF, not in SVG."""

NO_DATE = {
    "png": {},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}


def save_figure(
    figure: Figure, stem: str | Path, *, format: Format = "png", dpi: int = 150
) -> Path:
    """Writes a figure as ``stem.format``; the same figure gives the same bytes.

    Text stays text in PDF and SVG, and no date is written. Matplotlib's settings are
    those of the process and change while the file is written.

    Args:
        figure: Figure to write.
        stem: Path without the ending.
        format: png; or pdf or svg, in which lines and text have no pixels.
        dpi: Pixels per inch, 20 to 1200, of png and of what pdf and svg hold as pixels.

    Returns:
        The path of the file.

    Raises:
        ValueError: If the format or the dpi is another.
        OSError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_figure(Figure(), Path(folder) / "empty.v1", format="pdf").name
        'empty.v1.pdf'
    """
    if format not in NO_DATE:
        raise ValueError(f"format must be png, pdf or svg, got {format!r}")
    check_dpi(dpi)
    path = Path(f"{stem}.{format}")
    settings = TEXT_AS_TEXT | {"svg.hashsalt": "fxai_jax"}
    with written(path) as made, matplotlib.rc_context(settings):
        figure.savefig(made, format=format, dpi=dpi, metadata=NO_DATE[format])
    return path
