import numpy as np
import pytest
from matplotlib.colors import to_rgb

from fxai_jax.evaluation.report import Chart, Line, Panel
from fxai_jax.visualize import curves_figure
from tests.visualize.figures import curves, legend, save, titles

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


def test_few_lines_stand_out_of_many(tmp_path):
    names = [f"explainer {i}" for i in range(13)]
    panels = [panel(*names, "chance"), panel(*names, "chance")]
    for each in panels:
        line = each.lines["chance"]
        each.lines["chance"] = line._replace(reference=True)
        for name in ("explainer 4", "explainer 0"):
            each.lines[name] = each.lines[name]._replace(band=(X - 1.0, X + 1.0))
    figure = draw(panels, columns=2, highlighted=["explainer 7", "explainer 4"])
    save(figure, tmp_path)
    for axis in figure.axes:
        lines = {line.get_label(): line for line in axis.get_lines()}
        faint = [name for name in names if name[-2:] not in (" 7", " 4")]
        assert len(faint) == 11
        assert all(to_rgb(lines[name].get_color())[0] > 0.7 for name in faint)
        assert {is_grey(lines[name].get_color()) for name in faint} == {True}
        shown = [lines[name] for name in ("explainer 7", "explainer 4", "chance")]
        assert [is_grey(line.get_color()) for line in shown] == [False, False, True]
        assert to_rgb(shown[2].get_color())[0] < 0.2
        above = min(line.get_zorder() for line in shown)
        assert above > max(lines[name].get_zorder() for name in faint)
        assert len(axis.collections) == 1  # the band of explainer 0 would hide others
    first, second, chance, others = legend(figure)
    assert [first, second, chance] == ["explainer 7", "explainer 4", "chance"]
    assert others.replace("\n", " ") == f"others: {'; '.join(faint)}"


def test_panels_that_share_no_line_have_legends_of_their_own(tmp_path):
    figure = draw([panel("a", "b"), panel("c")], columns=2)
    save(figure, tmp_path)
    assert not figure.legends
    left, right = figure.axes
    assert [*legend(left)] == ["a", "b"]
    assert [*legend(right)] == ["c"]
    assert legend(left)["a"] == legend(right)["c"]  # the first colour, in both


def test_a_legend_of_many_groups_fits_the_figure():
    figure = draw([panel(*(f"group {i}" for i in range(60)))])
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.y0 >= 0
    assert box.y1 <= figure.bbox.height
    assert box.x0 > figure.axes[0].get_window_extent().x1
    assert box.x1 <= figure.bbox.width


def test_names_of_lines_are_written_as_they_are(tmp_path):
    names = ["_hidden", "$x^$_{", "a\udcc4.png", "n" * 90]
    figure = draw([panel(*names)])
    save(figure, tmp_path)
    expected = ["_hidden", "$x^$_{", r"a\xc4.png", f"{'n' * 13}…{'n' * 13}"]
    assert [*legend(figure)] == expected


@pytest.mark.parametrize(
    ("y_range", "ends"), [((0.0, 100.0), (0, 100)), ((0.0, None), (0, 96.9))]
)
def test_rates_keep_their_natural_ends(y_range, ends):
    rising = Panel("t", "x", "y", {"a": Line(X, np.linspace(60, 95.15, 5))})
    [axis] = draw([rising._replace(y_range=y_range)]).axes
    assert axis.get_ylim() == pytest.approx(ends, abs=0.1)
    [axis] = draw([rising]).axes
    assert axis.get_ylim() == pytest.approx((58.2, 96.9), abs=0.1)


@pytest.mark.parametrize(
    ("value", "ends"),
    [(0.5, (-0.025, 0.525)), (-0.5, (-0.525, 0.025)), (0.0, (-0.05, 1.05))],
)
@pytest.mark.parametrize("rounding", [0, 1e-9])
def test_a_constant_curve_is_drawn_over_zero(value, ends, rounding):
    line = Line(X, value * (1 + rounding * X))
    [axis] = draw([Panel("t", "x", "y", {"a": line})]).axes
    assert axis.get_ylim() == pytest.approx(ends, abs=1e-6)
