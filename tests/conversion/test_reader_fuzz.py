"""Mutated checkpoints are read or refused: no other exception, no time, no memory."""

import io
import struct
import time
import tracemalloc
import warnings
import zipfile

import pytest

from fxai_conversion.containers.reader import read
from fxai_conversion.refusals import UnreadableCheckpoint
from tests.conversion.reader_files import safetensors_file, small_files, zip_file

MAX_BYTES = 2**20
MAX_SECONDS = 2.0
EXTREMES = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
EXTREMES += (2**53, 2**63 - 1, 2**64 - 1)
OPCODES = b"(.012NGJKMUXTBC]})lt\x85\x86\x87deusaQRbcohjqr\x81\x8a\x8b\x88\x93\x94"


def replaced(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def flip(rng, data, at):
    return replaced(data, at, bytes([data[at] ^ (1 << rng.integers(8))]))


def nudge(rng, data, at):
    return replaced(data, at, bytes([(data[at] + rng.integers(-2, 3)) % 256]))


def forge_length(rng, data, at):
    value = struct.pack("<Q", EXTREMES[rng.integers(len(EXTREMES))])
    return replaced(data, at, value[: 2 ** rng.integers(4)])


def opcode(rng, data, at):
    return replaced(data, at, OPCODES[at % len(OPCODES) :][:1])


def truncate(rng, data, at):
    return data[:at]


def insert(rng, data, at):
    return data[:at] + rng.bytes(rng.integers(1, 9)) + data[at:]


def delete(rng, data, at):
    return data[:at] + data[at + rng.integers(1, 9) :]


def repeat(rng, data, at):
    begin = rng.integers(len(data))
    return data[:at] + data[begin : begin + rng.integers(1, 65)] + data[at:]


MUTATIONS = (flip, nudge, forge_length, opcode, truncate, insert, delete, repeat)


def mutated(rng, data):
    for _ in range(rng.integers(1, 4)):
        mutation = MUTATIONS[rng.integers(len(MUTATIONS))]
        data = mutation(rng, data, rng.integers(len(data))) or b"\0"
    return data


def same_bytes(data):
    return data


def entries_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(target, data):
    """The part of a file to mutate, and how to make a file of it again."""
    if target == "pickle":
        entries = entries_of(data["zip"])
        storages = {k: entries[f"archive/data/{k}"] for k in ("w", "s")}
        return entries["archive/data.pkl"][2:-1], lambda body: zip_file(body, storages)
    if target == "header":
        length = struct.unpack("<Q", data["safetensors"][:8])[0] + 8
        rest = data["safetensors"][length:]
        return data["safetensors"][8:length], lambda head: safetensors_file(head, rest)
    return data[target], same_bytes


def fuzz(rng, path, part, pack, count):
    """Reads mutations; returns how many were read and how many refused."""
    outcomes = {True: 0, False: 0}
    for _ in range(count):
        path.write_bytes(pack(mutated(rng, part)))
        start = time.perf_counter()
        try:
            found = read(path, max_bytes=MAX_BYTES)
        except UnreadableCheckpoint as error:
            texts = [str(error)]
            outcomes[False] += 1
        else:
            texts = [*found.tensors, *found.globals_seen]
            assert sum(a.nbytes for a in found.tensors.values()) <= MAX_BYTES
            outcomes[True] += 1
        assert all(text.isprintable() for text in texts)
        assert time.perf_counter() - start < MAX_SECONDS
    return outcomes


def check(rng, path, part, pack, count):
    path.write_bytes(pack(part))
    read(path, max_bytes=MAX_BYTES)
    tracemalloc.start()
    try:
        outcomes = fuzz(rng, path, part, pack, count)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_BYTES
    assert outcomes[False] > count // 4
    print(outcomes, f"peak {peak / 2**20:.1f} MiB")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["zip", "legacy", "safetensors", "pickle", "header"])
def test_mutated_files(tmp_path, rng, target):
    part, pack = packed(target, small_files(rng)[0])
    check(rng, tmp_path / "model.pth", part, pack, 300)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["zip", "legacy", "safetensors", "pickle", "header"])
def test_many_mutated_files(tmp_path, rng, target):
    part, pack = packed(target, small_files(rng)[0])
    check(rng, tmp_path / "model.pth", part, pack, 2000)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("whole", [False, True])
def test_mutated_files_of_torch(tmp_path, rng, container, whole):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(
            net if whole else net.state_dict(),
            buffer,
            _use_new_zipfile_serialization=container == "zip",
        )
    check(rng, tmp_path / "model.pth", buffer.getvalue(), same_bytes, 1000)
