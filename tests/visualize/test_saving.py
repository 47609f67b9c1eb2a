import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure
from PIL import Image

from fxai_jax import visualize
from fxai_jax.visualize.words import write


def drawn(words="Kulturgut 1"):
    figure = Figure(figsize=(4, 2), layout="constrained")
    axis = figure.subplots()
    axis.imshow(np.eye(3))
    axis.plot([0, 1])
    write(axis.set_title(""), words)
    return figure


@pytest.mark.parametrize("format", ["png", "pdf", "svg"])
def test_a_figure_gives_the_same_bytes_whenever_it_is_written(
    format, tmp_path, monkeypatch
):
    before = dict(rcParams)
    first = visualize.save_figure(drawn(), tmp_path / "a.b", format=format)
    assert first == tmp_path / f"a.b.{format}"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    second = visualize.save_figure(drawn(), tmp_path / "c", format=format)
    assert first.read_bytes() == second.read_bytes()
    assert dict(rcParams) == before


def test_text_stays_text_in_svg(tmp_path):
    path = visualize.save_figure(drawn("a & b $x_1$"), tmp_path / "a", format="svg")
    assert "a &amp; b $x_1$</text>" in path.read_text("utf-8")


def test_text_stays_text_in_pdf(tmp_path):
    path = visualize.save_figure(drawn(), tmp_path / "a", format="pdf")
    content = path.read_bytes()
    assert b"/FontFile2" in content  # an embedded TrueType font, not drawn shapes
    assert b"/Type3" not in content
    assert b"/ToUnicode" in content  # which letters its shapes are
    assert b"CreationDate" not in content


def test_dpi_are_the_pixels_of_an_inch(tmp_path):
    path = visualize.save_figure(drawn(), tmp_path / "a", dpi=50)
    with Image.open(path) as picture:
        assert picture.size == (200, 100)


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_written_is_refused(tmp_path):
    for dpi in (0, 19, 1201, -5):
        with pytest.raises(ValueError, match=f"dpi must be 20 to 1200, got {dpi}"):
            visualize.save_figure(drawn(), tmp_path / "a", dpi=dpi)
    with pytest.raises(ValueError, match="format must be png, pdf or svg, got 'gif'"):
        visualize.save_figure(drawn(), tmp_path / "a", format="gif")
    assert not [*tmp_path.iterdir()]
