import json
import os
import re
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from fxai_jax.runs import running
from fxai_jax.runs.keys import image_key
from fxai_jax.runs.options import RunOptions
from fxai_jax.runs.running import Task, run

SIZE = (6, 5)
NAMES = [f"example {i}" for i in range(9)]


def weigh(scale, key, image, mask, number):
    """A stand-in for a method of several arrays of different ranks and types."""
    weights = jnp.where(mask, 1.0, 0.0)[..., None]
    return {
        "sum": scale * (image * weights).sum(),
        "noise": jax.random.normal(key, (2,)),
        "order": number + jnp.arange(3, dtype=jnp.int32),
        "mask": mask,
    }


@pytest.fixture
def examples(rng):
    return [
        (
            rng.random((*SIZE, 3), np.float32),
            rng.random(SIZE) < 0.5,
            np.array(rng.integers(9), np.int32),
        )
        for _ in NAMES
    ]


def task(examples, load=None, function=weigh, **fields):
    names = NAMES[: len(examples)]
    load = load or (lambda i: examples[i])
    return Task("weights", function, jnp.float32(2), names, load, **fields)


def load_nothing(*_):
    raise AssertionError("everything is in the journal")


def assert_same(found, expected):
    np.testing.assert_array_equal(found.rows, expected.rows)
    assert found.errors == expected.errors
    assert found.values.keys() == expected.values.keys()
    for name, value in expected.values.items():
        assert found.values[name].dtype == value.dtype
        np.testing.assert_allclose(found.values[name], value, rtol=1e-6)


def test_values_are_those_of_a_loop(examples):
    found = run(task(examples), RunOptions(seed=7, batch_size=4))
    assert found.rows.tolist() == list(range(9))
    assert found.errors == []
    for i, example in enumerate(examples):
        key = image_key(jax.random.key(7), *example)
        for name, value in weigh(2.0, key, *map(jnp.asarray, example)).items():
            assert found.values[name].dtype == value.dtype
            np.testing.assert_allclose(found.values[name][i], value, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 8, 9, 64, None])
@pytest.mark.parametrize("count", [1, 4])
def test_batch_size_and_devices_change_nothing(examples, batch_size, count):
    devices = tuple(jax.devices())
    expected = run(task(examples), RunOptions(batch_size=9, devices=devices[:1]))
    options = RunOptions(batch_size=batch_size, devices=devices[:count])
    assert_same(run(task(examples), options), expected)


def test_the_order_of_the_examples_changes_nothing(examples):
    found = run(task(examples[::-1]), RunOptions())
    expected = run(task(examples), RunOptions())
    for name, value in expected.values.items():
        np.testing.assert_allclose(found.values[name][::-1], value, rtol=1e-6)


def test_the_seed_changes_the_noise_alone(examples):
    first, second = (run(task(examples), RunOptions(seed=seed)) for seed in (0, 1))
    assert (first.values["noise"] != second.values["noise"]).all()
    np.testing.assert_array_equal(first.values["sum"], second.values["sum"])


def test_shared_values_are_traced_and_static_ones_are_not(examples):
    traces = []

    def counted(scale, key, image, mask, number, *, power):
        traces.append(power)
        return {"sum": scale * (image**power).sum()}

    options = RunOptions(batch_size=4)
    for scale in (1.0, 2.0, 3.0):
        for power in (1, 2):
            one = task(examples, function=counted, static={"power": power})
            found = run(one._replace(shared=jnp.float32(scale)), options)
            expected = [scale * (image**power).sum() for image, _, _ in examples]
            np.testing.assert_allclose(found.values["sum"], expected, rtol=1e-5)
    assert traces == [1, 2]


def bad_examples(examples):
    """Places of examples that cannot be used: what comes of each, and its error."""
    image, mask, number = examples[0]
    return {
        1: (ValueError("one\nline"), "one line"),
        2: (OSError("gone"), "gone"),
        3: (FileNotFoundError("nowhere"), "nowhere"),
        4: (
            (image[1:], mask[1:], number),
            r"example 4: .*float32\[5, 5, 3\].*\[6, 5, 3",
        ),
        6: ((image, mask), "example 6: found arrays float32.*expected .*int32"),
        7: ((image, mask, np.float32(3)), r"example 7: .*float32\[\], exp.*int32\[\]"),
        8: ((np.full_like(image, np.nan), mask, number), "example 8: .* not finite"),
    }


@pytest.mark.parametrize("batch_size", [2, 4])
def test_bad_examples_cost_nothing_else(examples, batch_size):
    bad = bad_examples(examples)

    def load(i):
        found = bad.get(i, (examples[i],))[0]
        if isinstance(found, Exception):
            raise found
        return found

    whole = run(task(examples), RunOptions())
    found = run(task(examples, load), RunOptions(batch_size=batch_size))
    assert found.rows.tolist() == [0, 5]
    for name, value in whole.values.items():
        np.testing.assert_allclose(found.values[name], value[[0, 5]], rtol=1e-6)
    assert len(found.errors) == len(bad)
    for error, (_, message) in zip(found.errors, bad.values(), strict=True):
        assert re.search(message, error)


def test_one_number_that_is_not_finite_spoils_an_example(examples):
    def colours(scale, key, image, mask, number):
        return {"colours": image.mean((0, 1))}

    examples[3][0][2, 1, 0] = np.inf
    found = run(task(examples, function=colours), RunOptions())
    assert found.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert found.errors == ["example 3: the network's values are not finite"]


def test_doubles_and_long_integers_are_those_of_the_device(examples):
    def load(i):
        image, mask, number = examples[i]
        exact = image.astype(np.float64), mask, np.int64(number)
        return exact if i % 2 else (image, mask, number)

    options = RunOptions()
    assert_same(run(task(examples, load), options), run(task(examples), options))


def altered(journal):
    """Writes other sums into a journal, as no run would find them."""
    first, *lines = journal.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        record["values"]["sum"] = -1.0
    journal.write_text("\n".join([first, *map(json.dumps, records)]) + "\n")


def test_a_run_that_was_cut_off_goes_on_with_what_it_noted(examples, tmp_path):
    out = tmp_path / "deep" / "out"
    options, seen = RunOptions(batch_size=4, resume=out), []
    whole = run(task(examples, depends={"passes": 3}), options)
    journal = out / "run.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 10
    journal.write_text("".join(lines[:5]))
    altered(journal)
    journal.write_text(journal.read_text() + lines[5][:20])

    def watched(i):
        seen.append(i)
        return examples[i]

    found = run(task(examples, watched, depends={"passes": 3}), options)
    assert sorted(seen) == [4, 5, 6, 7, 8]
    assert found.values["sum"][:4].tolist() == [-1.0] * 4
    for name in ("noise", "order", "mask"):
        assert found.values[name].dtype == whole.values[name].dtype
        np.testing.assert_allclose(found.values[name], whole.values[name], rtol=1e-6)
    np.testing.assert_allclose(found.values["sum"][4:], whole.values["sum"][4:])
    again = run(task(examples, load_nothing, depends={"passes": 3}), options)
    assert_same(again, found)
    noted = [json.loads(line) for line in journal.read_text().splitlines()[5:]]
    expected = [json.loads(line) for line in lines[5:]]
    for line in noted + expected:
        del line["seconds"]
    assert noted == expected


def test_seconds_are_those_of_all_runs_that_the_values_come_from(examples, tmp_path):
    options = RunOptions(batch_size=4, resume=tmp_path)
    start = time.perf_counter()
    found = run(task(examples), options)
    assert 0 < found.seconds < time.perf_counter() - start
    assert run(task(examples, load_nothing), options).seconds == found.seconds
    first, *lines = (tmp_path / "run.jsonl").read_text().splitlines()
    noted = [json.loads(line) | {"seconds": 100.0} for line in lines[:5]]
    text = "\n".join([first, *map(json.dumps, noted)])
    (tmp_path / "run.jsonl").write_text(f"{text}\n")
    assert 500 < run(task(examples), options).seconds < 600


@pytest.mark.parametrize(
    "damage", [b"\x00\xff\xfe", b"{}", b"[1]", b'{"name": "example 1"}', b"3", b""]
)
def test_a_damaged_line_costs_its_own_example(examples, tmp_path, damage):
    options = RunOptions(batch_size=4, resume=tmp_path)
    expected, journal = run(task(examples), options), tmp_path / "run.jsonl"
    lines = journal.read_bytes().splitlines()
    journal.write_bytes(b"\n".join([*lines[:2], damage, *lines[3:], b""]))
    seen = []

    def watched(i):
        seen.append(i)
        return examples[i]

    assert_same(run(task(examples, watched), options), expected)
    assert seen == [1]


def test_names_of_any_bytes_are_noted(examples, tmp_path):
    names = [os.fsdecode(b"\xff\n%d\xe2\x80\xa8" % i) for i in range(9)]
    options = RunOptions(resume=tmp_path)
    expected = run(task(examples)._replace(names=names), options)
    again = run(task(examples, load_nothing)._replace(names=names), options)
    assert_same(again, expected)


def test_other_random_numbers_do_not_go_on(examples, tmp_path):
    options = RunOptions(resume=tmp_path)
    run(task(examples), options)
    partitionable = jax.config.jax_threefry_partitionable
    jax.config.update("jax_threefry_partitionable", not partitionable)
    try:
        message = f"randomness partitionable was {partitionable}, is"
        with pytest.raises(ValueError, match=message):
            run(task(examples), options)
    finally:
        jax.config.update("jax_threefry_partitionable", partitionable)


def test_a_bad_example_is_tried_again(examples, tmp_path):
    options = RunOptions(resume=tmp_path)

    def load(i):
        if i == 4:
            raise OSError("gone")
        return examples[i]

    assert run(task(examples, load), options).rows.tolist() == [*range(4), *range(5, 9)]
    assert_same(run(task(examples), options), run(task(examples), RunOptions()))


@pytest.mark.parametrize("other", ["depends", "seed"])
def test_the_journal_of_another_run_is_refused(examples, tmp_path, other):
    run(task(examples, depends={"passes": 3}), RunOptions(seed=1, resume=tmp_path))
    depends = {"passes": 4 if other == "depends" else 3}
    options = RunOptions(seed=2 if other == "seed" else 1, resume=tmp_path)
    differs = "passes was 3, is 4" if other == "depends" else "seed was 1, is 2"
    message = rf"run\.jsonl belongs to .* other options or .*\({differs}\)"
    with pytest.raises(ValueError, match=message):
        run(task(examples, load_nothing, depends=depends), options)
    run(task(examples, depends=depends, file="other"), options)
    assert (tmp_path / "other.jsonl").exists()


def test_an_empty_journal_is_a_new_one(examples, tmp_path):
    (tmp_path / "run.jsonl").write_text("")
    options = RunOptions(resume=tmp_path)
    expected = run(task(examples), options)
    assert_same(run(task(examples, load_nothing), options), expected)


@pytest.mark.parametrize("first", ["{", "[1]", "null"])
def test_a_damaged_journal_is_refused(examples, tmp_path, first):
    (tmp_path / "run.jsonl").write_text(f"{first}\n")
    with pytest.raises(ValueError, match="its first line is damaged"):
        run(task(examples), RunOptions(resume=tmp_path))


def test_tasks_that_cannot_be_are_refused(examples):
    for size in (0, -3):
        with pytest.raises(ValueError, match=f"at least 1 example, got {size}"):
            run(task(examples), RunOptions(batch_size=size))
    with pytest.raises(ValueError, match="2 examples with the name 'b'"):
        run(task(examples)._replace(names=["a", "b", "b"]), RunOptions())
    with pytest.raises(ValueError, match="found no examples, expected at least 1"):
        run(task([]), RunOptions())


def test_a_run_without_any_good_example_says_why(examples):
    def load(i):
        raise OSError(f"{NAMES[i]}: gone")

    message = "weights: none of the 9 images can be used; the first: example 0: gone"
    with pytest.raises(ValueError, match=message):
        run(task(examples, load), RunOptions())


def test_a_mistake_in_the_program_is_not_swallowed(examples):
    with pytest.raises(AssertionError, match="everything"):
        run(task(examples, load_nothing), RunOptions())


def test_the_next_batch_is_read_while_the_devices_work(examples):
    read = []

    def load(i):
        read.append(i)
        return examples[i]

    def slow(scale, key, image, mask, number):
        def wait(x):
            while len(read) < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            return x

        shape = jax.ShapeDtypeStruct(number.shape, number.dtype)
        return {"n": jax.pure_callback(wait, shape, number, vmap_method="sequential")}

    deadline = time.monotonic() + 20
    options = RunOptions(batch_size=2, devices=(jax.devices()[0],))
    found = run(task(examples[:4], load, slow), options)
    assert time.monotonic() < deadline
    assert found.values["n"].tolist() == [number for _, _, number in examples[:4]]


def test_progress_is_drawn_where_it_is_told(examples):
    console = Console(record=True, force_terminal=True, width=80)
    options = RunOptions(batch_size=4, console=console)
    run(task(examples, unit="pairs")._replace(title="SER-FIQ [x]"), options)
    drawn = console.export_text()
    assert "SER-FIQ [x]" in drawn
    last = r"9/9 pairs, [\d.]+/s, 0:00:\d\d elapsed, 0:00:00 left"
    assert re.search(last, drawn)


def test_the_precision_reaches_the_program(examples):
    def product(scale, key, image, mask, number):
        return {"product": image[..., 0] @ image[..., 0].T}

    batch = (np.zeros(4, np.uint32), (np.stack([x[0] for x in examples[:4]]),) * 3)
    arguments = product, (), np.float32(1), jax.random.key(0), *batch
    default = jax.config.jax_default_matmul_precision
    jax.config.update("jax_default_matmul_precision", None)
    try:
        seen = []
        original = running._batch

        def spied(*args):
            seen.append(original.lower(*args).as_text())
            return original(*args)

        running._batch = spied
        run(task(examples, function=product), RunOptions())
        assert "HIGHEST" in seen[0]
        assert "HIGHEST" not in original.lower(*arguments).as_text()
    finally:
        running._batch = original
        jax.config.update("jax_default_matmul_precision", default)
