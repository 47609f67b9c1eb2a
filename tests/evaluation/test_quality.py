import numpy as np
import pytest

from fxai_jax.evaluation.driver import evaluate
from fxai_jax.evaluation.quality import Quality
from fxai_jax.evaluation.report import Estimate
from fxai_jax.runs.options import RunOptions
from tests.evaluation.tiny import SIZE, network, pairs_of, upper_half


@pytest.fixture
def listed(rng):
    """A network with dropout and pairs, the genuine ones alike."""
    people = rng.uniform(size=(4, SIZE, SIZE, 3))
    images = np.concatenate([people, 0.8 * people + 0.2 * rng.uniform(size=(SIZE, 3))])
    pairs = pairs_of(
        list(images.astype(np.float32)), [0, 1, 2, 3, 0], [4, 5, 6, 7, 1], [1] * 4 + [0]
    )
    model = upper_half(rng.normal(size=(SIZE * SIZE * 3 // 2, 8)) / SIZE)
    return network(model), pairs


@pytest.mark.slow
def test_the_report_has_two_tables_and_two_charts(listed):
    backbone, pairs = listed
    protocol = Quality(maps=("centred-gaussian",), fmr=0.5, passes=4, steps=2, draws=2)
    report = evaluate(protocol, pairs, backbone=backbone, options=RunOptions(seed=1))
    assert list(report.tables) == list(report.charts)
    by_discard, by_pixel = report.tables.values()
    assert by_discard.title == "Error against discard: 5 pairs, tiny"
    assert by_pixel.title == "Pixel quality: 4 genuine pairs, tiny"
    assert by_discard.notes[0] == by_pixel.notes[0]
    assert [row["quality"] for row in by_discard.rows] == [
        "SER-FIQ",
        "random",
        "oracle",
    ]
    orders = [row["order"] for row in by_pixel.rows[::3]]
    assert orders == ["lowest deleted", "highest deleted", "highest inserted"]
    threshold = report.manifest["options"]["threshold"]
    line = report.charts["quality_edc"].panels[0].lines["SER-FIQ"]
    assert line.y[0] == pytest.approx(by_discard.rows[0]["FNMR"])
    assert by_discard.notes[0].startswith(f"Threshold {threshold:.3f}, where the FMR")
    again = evaluate(protocol, pairs, backbone=backbone, options=RunOptions(seed=1))
    assert again.table.rows == by_discard.rows
    other = evaluate(protocol, pairs, backbone=backbone, options=RunOptions(seed=2))
    assert isinstance(other.table.rows[1]["to 20 %"], Estimate)
    assert other.tables["quality_pixels"].rows != by_pixel.rows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "at least 1 of the draws, got 0"),
        ({"passes": 2}, "at least 3 of the passes, got 2"),
        ({"steps": 1}, "at least 2 of the steps, got 1"),
        ({"fmr": -1.0}, r"false match rate is in \[0, 1\], got -1"),
        ({"starting_error": 1.1}, r"starting error is in \[0, 1\], got 1\.1"),
        ({"maps": ("fggb",)}, "no map 'fggb'; there are plq"),
    ],
)
def test_options_without_a_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Quality(**options)
