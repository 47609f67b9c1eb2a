"""Why a file is not read: the one exception, and the formats a checkpoint is not.

Files named ``.pth`` are often something else: the page of a download that asked for a
click, a compressed copy, another framework's weights. Their first bytes say which.
"""

from collections.abc import Iterable

_LEADING = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer: run `git lfs pull` to get the file",
    ),
    (b"\x1f\x8b", "gzip: decompress it first"),
    (b"BZh", "bzip2: decompress it first"),
    (b"\xfd7zXZ\x00", "xz: decompress it first"),
    (b"\x28\xb5\x2f\xfd", "zstd: decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: extract it first"),
    (b"Rar!", "a RAR archive: extract it first"),
    (b"\x89HDF\r\n\x1a\n", "HDF5 (Keras): save the weights from PyTorch instead"),
    (b"\x93NUMPY", "a NumPy array: save a PyTorch state dict instead"),
    (b"\x12\x01\0\0\0\0\0\0", "MXNet .params: convert it to PyTorch or ONNX first"),
    (b"GGUF", "GGUF, weights of a language model: this reader takes PyTorch's"),
    (b"%PDF", "a PDF document: download the checkpoint again"),
    (b"PK\x05\x06", "an empty zip archive: download the checkpoint again"),
)
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")
_TENSORFLOW = "TensorFlow: save the weights from PyTorch instead"
_CAFFE = "Caffe: save the weights from PyTorch instead"
_SAVED_MODEL = b"\x08\x01\x12"
_EXPORTED = (
    "a program of torch.export (.pt2): save the state_dict of the module it was "
    "exported from"
)
_ARCHIVES = (
    ("model.weights.h5", "a Keras archive: save the weights from PyTorch instead"),
    ("saved_model.pb", f"an archive of {_TENSORFLOW}"),
    ("serialized_exported_program.json", _EXPORTED),
    ("archive_format", _EXPORTED),
    ("MANIFEST.json", "a TorchServe archive: extract its checkpoint first"),
)
_ONNX_SECOND_FIELDS = frozenset(b"\x12\x1a\x22\x28\x32\x3a\x42")


class UnreadableCheckpoint(ValueError):
    """A file that is refused; the message says what was found and what to do."""


def looks_like(head: bytes) -> str | None:
    """Names the foreign format of a file by its first 512 bytes, and what to do."""
    if not head:
        return "an empty file: download it again"
    for magic, phrase in _LEADING:
        if head.startswith(magic):
            return phrase
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGE_STARTS):
        return "a web page: open the link in a browser and download the file itself"
    if head[257:262] == b"ustar":
        return (
            "a tar archive: extract it, or, if torch.save of PyTorch before 0.1.10 "
            "wrote it, save it again with a newer PyTorch"
        )
    if head[4:8] == b"TFL3":
        return "TensorFlow Lite: this reader takes PyTorch checkpoints"
    if found := _network_of_others(head):
        return found
    if (
        len(head) > 2
        and head[0] == 0x08
        and 0 < head[1] < 32
        and head[2] in _ONNX_SECOND_FIELDS
    ):
        return "ONNX: save the PyTorch state dict the model was exported from"
    return None


def archive_of(names: Iterable[str]) -> str | None:
    """Names the foreign archive that has these entries, and what to do."""
    ends = {name.rpartition("/")[2] for name in names}
    for end, phrase in _ARCHIVES:
        if end in ends:
            return phrase
    if ends and all(end.endswith(".npy") for end in ends):
        return "a NumPy archive (.npz): save a PyTorch state dict instead"
    return None


def _network_of_others(head: bytes) -> str | None:
    """Names TensorFlow's and Caffe's files, which have no magic number."""
    if head.startswith(_SAVED_MODEL):
        return f"a saved model of {_TENSORFLOW}"
    if head.startswith(b"\n") and (b"Placeholder" in head or b"Const" in head):
        return f"a frozen graph of {_TENSORFLOW}"
    text = head.lstrip()
    if text.startswith((b"name:", b"layer {", b"layer{", b"input:")):
        return f"a description of a network of {_CAFFE}"
    if head.startswith(b"\n") and (b"\xa2\x06" in head or b"Convolution" in head):
        return f"a model of {_CAFFE}"
    return None
