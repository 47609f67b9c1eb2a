"""What the commands draw, kept so that tests can read it."""

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def saved(monkeypatch):
    """Figures by the name of the file that a command saved them as."""
    figures, save = {}, Figure.savefig

    def watched(figure, path, **options):
        name = re.sub(r"^\.[0-9a-f]{8}\.", "", Path(path).name)  # written beside
        figures[name] = figure
        save(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", watched)
    return figures
