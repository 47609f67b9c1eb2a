"""Every notebook runs, was stored as it runs, and leaves an accelerator's jax alone."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
INSTALL = "%pip install -q {SOURCE}"
INSTALLS = re.compile(r"\b(pip|uv|conda|mamba|apt)\b")
KEPT_SMALL = 600_000

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell):
    """What a cell shows: streams by name, else the formats of its data."""
    return [
        output.get("name", sorted(output.get("data", ()))) for output in cell.outputs
    ]


def test_there_is_a_notebook_for_every_method_and_what_is_made_of_them():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_fggb",
        "02_plq",
        "03_amva",
        "04_frequency",
        "05_evaluation",
        "06_finetuning",
    ]


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_and_shows_what_is_stored(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("XLA_FLAGS", "")
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    for cell in code_cells(fresh):
        cell.outputs, cell.execution_count = [], None
    client = nbclient.NotebookClient(
        fresh,
        timeout=300,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    for old, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        assert old.execution_count == new.execution_count
        assert kinds(old) == kinds(new), new.source


@each_notebook
def test_a_notebook_is_stored_clean(path):
    text = path.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", ()) for output in outputs)
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    assert not any(cell.metadata for cell in notebook.cells)
    assert 'SOURCE = ".."' in cells[0].source
    assert "http" not in notebook.cells[0].source + cells[0].source
    assert str(Path.home()) not in text
    assert str(path.parent.parent) not in text
    assert len(text) < KEPT_SMALL


@each_notebook
def test_a_notebook_never_touches_an_installed_jax(path):
    lines = [
        line.strip()
        for cell in code_cells(nbformat.read(path, as_version=4))
        for line in cell.source.splitlines()
    ]
    assert [line for line in lines if INSTALLS.search(line)] == [INSTALL]
    assert not [line for line in lines if line.startswith("!")]
