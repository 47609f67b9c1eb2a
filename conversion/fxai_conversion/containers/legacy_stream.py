"""The stream that torch.save wrote before PyTorch 1.6, and writes on request.

Four pickles (magic number, protocol, machine, objects), a pickled list of storage keys,
then for each key the element count as int64 and the elements.
"""

import struct
from typing import BinaryIO

from fxai_conversion.containers.contents import Contents, contents_of
from fxai_conversion.refusals import UnreadableCheckpoint
from fxai_conversion.torch_objects.pickles import pairs_of, read_pickle
from fxai_conversion.torch_objects.tensors import Storage, storage_of
from fxai_jax.data.inert_pickle.nodes import Pickled

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


def open_legacy(file: BinaryIO, nbytes: int) -> Contents:
    """Opens a stream of `nbytes` bytes; one that is no checkpoint is refused."""
    file.seek(0)
    _check_header(file, nbytes)
    pickled, keys = _next(file, nbytes), _next(file, nbytes).root
    places = _places(file, keys, _declared_storages(pickled), nbytes)

    def load(storage: Storage) -> bytes:
        if storage.key not in places:
            raise UnreadableCheckpoint(f"truncated: no storage {storage.key[:80]!a}")
        file.seek(places[storage.key])
        return file.read(storage.nbytes)

    return contents_of("legacy", pickled, load)


def _next(file: BinaryIO, nbytes: int) -> Pickled:
    return read_pickle(file, nbytes - file.tell())


def _check_header(file: BinaryIO, nbytes: int) -> None:
    if _next(file, nbytes).root != LEGACY_MAGIC:
        raise UnreadableCheckpoint(
            "a plain pickle, not written by torch.save: load it where it was written "
            "and save its tensors with torch.save"
        )
    protocol, machine = _next(file, nbytes).root, _next(file, nbytes).root
    if protocol != LEGACY_PROTOCOL:
        raise UnreadableCheckpoint(f"its protocol is not {LEGACY_PROTOCOL}")
    if ("little_endian", True) not in pairs_of(machine):
        raise UnreadableCheckpoint("it was written on a big-endian machine")


def _declared_storages(pickled: Pickled) -> dict[str, Storage]:
    declared: dict[str, Storage] = {}
    for found in pickled.persistent_ids:
        part = storage_of(found)
        if part and declared.setdefault(part[0].key, part[0]) != part[0]:
            raise UnreadableCheckpoint(
                f"forged or damaged: storage {part[0].key[:80]!a} is declared twice"
            )
    return declared


def _places(
    file: BinaryIO, keys: object, declared: dict[str, Storage], nbytes: int
) -> dict[str, int]:
    """Walks over the storages and returns where the elements of each begin."""
    places: dict[str, int] = {}
    for key in keys if isinstance(keys, list) else []:
        if not isinstance(key, str) or key not in declared or key in places:
            raise UnreadableCheckpoint("forged or damaged: its list of storage keys")
        _check_count(file.read(8), declared[key])
        places[key] = file.tell()
        if places[key] + declared[key].nbytes > nbytes:
            raise UnreadableCheckpoint(
                f"truncated: storage {key[:80]!a} ends after the file"
            )
        file.seek(declared[key].nbytes, 1)
    if file.tell() != nbytes:
        raise UnreadableCheckpoint(
            f"forged or damaged: {nbytes - file.tell()} bytes follow its last storage"
        )
    return places


def _check_count(header: bytes, storage: Storage) -> None:
    if len(header) < 8:
        raise UnreadableCheckpoint("truncated: it ends before its storages do")
    (numel,) = struct.unpack("<q", header)
    if numel != storage.numel:
        raise UnreadableCheckpoint(
            f"forged or damaged: storage {storage.key[:80]!a} has {numel} elements "
            f"where its pickle declares {storage.numel}"
        )
