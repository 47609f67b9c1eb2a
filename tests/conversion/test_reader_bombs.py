"""Small files that ask for much: refused for a count, before it is given."""

import tracemalloc

import numpy as np
import pytest

from fxai_conversion.containers import safetensors_file
from fxai_conversion.containers.reader import read
from fxai_conversion.refusals import UnreadableCheckpoint
from fxai_conversion.torch_objects import tensors, trees
from tests.conversion import reader_files
from tests.conversion.reader_files import (
    entry,
    legacy_file,
    mapping,
    tensor,
    text,
    zip_file,
)

PEAK = 96 * 2**20
FOUR = np.arange(4, dtype="<f4")
FINE = tensor("FloatStorage", "0", 4, (4,), (1,))


def stride_zero(rng):
    """One number that is a tensor of gigabytes."""
    shape = tuple(int(n) for n in rng.integers(2**10, 2**15, 2))
    return mapping(w=tensor("FloatStorage", "0", 4, shape, (0, 0)))


def shared_storage(rng):
    """Many names, each for the same expanded storage."""
    body = b"}(" + text("a")
    body += tensor("FloatStorage", "0", 4, (2**18,), (0,)) + b"q\x01"
    names = (text(f"{i}") + b"h\x01" for i in range(int(rng.integers(100, 900))))
    return body + b"".join(names) + b"u"


def crowd(rng):
    """More names than any network has tensors."""
    body = b"}(" + text("a") + FINE + b"q\x01"
    many = 1000 + int(rng.integers(1, 9))
    return body + b"".join(text(f"{i}") + b"h\x01" for i in range(many)) + b"u"


def long_names(rng):
    """Lists under a name that each of them repeats."""
    lists = b"](" + b"]" * int(rng.integers(2000, 5000)) + b"e"
    return mapping(w=FINE, **{"k" * int(rng.integers(3000, 4000)): lists})


def repeated_lists(rng):
    """Lists of lists that hold each other: a hundred to the eighth power."""
    width = int(rng.integers(50, 100))
    levels = b"".join(
        b"](" + (b"h" + bytes([i])) * width + b"eq" + bytes([i + 1]) for i in range(8)
    )
    return mapping(w=FINE, d=b"](" + b"]q\x00" + levels + b"e")


BOMBS = {
    stride_zero: "expand to",
    shared_storage: "expand to",
    crowd: "more than 1000 tensors",
    long_names: "letters",
    repeated_lists: "nests more than",
}


def refused(path, reason):
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableCheckpoint, match=reason):
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < PEAK


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_asks_for_much(tmp_path, rng, monkeypatch, bomb, container):
    monkeypatch.setattr(tensors, "MAX_TENSORS", 1000)
    monkeypatch.setattr(trees, "MAX_CHILDREN", 20_000)
    monkeypatch.setattr(trees, "MAX_LETTERS", 2**22)
    body = bomb(rng)
    path = tmp_path / "model.pth"
    path.write_bytes(
        zip_file(body, {"0": FOUR.tobytes()})
        if container == "zip"
        else legacy_file(body, {"0": FOUR})
    )
    assert path.stat().st_size < 2**21
    refused(path, BOMBS[bomb])


def test_entries_of_an_archive_that_share_their_bytes(tmp_path, rng):
    """Storages that shrink a hundredfold are no weights."""
    zeros = bytes(int(rng.integers(2**25, 2**26)))
    body = mapping(w=tensor("ByteStorage", "0", len(zeros), (len(zeros),), (1,)))
    noise = rng.bytes(len(zeros) // 50)
    data = zip_file(body, {"0": zeros + noise}, compression=8)
    (tmp_path / "model.pth").write_bytes(data)
    refused(tmp_path / "model.pth", "in all, more than max_bytes")


def test_the_limits_leave_room_for_every_network_and_for_little_else():
    assert 20_000 < tensors.MAX_TENSORS <= 50_000
    assert trees.MAX_CHILDREN <= 1_000_000
    assert trees.MAX_LETTERS <= 2**26


def test_a_header_of_many_tensors(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(tensors, "MAX_TENSORS", 1000)
    many = 1000 + int(rng.integers(1, 9))
    header = {f"{i}": entry("F32", [0], 0, 0) for i in range(many)}
    (tmp_path / "a").write_bytes(reader_files.safetensors_file(header, b""))
    refused(tmp_path / "a", "more than 1000 tensors")
    size = safetensors_file.MAX_HEADER_BYTES + int(rng.integers(1, 99))
    (tmp_path / "b").write_bytes(reader_files.safetensors_file(b"{" + b" " * size, b""))
    refused(tmp_path / "b", "its header has")


def test_what_shares_a_storage_a_few_times_is_read(tmp_path, rng):
    """Tied weights and their averages, as large as the networks that have them."""
    array = rng.standard_normal(2**22).astype("<f4")
    flat = tensor("FloatStorage", "0", array.size, array.shape, (1,))
    body = mapping(**dict.fromkeys("abcd", flat))
    (tmp_path / "tied.pth").write_bytes(zip_file(body, {"0": array.tobytes()}))
    found = read(tmp_path / "tied.pth").tensors
    assert all(np.array_equal(found[name], array) for name in "abcd")


@pytest.mark.parametrize("size", [2**30, 2**34])
def test_a_sparse_file_is_refused_before_it_is_read(tmp_path, size):
    path = tmp_path / "model.pth"
    with path.open("wb") as file:
        file.write(zip_file(mapping(w=FINE), {"0": FOUR.tobytes()}))
        file.truncate(size)
    if path.stat().st_blocks > 2**16:
        pytest.skip("this file system has no holes")
    with pytest.raises(ValueError, match=r"sparse file|that are read"):
        read(path)
