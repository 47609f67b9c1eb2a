"""Forged and damaged files, each refused with its reason."""

import re
import struct
import zipfile
import zlib

import numpy as np
import pytest

from fxai_conversion.containers import zip_archive
from fxai_conversion.containers.reader import read
from fxai_conversion.refusals import UnreadableCheckpoint
from fxai_conversion.torch_objects import pickles, trees
from tests.conversion.reader_files import (
    call,
    dense,
    dictionary,
    entry,
    legacy_file,
    mapping,
    name,
    number,
    numbers,
    safetensors_file,
    small_files,
    tensor,
    text,
    zip_file,
)

FOUR = np.arange(4, dtype="<f4")
FINE = tensor("FloatStorage", "0", 4, (4,), (1,))


@pytest.fixture
def written(tmp_path):
    def write(data):
        path = tmp_path / "model.pth"
        path.write_bytes(data)
        return path

    return write


def refused(path, reason, **options):
    with pytest.raises(UnreadableCheckpoint) as caught:
        read(path, **options)
    head, said = str(caught.value).split(": ", 1)
    assert head == str(path)
    assert re.search(reason, said), said


def view(**changes):
    given = {"kind": "FloatStorage", "key": "0", "numel": 4, "shape": (4,)}
    return mapping(w=tensor(**(given | {"strides": (1,)} | changes)))


def laughs():
    levels = b"".join(
        b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1])
        for i in range(40)
    )
    return mapping(w=FINE, lol=b"](" + b"]q\x00" + levels + b"e")


def deep():
    return mapping(w=FINE, d=b"(" * 80 + b"]" + b"l" * 80)


ODD_STORAGE = mapping(
    w=call(
        name("torch._utils", "_rebuild_tensor"),
        number(1) + b"Q",
        number(0),
        numbers([1]),
        numbers([1]),
    )
)
HOSTILE = {
    "reaches past its storage": (view(shape=(5,)), "ends at element 5"),
    "offset past its storage": (view(offset=1), "ends at element 5"),
    "stride past its storage": (view(shape=(2,), strides=(4,)), "ends at element 5"),
    "negative size": (view(shape=(-1,)), "negative"),
    "negative stride": (view(strides=(-1,)), "negative"),
    "negative offset": (view(offset=-1), "negative"),
    "overflowing size": (view(shape=(2**62, 4), strides=(0, 1)), "expand to"),
    "size and stride differ": (view(strides=(1, 1)), "1 sizes with 2 strides"),
    "expansion": (view(shape=(2**12, 2**12), strides=(0, 0)), "expand to"),
    "huge stride": (view(shape=(1,), strides=(2**62,)), "damaged"),
    "two sizes of one storage": (
        mapping(a=FINE, b=tensor("FloatStorage", "0", 3, (3,), (1,))),
        "declared twice|need 12",
    ),
    "on meta": (view(location="meta"), "meta"),
    "quantised storage": (view(kind="QInt8Storage"), "quantised"),
    "quantised": (view(function="_rebuild_qtensor"), "_rebuild_qtensor"),
    "sparse": (view(function="_rebuild_sparse_tensor"), "_rebuild_sparse_tensor"),
    "typed": (view(function="_rebuild_from_type_v2"), "_rebuild_from_type_v2"),
    "more bytes than declared": (view(numel=3, shape=(3,)), "declare|need 12"),
    "fewer bytes than declared": (view(numel=5), "declare|need 20|truncated"),
    "another storage": (view(key="1"), "list of storage|truncated|has 0 bytes"),
    "unknown persistent id": (ODD_STORAGE, "unknown persistent id"),
    "no tensors": (number(1), "no PyTorch tensors|list of storage keys"),
    "bare tensor": (FINE, "without a name"),
    "unprintable name": (dictionary({text("a\x1b[31m"): FINE}), "not printable"),
    "two of one name": (
        dictionary({text("a.b"): FINE, text("a"): mapping(b=FINE)}),
        "two tensors",
    ),
    "empty stack": (b"0", "stack runs empty"),
    "no memo": (b"h\x05", "memo entry 5"),
    "huge memo index": (b"Nr\xff\xff\xff\x7f", "memo"),
    "append to a number": (number(1) + b"Na", "APPENDS on a int"),
    "set an item of a list": (b"]NNs", "SETITEMS on a list"),
    "build a tuple": (b")}b", "BUILD on a tuple"),
    "build an import": (name("os", "path") + b"}b", "BUILD on a Global"),
    "key without value": (b"}(Nu", "key without"),
    "call without tuple": (name("os", "abort") + b"]R", "arguments of a call"),
    "extension registry": (b"\x82\x01", "b'\\\\x82', which torch.save does"),
    "protocol 0 string": (b"S'a'\n", "opcode b'S'"),
    "protocol 0 instance": (b"(ios\nabort\n", "opcode b'i'"),
    "out-of-band buffer": (b"\x97", "opcode"),
    "protocol 9": (b"\x80\x09", "protocol 9"),
    "string past the end": (b"X\xff\xff\xff\x7fa", "truncated"),
    "long past the end": (b"\x8b\xff\xff\xff\x7fa", "truncated"),
    "negative length": (b"\x8b\xff\xff\xff\xff", "damaged"),
    "no UTF-8": (b"X\x01\0\0\0\xff", "damaged"),
    "line past the end": (b"cos", "truncated|unprintable"),
    "unprintable import": (name("os\x1b[2J", "abort"), "unprintable"),
    "import of a number": (number(1) + number(2) + b"\x93", "not a name"),
    "deep nesting": (deep(), "deeper than 64 levels"),
    "cycle": (
        mapping(w=FINE, d=b"]q\x01h\x01a"),
        "deeper than 64 levels",
    ),
}


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles(written, container, case):
    body, reason = HOSTILE[case]
    data = (
        zip_file(body, {"0": FOUR.tobytes()})
        if container == "zip"
        else legacy_file(body, {"0": FOUR})
    )
    refused(written(data), reason, max_bytes=2**24)


def test_effort_is_bounded(written, monkeypatch):
    monkeypatch.setattr(trees, "MAX_CHILDREN", 10_000)
    path = written(zip_file(laughs(), {"0": FOUR.tobytes()}))
    refused(path, "nests more than 10000")
    monkeypatch.setattr(pickles, "MAX_OPCODES", 100)
    refused(path, "more than 100 opcodes")
    monkeypatch.setattr(zip_archive, "MAX_PICKLE_BYTES", 100)
    refused(path, "more than 100")
    monkeypatch.setattr(zip_archive, "MAX_DIRECTORY_BYTES", 100)
    refused(path, "zip directory")


def test_colliding_keys_and_nested_tuples_cost_nothing(written):
    nested = b")" + b"q\x000h\x00h\x00\x86" * 60
    keys = {number(i * (2**61 - 1)): b"N" for i in range(-4, 5)}
    body = b"}(" + nested + b"N" + text("w") + FINE + b"u"
    data = zip_file(mapping(a=body, b=dictionary(keys)), {"0": FOUR.tobytes()})
    assert list(read(written(data)).tensors) == ["a.w"]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ([("/etc/passwd", "")], "is named"),
        ([("archive/../../x", "")], "is named"),
        ([("C:/x", "")], "is named"),
        ([("archive/a\\b", "")], "is named"),
        ([("other/data.pkl", "")], "2 entries"),
    ],
)
def test_hostile_zip_entries(written, extra, reason):
    data = zip_file(mapping(w=FINE), {"0": FOUR.tobytes()}, extra=extra)
    refused(written(data), reason)


def test_zip_entries_of_one_name(written):
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zip_file(mapping(w=FINE), {}, extra=[("archive/data/0", b"")] * 2)
    refused(written(data), "one name")


def test_zip_compression(written, rng):
    noise = rng.standard_normal(2**14).astype("<f4")
    body = mapping(w=dense("0", noise))
    deflated = zip_file(body, {"0": noise.tobytes()}, compression=zipfile.ZIP_DEFLATED)
    assert read(written(deflated)).tensors["w"].tobytes() == noise.tobytes()
    bomb = zip_file(body, {"0": bytes(2**16)}, compression=zipfile.ZIP_DEFLATED)
    refused(written(bomb), "zip bomb")
    exotic = zip_file(body, {"0": noise.tobytes()}, compression=zipfile.ZIP_BZIP2)
    refused(written(exotic), "compression method")


def directory_entry(data, entry_name):
    """Where the entry's record in the zip directory begins."""
    return data.rindex(entry_name) - 46


def test_zip_sizes_beyond_the_file_and_the_limit(written):
    data = zip_file(mapping(w=FINE), {"0": FOUR.tobytes()})
    at = directory_entry(data, b"archive/data/0")
    forged = data[: at + 20] + struct.pack("<II", 2**20, 2**20) + data[at + 28 :]
    refused(written(forged), "ends after the file")
    encrypted = data[: at + 8] + b"\1" + data[at + 9 :]
    refused(written(encrypted), "^its zip entries are encrypted")
    noise = bytes(range(256)) * 64
    packed = zip_file(b"N", {"0": noise}, compression=zipfile.ZIP_DEFLATED)
    refused(written(packed), "in all, more than max_bytes=10000", max_bytes=10_000)


def test_zip_entry_that_runs_over_the_end(written):
    def data(numel):
        body = mapping(w=tensor("ByteStorage", "0", numel, (numel,), (1,)))
        return zip_file(body, {"0": bytes(16)})

    plain = data(16)
    at = directory_entry(plain, b"archive/data/0")
    rest = len(plain) - plain.rindex(b"PK\3\4", 0, at)
    sizes = struct.pack("<II", rest, rest)
    refused(written(data(rest)[: at + 20] + sizes + plain[at + 28 :]), "truncated.*EOF")


def test_damaged_compression(written, rng):
    noise = rng.integers(0, 4, 4096, dtype=np.uint8).tobytes()
    body = mapping(w=tensor("ByteStorage", "0", 4096, (4096,), (1,)))
    data = zip_file(body, {"0": noise}, compression=zipfile.ZIP_DEFLATED)
    at = data.index(b"archive/data/0") + len("archive/data/0")
    refused(written(data[:at] + b"\xff" * 64 + data[at + 64 :]), "damaged")


def test_zip_checksums_and_byte_order(written):
    data = zip_file(mapping(w=FINE), {"0": FOUR.tobytes()})
    refused(written(data.replace(FOUR.tobytes(), FOUR[::-1].tobytes())), "CRC")
    big = data.replace(b"little", b"bigbig")
    old, new = (struct.pack("<I", zlib.crc32(s)) for s in (b"little", b"bigbig"))
    refused(written(big.replace(old, new)), "big-endian")


def test_a_zip_of_something_else(written):
    data = zip_file(b"N", {}).replace(b"data.pkl", b"data.txt")
    refused(written(data), "0 entries")


def test_booleans_are_zero_or_one(written):
    body = mapping(w=tensor("BoolStorage", "0", 2, (2,), (1,)))
    assert read(written(zip_file(body, {"0": b"\0\1"}))).tensors["w"].tolist() == [0, 1]
    refused(written(zip_file(body, {"0": b"\0\2"})), "neither 0 nor 1")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (legacy_file(mapping(w=FINE), {"0": FOUR})[:-1], "truncated"),
        (legacy_file(mapping(w=FINE), {"0": FOUR})[:-20], "truncated"),
        (legacy_file(mapping(w=FINE), {"0": FOUR}) + b"x", "1 bytes follow"),
        (legacy_file(mapping(w=FINE), {"0": FOUR}, counts={"0": 5}), "has 5 elements"),
        (legacy_file(mapping(w=FINE), {"0": FOUR}, protocol=7), "not 1001"),
        (legacy_file(mapping(w=FINE), {"0": FOUR}, little=b"\x89"), "big-endian"),
        (legacy_file(mapping(w=FINE), {"0": FOUR, "1": FOUR}), "list of storage keys"),
    ],
)
def test_damaged_streams(written, data, reason):
    refused(written(data), reason)


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
def test_every_truncation_is_refused(written, rng, container):
    data = small_files(rng)[0][container]
    for length in range(0, len(data), 7):
        refused(written(data[:length]), "")
    refused(written(data[:-3]), "truncated")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"w": entry("F32", [2], 0, 4)}, "expected"),
        ({"w": entry("F32", [1], 4, 8)}, "expected"),
        ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [1], 4, 8)}, "overlap"),
        ({"w": entry("F32", [1], 0, 4)}, "8 bytes where|bytes where"),
        ({"w": entry("F32", [3], 0, 12)}, "truncated"),
        ({"w": entry("F32", [-2], 0, 8)}, "negative"),
        ({"w": entry("F32", [2.0], 0, 8)}, "no integer"),
        ({"w": entry("F32", [True, 2], 0, 8)}, "no integer"),
        ({"w": entry("F8_E4M3", [8], 0, 8)}, "unsupported type"),
        ({"w": entry(["F32"], [2], 0, 8)}, "unsupported type"),
        ({"w": {"dtype": "F32"}}, "header of"),
        ({"": entry("F32", [2], 0, 8)}, "not printable"),
        ({"w\u202e": entry("F32", [2], 0, 8)}, "not printable"),
        (b'{"w": 1, "w": 2}', "twice"),
        (b'{"w": ' + b"[" * 10**5, "damaged"),
        (b'{"w": ' + b"9" * 5000 + b"}", "damaged"),
        (b"{\xff}", "damaged"),
        (b"{}", "bytes where|no PyTorch tensors"),
    ],
)
def test_hostile_safetensors(written, header, reason):
    refused(written(safetensors_file(header, bytes(8))), reason)


def test_lengths_of_safetensors_headers(written):
    data = safetensors_file({"w": entry("F32", [2], 0, 8)}, bytes(8))
    refused(written(data[:20]), "truncated: it ends within its header")
    refused(written(struct.pack("<Q", 2**30) + data[8:]), "its header has 1073741824")
