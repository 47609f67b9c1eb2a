"""The zip archives that torch.save writes since PyTorch 1.6, and torch.jit.save.

``<name>/data.pkl`` names tensors and storages, ``<name>/data/<key>`` has the bytes of
one storage, uncompressed. Entries are checked before any is read.
"""

import io
import zipfile
from typing import BinaryIO

import numpy as np

from fxai_conversion.containers.contents import Contents, contents_of
from fxai_conversion.refusals import UnreadableCheckpoint, archive_of
from fxai_conversion.torch_objects.pickles import MAX_PICKLE_BYTES, read_pickle
from fxai_conversion.torch_objects.tensors import Storage
from fxai_jax.data.inert_pickle.nodes import Pickled

MAX_DIRECTORY_BYTES = 8 * 2**20
MAX_COMPRESSION = 100
CHUNK_BYTES = 2**20


class _GuardedFile:
    """A file for `zipfile` that refuses to read a forged directory at once."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise UnreadableCheckpoint(
                f"its zip directory has {size} bytes, more than {MAX_DIRECTORY_BYTES}"
            )
        return self.file.read(size)


def open_zip(file: BinaryIO, nbytes: int, max_bytes: int) -> Contents:
    """Opens an archive of at most `max_bytes` once decompressed."""
    archive = _opened(file)
    entries = _checked_entries(archive.infolist(), nbytes, max_bytes)
    folder = _folder(entries)
    order = entries.get(f"{folder}byteorder")
    if order is not None and _entry(archive, order).tobytes().strip() != b"little":
        raise UnreadableCheckpoint("it was written on a big-endian machine")
    pickled = _pickle(archive, entries[f"{folder}data.pkl"])

    def load(storage: Storage) -> np.ndarray:
        return _storage(archive, entries, f"{folder}data/{storage.key}", storage)

    contents = contents_of("zip", pickled, load)
    scripted = f"{folder}constants.pkl" in entries
    if scripted and not contents.views:
        raise UnreadableCheckpoint(
            "this is frozen TorchScript, whose tensors have lost their names: save the "
            "network from before torch.jit.freeze"
        )
    return contents._replace(layout="torchscript") if scripted else contents


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(_GuardedFile(file))  # pyrefly: ignore
    except zipfile.BadZipFile as error:
        raise UnreadableCheckpoint(
            f"truncated or damaged zip archive ({error}): download it again"
        ) from error


def _checked_entries(
    infos: list[zipfile.ZipInfo], nbytes: int, max_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    entries = {info.orig_filename: info for info in infos}
    if len(entries) < len(infos):
        raise UnreadableCheckpoint("forged zip: two entries have one name")
    for name, info in entries.items():
        _check_name(name)
        _check_size(name, info, nbytes)
    total = sum(info.file_size for info in infos)
    if total > max_bytes:
        raise UnreadableCheckpoint(
            f"its entries have {total} bytes in all, more than max_bytes={max_bytes}"
        )
    return entries


def _check_name(name: str) -> None:
    unsafe = name.startswith("/") or "\\" in name or ":" in name.split("/")[0]
    if unsafe or ".." in name.split("/") or "\0" in name:
        raise UnreadableCheckpoint(f"forged zip: an entry is named {name[:80]!a}")


def _check_size(name: str, info: zipfile.ZipInfo, nbytes: int) -> None:
    if info.flag_bits & 1:
        raise UnreadableCheckpoint("its zip entries are encrypted")
    stored = info.compress_type == zipfile.ZIP_STORED
    if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
        raise UnreadableCheckpoint(
            f"its zip entries use compression method {info.compress_type}; PyTorch "
            "stores them uncompressed"
        )
    if info.header_offset + info.compress_size > nbytes:
        raise UnreadableCheckpoint(f"truncated: {name[:80]!a} ends after the file")
    most = info.compress_size * (1 if stored else MAX_COMPRESSION)
    if info.file_size > most:
        raise UnreadableCheckpoint(
            f"zip bomb: entry {name[:80]!a} claims {info.file_size} bytes from "
            f"{info.compress_size}"
        )


def _folder(entries: dict[str, zipfile.ZipInfo]) -> str:
    pickles = [n for n in entries if n.endswith("/data.pkl") and n.count("/") == 1]
    if not pickles and (foreign := archive_of(entries)):
        raise UnreadableCheckpoint(f"this is {foreign}")
    if len(pickles) != 1:
        raise UnreadableCheckpoint(
            f"a zip archive with {len(pickles)} entries <name>/data.pkl, where "
            "torch.save writes one: if it is an archive of checkpoints, extract it "
            "first"
        )
    return pickles[0].removesuffix("data.pkl")


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """The bytes of an entry, read in pieces; `zipfile` compares the checksum."""
    data = np.empty(info.file_size, np.uint8)
    with archive.open(info) as stream:
        for start in range(0, data.size, CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES]
            if _fill(stream, piece.data) < piece.size:
                raise UnreadableCheckpoint(f"truncated: {info.filename!a} ends early")
    return data


def _fill(stream, piece: memoryview) -> int:
    filled = 0
    while filled < len(piece) and (count := stream.readinto(piece[filled:])):
        filled += count
    return filled


def _pickle(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Pickled:
    if info.file_size > MAX_PICKLE_BYTES:
        raise UnreadableCheckpoint(
            f"its pickle has {info.file_size} bytes, more than {MAX_PICKLE_BYTES}"
        )
    return read_pickle(io.BytesIO(_entry(archive, info).tobytes()), info.file_size)


def _storage(
    archive: zipfile.ZipFile,
    entries: dict[str, zipfile.ZipInfo],
    name: str,
    storage: Storage,
) -> np.ndarray:
    present = entries[name].file_size if name in entries else 0
    if present != storage.nbytes:
        raise UnreadableCheckpoint(
            f"forged or damaged: storage {name[:80]!a} has {present} bytes where "
            f"{storage.numel} of {storage.dtype} need {storage.nbytes}"
        )
    return _entry(archive, entries[name]) if present else np.empty(0, np.uint8)
