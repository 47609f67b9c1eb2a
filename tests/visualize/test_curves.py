import numpy as np
import pytest
from matplotlib.colors import to_rgb

from fxai_jax.evaluation.report import Chart, Line, Panel
from fxai_jax.visualize import curves_figure
from tests.visualize.figures import curves, save, titles

X = np.arange(5)


def panel(*names, **options):
    lines = {n: Line(X, np.full(5, i / 10)) for i, n in enumerate(names)}
    return Panel("a title", "pixels / %", "cosine", lines, **options)


def draw(panels, columns=1, **options):
    return curves_figure(Chart("a chart", panels, columns, **options))


def colours(axis):
    return [to_rgb(line.get_color()) for line in axis.get_lines()]


def is_grey(colour):
    return np.ptp(to_rgb(colour)) < 0.02


def test_lines_of_one_name_look_alike_in_all_panels(tmp_path):
    figure = draw([panel("a", "b", "c"), panel("c", "a")], columns=2)
    left, right = figure.axes
    a, _, c = colours(left)
    assert colours(right) == [c, a]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list("abc")
    save(figure, tmp_path)


def test_only_references_are_grey():
    names = [f"explainer {i}" for i in range(20)]
    panels = [panel(*names)]
    panels[0].lines["chance"] = Line(X, X / 10, reference=True)
    [axis] = draw(panels, columns=1).axes
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
    [axis] = draw(panels, columns=1).axes
    prior, chance = axis.get_lines()[others:]
    assert (prior.get_linestyle(), chance.get_linestyle()) == ("-", "--")
    assert to_rgb(prior.get_color()) != to_rgb(chance.get_color())


def test_bands_and_stairs_are_drawn():
    line = Line(X, X / 4, (X / 4 - 0.1, X / 4 + 0.1), stairs=True)
    figure = draw([Panel("t", "x", "y", {"a": line})], columns=1)
    [axis] = figure.axes
    assert axis.get_lines()[0].get_drawstyle() == "steps-post"
    assert len(axis.collections) == 1


def test_counts_have_whole_ticks_and_names_are_no_formulas(tmp_path):
    figure = draw([panel("cost in $, in $ per face")], columns=1)
    save(figure, tmp_path)
    [axis] = figure.axes
    assert all(tick == round(tick) for tick in axis.get_xticks())


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="found no panel"):
        draw([], columns=1)
    broken = panel("fine")
    broken.lines["broken"] = Line(X, np.full(5, np.nan))
    with pytest.raises(ValueError, match="curve of broken is not finite in 5"):
        draw([broken], columns=1)


def test_lines_are_where_their_values_are(rng, tmp_path):
    values = rng.normal(size=(2, 5))
    panels = [
        Panel(f"t{i}", "x", "y", {"a": Line(X + i, y), "b": Line(X, -y)}, zero=i == 1)
        for i, y in enumerate(values)
    ]
    figure = draw(panels, columns=2)
    assert figure.get_suptitle() == "a chart"
    assert titles(figure) == ["t0", "t1"]
    for i, y in enumerate(values):
        axis = figure.axes[i]
        assert (axis.get_xlabel(), axis.get_ylabel()) == ("x", "y")
        drawn = curves(figure, f"t{i}")
        np.testing.assert_array_equal(drawn["a"], [X + i, y])
        np.testing.assert_array_equal(drawn["b"], [X, -y])
    assert [len(axis.get_lines()) for axis in figure.axes] == [2, 3]
    marked = figure.axes[1].get_lines()[-1]
    assert (*marked.get_ydata(), marked.get_color()) == (0, 0, "black")
    save(figure, tmp_path)


def test_panels_share_heights_and_leave_places_empty():
    low, high = (Panel("t", "x", "y", {"a": Line(X, 1.0 * X * k)}) for k in (1, 100))
    for shared in (True, False):
        figure = draw([low, high, low], columns=2, share_y=shared)
        assert len(figure.axes) == 4
        assert [axis.axison for axis in figure.axes] == [True] * 3 + [False]
        ranges = {axis.get_ylim() for axis in figure.axes[:3]}
        assert len(ranges) == (1 if shared else 2)


def test_a_logarithmic_axis_is_one():
    [axis] = draw([Panel("t", "x", "y", {"a": Line(X + 1, X / 4)}, log_x=True)]).axes
    assert axis.get_xscale() == "log"
    band = Line(X, X / 4, (X / 4 - 0.5, X / 4 + 1))
    [axis] = draw([Panel("t", "x", "y", {"a": band})]).axes
    box = axis.collections[0].get_paths()[0].get_extents()
    assert (box.ymin, box.ymax) == (-0.5, 2)
