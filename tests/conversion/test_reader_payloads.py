"""Planted code never runs, though Python's own pickle runs every payload here."""

import os
import pickle
import subprocess

import numpy as np
import pytest

from fxai_conversion.containers.reader import read
from fxai_conversion.refusals import UnreadableCheckpoint
from tests.conversion.reader_files import (
    dense,
    legacy_file,
    mapping,
    name,
    text,
    tuple_of,
    zip_file,
)

WEIGHT = np.arange(4, dtype="<f4")


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class Built:
    """Pickles as an object whose state holds a payload."""

    def __init__(self, payload):
        self.payload = payload

    def __reduce__(self):
        return Exception, (), {"payload": self.payload}


PAYLOADS = {
    "system": lambda marker: Calls(os.system, f"touch {marker}"),
    "eval": lambda marker: Calls(eval, f"open({marker!r}, 'w').close()"),
    "exec": lambda marker: Calls(exec, f"open({marker!r}, 'w').close()"),
    "getoutput": lambda marker: Calls(subprocess.getoutput, f"touch {marker}"),
    "state": lambda marker: Built(Calls(os.system, f"touch {marker}")),
    "nested": lambda marker: Calls(dict, [(1, Calls(os.system, f"touch {marker}"))]),
    "getattr": lambda marker: Calls(getattr, Calls(os.mkdir, marker), "__class__"),
}


def fragment(payload, protocol):
    """The opcodes of a payload without protocol, frame and end."""
    body = pickle.dumps(payload, protocol=protocol)[2:-1]
    return body[9:] if body[:1] == b"\x95" else body


@pytest.fixture
def planted(tmp_path):
    """Writes a checkpoint with opcodes planted next to a tensor."""

    def write(container, opcodes):
        body = mapping(w=dense("0", WEIGHT), config=opcodes)
        data = (
            zip_file(body, {"0": WEIGHT.tobytes()})
            if container == "zip"
            else legacy_file(body, {"0": WEIGHT})
        )
        path = tmp_path / "model.pth"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("case", PAYLOADS)
def test_payloads_are_recorded_not_run(planted, tmp_path, case, protocol, container):
    marker = tmp_path / "marker"
    payload = PAYLOADS[case](str(marker))
    path = planted(container, fragment(payload, protocol))

    found = read(path)
    assert not marker.exists()
    assert found.tensors["w"].tolist() == WEIGHT.tolist()
    imported = {line.rpartition(".")[2] for line in found.globals_seen}
    assert imported & {"system", "eval", "exec", "getoutput", "mkdir"}

    with pytest.raises(UnreadableCheckpoint, match="nothing was executed"):
        read(path, strict_pickle=True)
    assert not marker.exists()

    pickle.loads(pickle.dumps(payload, protocol=protocol))
    assert marker.exists(), "the payload is a dud"


def test_payloads_in_build_and_containers(planted):
    stub = name("evil", "Class") + b")\x81"
    attack = name("os", "system") + tuple_of(text("exit 1")) + b"R"
    for opcodes in (
        stub + b"}" + text("__setstate__") + attack + b"sb",
        stub + b"N}" + text("__class__") + attack + b"s\x86b",
        stub + attack + b"a",
        stub + attack + attack + b"s",
        attack + tuple_of() + b"R" + attack + b"b",
        b"}" + stub + attack + b"s",
        b"\x8f(" + attack + b"\x90",
        b"(" + name("os", "system") + text("exit 1") + b"o",
        name("os", "system") + b")}\x92",
        name("builtins", "dict") + b")\x81" + attack + attack + b"s",
        text("not callable") + tuple_of() + b"R",
    ):
        found = read(planted("zip", opcodes))
        assert list(found.tensors) == ["w"]


def test_strict_pickle_accepts_plain_tensors(planted):
    found = read(planted("zip", b"N"), strict_pickle=True)
    assert found.tensors["w"].tolist() == WEIGHT.tolist()


def test_no_payload_hides_in_the_headers_of_a_stream(tmp_path):
    marker = tmp_path / "marker"
    path = tmp_path / "model.pth"
    attack = Calls(os.system, f"touch {marker}")
    path.write_bytes(pickle.dumps(attack, protocol=2))
    with pytest.raises(UnreadableCheckpoint, match="plain pickle"):
        read(path)
    assert not marker.exists()
