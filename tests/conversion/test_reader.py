"""The reader against files written opcode by opcode; PyTorch is not needed."""

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from fxai_conversion.containers.reader import read
from fxai_conversion.refusals import UnreadableCheckpoint
from tests.conversion.reader_files import (
    call,
    dictionary,
    entry,
    legacy_file,
    mapping,
    name,
    number,
    numbers,
    ordered,
    pickled,
    safetensors_file,
    small_files,
    storage,
    tensor,
    text,
    tuple_of,
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


@pytest.fixture
def read_pickle(written):
    """Reads a pickle body over storage "0" of four floats, as zip and as legacy."""

    def both(body, **options):
        streamed = read(written(legacy_file(body, {"0": FOUR})), **options)
        zipped = read(written(zip_file(body, {"0": FOUR.tobytes()})), **options)
        assert streamed.tensors.keys() == zipped.tensors.keys()
        assert streamed.globals_seen == zipped.globals_seen
        return zipped

    return both


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert found[key].dtype == array.dtype
        assert found[key].shape == array.shape
        assert found[key].tobytes() == array.tobytes()
        assert found[key].flags.owndata
        assert found[key].flags.writeable


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_reads_nested_dictionaries_modules_and_views(written, rng, container):
    files, expected = small_files(rng)
    found = read(written(files[container]))
    same(found.tensors, expected)
    assert (found.container, found.layout) == (container, "nested")
    assert "somewhere.Net" in found.globals_seen
    assert found.sha256 == hashlib.sha256(files[container]).hexdigest()
    assert found.nbytes == len(files[container])


def test_reads_safetensors(written, rng):
    files, expected = small_files(rng)
    found = read(written(files["safetensors"]))
    same(found.tensors, {"w": expected["net.weight"], "s": expected["net.steps"]})
    assert (found.container, found.layout) == ("safetensors", "state dict")
    assert found.globals_seen == ()


SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
SIZES |= {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@pytest.mark.parametrize("kind", SIZES)
def test_safetensors_types(written, kind):
    data = b"\1\0" * SIZES[kind]
    nbytes = len(data)
    header = {
        "a": entry(kind, [2, 1], 0, nbytes),
        "e": entry(kind, [0], nbytes, nbytes),
    }
    found = read(written(safetensors_file(header, data))).tensors
    assert found["a"].tobytes() == data
    assert found["a"].shape == (2, 1)
    assert found["e"].size == 0


def test_legacy_storage_views_start_within_their_root(written):
    part = tuple_of(text("v"), number(2), number(2))
    rebuild = name("torch._utils", "_rebuild_tensor")
    from_part = storage("FloatStorage", "0", 4, view=(part,))
    body = mapping(w=call(rebuild, from_part, number(1), numbers([1]), numbers([1])))
    found = read(written(legacy_file(body, {"0": FOUR})))
    assert found.tensors["w"].tolist() == [3.0]
    beyond = body.replace(part, tuple_of(text("v"), number(2), number(3)))
    with pytest.raises(UnreadableCheckpoint, match="a view ends at 5"):
        read(written(legacy_file(beyond, {"0": FOUR})))


def test_shared_shapes_expand_into_arrays_of_their_own(read_pickle):
    wide = tensor("FloatStorage", "0", 4, (2, 4), (0, 1))
    found = read_pickle(mapping(a=FINE, b=FINE, wide=wide)).tensors
    found["a"][:] = -1
    assert found["b"].tolist() == FOUR.tolist()
    assert found["wide"].tolist() == [FOUR.tolist()] * 2


def test_empty_tensors_need_no_storage_record(written):
    body = mapping(e=tensor("FloatStorage", "e", 0, (0, 4), (1, 1)))
    for storages in ({}, {"e": b""}):
        found = read(written(zip_file(body, storages))).tensors["e"]
        assert (found.shape, found.dtype) == ((0, 4), np.float32)


def test_objects_with_slots_keep_their_attributes_in_two_parts(read_pickle):
    state = mapping(w=FINE) + b"}\x86"
    found = read_pickle(mapping(ema=name("ema", "Shadow") + b")\x81" + state + b"b"))
    assert list(found.tensors) == ["ema.w"]


def test_names_of_lists_numbers_and_odd_keys(read_pickle):
    listed = b"](" + FINE + b"](" + FINE + b"ee"
    keyed = dictionary({number(7): FINE, tuple_of(b"N"): FINE})
    found = read_pickle(mapping(l=listed, k=keyed))
    assert list(found.tensors) == ["l.0", "l.1.0", "k.7", "k.1"]


def test_ordered_dictionaries_of_python_2(read_pickle):
    pair = b"](" + text("w") + FINE + b"e"
    body = call(name("collections", "OrderedDict"), b"](" + pair + b"e")
    assert list(read_pickle(body).tensors) == ["w"]


@pytest.mark.parametrize("wrap", ["module", "unknown"])
def test_non_persistent_buffers_and_plain_attributes_of_modules(read_pickle, wrap):
    names = b"](" + text("grid") + b"e"
    attributes = {
        "_parameters": ordered(b"(" + text("w") + FINE + b"u"),
        "_buffers": mapping(grid=FINE, mean=FINE),
        "_modules": mapping(),
        "_non_persistent_buffers_set": call(name("__builtin__", "set"), names),
        "scratch": FINE,
    }
    if wrap == "unknown":
        del attributes["_parameters"]
    body = name("net", "Net") + b")\x81" + mapping(**attributes) + b"b"
    found = read_pickle(body)
    if wrap == "module":
        assert list(found.tensors) == ["w", "mean"]
        assert found.layout == "whole module"
    else:
        assert list(found.tensors) == ["_buffers.grid", "_buffers.mean", "scratch"]


def test_a_module_is_entered_as_often_as_it_is_named(read_pickle):
    inner = (
        name("net", "Inner")
        + b")\x81"
        + mapping(_parameters=mapping(w=FINE), _buffers=mapping(), _modules=mapping())
        + b"bq\x01"
    )
    outer = mapping(
        _parameters=mapping(),
        _buffers=mapping(),
        _modules=mapping(a=inner, b=b"h\x01"),
    )
    found = read_pickle(name("net", "Outer") + b")\x81" + outer + b"b")
    assert list(found.tensors) == ["a.w", "b.w"]


def test_unknown_objects_that_refer_back_are_entered_once(read_pickle):
    cyclic = (
        name("omegaconf", "DictConfig")
        + b")\x81q\x01"
        + mapping(parent=b"h\x01", content=mapping(w=FINE, up=b"h\x01"))
        + b"b"
    )
    assert list(read_pickle(mapping(c=cyclic)).tensors) == ["c.content.w"]


@pytest.mark.parametrize(
    ("body", "layout"),
    [
        (mapping(w=FINE), "state dict"),
        (mapping(model=mapping(w=FINE)), "nested"),
        (
            mapping(**{"pytorch-lightning_version": text("2")}, state_dict=FINE),
            "lightning",
        ),
    ],
)
def test_layouts(read_pickle, body, layout):
    assert read_pickle(body).layout == layout


def test_torchscript_archives_give_their_attributes(written):
    body = (
        name("__torch__", "Net") + b")\x81" + mapping(w=FINE, training=b"\x88") + b"b"
    )
    extra = [("archive/constants.pkl", pickled(b")")), ("archive/code/net.py", "")]
    found = read(written(zip_file(body, {"0": FOUR.tobytes()}, extra=extra)))
    assert found.layout == "torchscript"
    assert list(found.tensors) == ["w"]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "empty file"),
        (b"\n <!DOCTYPE html><html>", "web page"),
        (b"<html><head>", "web page"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x08\x08\x12\x07pytorch", "ONNX"),
        (struct.pack("<QQ", 0x112, 0), "MXNet"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"sys_info".ljust(257, b"\0") + b"ustar\x0000", "before 0.1.10"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        (b"PK\x05\x06" + bytes(18), "empty zip"),
        (b"\x08", "not a PyTorch checkpoint"),
        (b"hello, world", "not a PyTorch checkpoint"),
        (pickle.dumps({"w": [1.0]}, protocol=2), "plain pickle"),
    ],
)
def test_other_formats_are_named(written, head, reason):
    with pytest.raises(UnreadableCheckpoint, match=reason):
        read(written(head))


def test_directories_and_large_files_are_refused(written, tmp_path):
    with pytest.raises(UnreadableCheckpoint, match="directory"):
        read(tmp_path)
    with pytest.raises(UnreadableCheckpoint, match=r"than the 10 .*state dict alone"):
        read(written(bytes(11)), max_bytes=10)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.pth")


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts reads by Linux")
def test_a_file_is_read_once(written):
    body = dictionary({text("w"): tensor("FloatStorage", "0", 2**22, (2**22,), (1,))})
    path = written(zip_file(body, {"0": np.ones(2**22, "<f4").tobytes()}))

    def bytes_read():
        return int(Path("/proc/self/io").read_text().split()[1])

    before = bytes_read()
    read(path)
    assert bytes_read() - before < 1.2 * path.stat().st_size
