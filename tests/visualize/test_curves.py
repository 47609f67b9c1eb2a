import numpy as np
import pytest
from matplotlib.colors import to_rgb

from fxai_jax.visualize import Line, Panel, curves_figure
from tests.visualize.figures import save

X = np.arange(5)


def panel(*names, **options):
    lines = {n: Line(X, np.full(5, i / 10)) for i, n in enumerate(names)}
    return Panel("a title", "pixels / %", "cosine", lines, **options)


def colours(axis):
    return [to_rgb(line.get_color()) for line in axis.get_lines()]


def is_grey(colour):
    return np.ptp(to_rgb(colour)) < 0.02


def test_lines_of_one_name_look_alike_in_all_panels(tmp_path):
    figure = curves_figure([panel("a", "b", "c"), panel("c", "a")], columns=2)
    left, right = figure.axes
    a, _, c = colours(left)
    assert colours(right) == [c, a]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list("abc")
    save(figure, tmp_path)


def test_only_references_are_grey():
    names = [f"explainer {i}" for i in range(20)]
    panels = [panel(*names)]
    panels[0].lines["chance"] = Line(X, X / 10, reference=True)
    [axis] = curves_figure(panels, columns=1).axes
    *found, chance = axis.get_lines()
    assert is_grey(chance.get_color())
    assert not any(is_grey(line.get_color()) for line in found)
    looks = {(to_rgb(line.get_color()), line.get_linestyle()) for line in found}
    assert len(looks) == 20


@pytest.mark.parametrize("others", [0, 1, 5])
def test_references_look_alike_whatever_stands_beside_them(others):
    panels = [panel(*(f"explainer {i}" for i in range(others)))]
    for name in ("prior", "chance"):
        panels[0].lines[name] = Line(X, X / 10, reference=True)
    [axis] = curves_figure(panels, columns=1).axes
    prior, chance = axis.get_lines()[others:]
    assert (prior.get_linestyle(), chance.get_linestyle()) == ("-", "--")
    assert to_rgb(prior.get_color()) != to_rgb(chance.get_color())


def test_bands_and_stairs_are_drawn():
    line = Line(X, X / 4, (X / 4 - 0.1, X / 4 + 0.1), stairs=True)
    figure = curves_figure([Panel("t", "x", "y", {"a": line})], columns=1)
    [axis] = figure.axes
    assert axis.get_lines()[0].get_drawstyle() == "steps-post"
    assert len(axis.collections) == 1


def test_counts_have_whole_ticks_and_names_are_no_formulas(tmp_path):
    figure = curves_figure([panel("cost in $, in $ per face")], columns=1)
    save(figure, tmp_path)
    [axis] = figure.axes
    assert all(tick == round(tick) for tick in axis.get_xticks())


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="found no panel"):
        curves_figure([], columns=1)
    broken = panel("fine")
    broken.lines["broken"] = Line(X, np.full(5, np.nan))
    with pytest.raises(ValueError, match="curve of broken is not finite in 5"):
        curves_figure([broken], columns=1)
