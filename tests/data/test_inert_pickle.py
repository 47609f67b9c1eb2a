"""Pickles are read as Python wrote them, and nothing in them is run."""

import ast
import io
import os
import pickle
import struct
import sys
import tracemalloc
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path

import pytest

from fxai_jax.data import inert_pickle
from fxai_jax.data.inert_pickle.nodes import (
    DICT,
    SET,
    ByteString,
    Global,
    Node,
    PersistentId,
    RefusedPickle,
)
from fxai_jax.data.inert_pickle.unpickling import unpickle


def read(content, **limits):
    return unpickle(io.BytesIO(content), len(content), **limits)


def refused(content, reason, **limits):
    with pytest.raises(RefusedPickle, match=reason):
        read(content, **limits)


def revived(value):
    """The value with the dictionaries and sets that were only recorded."""
    if isinstance(value, list | tuple):
        return type(value)(revived(item) for item in value)
    if isinstance(value, Node) and value.maker == DICT:
        return {revived(key): revived(item) for key, item in value.pairs}
    if isinstance(value, Node) and value.maker == SET:
        return {revived(item) for item in value.items}
    return value


OLD = [None, True, False, 0, -1, 255, 65536, -(2**31), 0.5, "", "é\0", "long" * 100]
OLD += [(), (1,), (1, 2), (1, (2, "3"), [4], 5), [], [1], [1, [2, (3,)]]]
OLD += [{}, {"a": 1}, {"a": {"b": [2]}, 3: (), (4, 5): "c"}]
NEW = [b"", b"\xff" * 300, bytearray(b"ab"), set(), {1, 2}, {(3, "4")}]


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_values_are_those_that_were_written(protocol):
    longs = [2**31, 2**64, -(2**2100)] if protocol > 1 else []
    for value in [*OLD, *longs, *(NEW if protocol == 5 else [])]:
        found = read(pickle.dumps(value, protocol))
        assert revived(found.root) == value
        assert type(revived(found.root)) is type(value)
        assert (found.globals_seen, found.persistent_ids) == ((), ())


def test_frozen_sets_are_recorded_as_sets():
    assert revived(read(pickle.dumps(frozenset({1, 2}), 4)).root) == {1, 2}


def test_a_value_that_is_used_again_is_the_same_one():
    shared = ["a"]
    for protocol in (2, 4):
        first, second = read(pickle.dumps([shared, shared], protocol)).root
        assert first is second


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_is_asked_for_is_recorded_as_it_was_asked_for(protocol):
    found = read(pickle.dumps(OrderedDict(a=Fraction(1, 3)), protocol))
    ordered = Global("collections", "OrderedDict")
    assert found.globals_seen == (ordered, Global("fractions", "Fraction"))
    assert found.root.maker == ordered
    ((key, fraction),) = found.root.pairs
    assert key == "a"
    assert fraction.maker == Global("fractions", "Fraction")
    assert fraction.args in [(1, 3), ("1/3",)]


class Shown:
    """Pickles with state, items and pairs, each another way of asking."""

    def __reduce__(self):
        return list, (), {"state": 1}, iter(["item"]), iter([("key", "value")])


def test_state_items_and_pairs_are_kept_apart():
    root = read(pickle.dumps(Shown(), 4)).root
    assert revived(root.state) == {"state": 1}
    assert root.items == ["item"]
    assert root.pairs == [("key", "value")]


class Payload:
    """Makes a folder when it is unpickled by anything that runs pickles."""

    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return os.mkdir, self.args


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_a_payload_is_recorded_and_does_not_run(tmp_path, protocol):
    content = pickle.dumps(Payload(str(tmp_path / "ran")), protocol)
    found = read(content)
    assert found.root.args == (str(tmp_path / "ran"),)
    assert [demand.name for demand in found.globals_seen] == ["mkdir"]
    assert not (tmp_path / "ran").exists()
    pickle.loads(content)
    assert (tmp_path / "ran").exists()


def test_strings_of_python_2_are_told_from_text():
    for opcode, size in ((b"U", b"\2"), (b"T", b"\2\0\0\0")):
        found = read(opcode + size + b"\xffa.").root
        assert type(found) is ByteString
        assert found.encode("latin-1") == b"\xffa"
    assert type(read(b"X\2\0\0\0ab.").root) is str


def test_persistent_ids_are_recorded():
    found = read(b"(U\x01aK\x02tQ.")
    assert isinstance(found.root, PersistentId)
    assert found.persistent_ids == (found.root,)
    assert found.root.value == ("a", 2)


def test_the_stream_is_left_after_the_end():
    stream = io.BytesIO(b"K\x01.K\x02.rest")
    assert [unpickle(stream, 10 - stream.tell()).root for _ in range(2)] == [1, 2]
    assert stream.read() == b"rest"
    with pytest.raises(RefusedPickle, match="truncated"):
        unpickle(io.BytesIO(b"K\x01."), 2)


def test_limits():
    content = pickle.dumps(["a", "b", "c"], 4)
    refused(content, "more than 5 opcodes", max_opcodes=5)
    refused(content, "longer than 9 bytes", max_bytes=9)
    read(b"N" + struct.pack("<cI", b"r", 999) + b".", max_opcodes=1000)
    refused(b"Nr" + struct.pack("<I", 1000) + b".", "entry 1000", max_opcodes=1000)
    refused(b"Nr\xff\xff\xff\xff.", "memoizes entry 4294967295")
    refused(b"c" + b"a" * 600 + b"\nb\n.", "unprintable name")
    refused(b"S'a'\n.", "b'S', which torch.save does not", writer="torch.save")


@pytest.mark.parametrize(
    "opcode", [b"T\0\0\0\1", b"X\0\0\0\1", b"\x8e\0\0\0\1\0\0\0\0", b"\x8b\0\0\0\1"]
)
def test_sizes_that_are_lies_cost_nothing(tmp_path, opcode):
    (tmp_path / "file").write_bytes(opcode + b"a" * 9)
    tracemalloc.start()
    try:
        with (
            (tmp_path / "file").open("rb") as file,
            pytest.raises(RefusedPickle, match="truncated"),
        ):
            unpickle(file, 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1e6


@pytest.mark.parametrize("opcode", [b"}", b"]", b"(", b"N\x85", b"N)\x81", b"c\n\n"])
def test_memory_is_bounded_by_the_number_of_opcodes(opcode):
    count = 4_000
    tracemalloc.start()
    try:
        read(opcode * count + b"N.", max_opcodes=4 * count)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 120 * count


def test_values_are_neither_hashed_nor_compared_nor_shown():
    assert read(b"}(]K\x01u.").root.pairs == [([], 1)]
    doubled = b")" + b"q\x000h\x00h\x00\x86" * 12
    root = read(b"}(" + doubled + b"Nu.").root
    assert len(root.pairs[0][0]) == 2
    assert len(repr(root)) < 100


def test_damaged_pickles_are_read_or_refused(rng):
    content = pickle.dumps([*OLD, OrderedDict(a=Fraction(1, 3)), *NEW], 4)
    for _ in range(500):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = rng.integers(256)
        try:
            read(bytes(damaged))
        except RefusedPickle as error:
            assert str(error).isprintable()  # noqa: PT017
    for size in range(0, len(content), 5):
        refused(content[:size], "truncated")


def test_it_stands_on_the_standard_library_alone():
    folder = Path(inert_pickle.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ())]
            for name in [node.module] if isinstance(node, ast.ImportFrom) else names:
                inside = name.startswith("fxai_jax.data.inert_pickle.")
                assert inside or name.split(".")[0] in sys.stdlib_module_names, name
