"""What other formats are called when they are taken for checkpoints."""

import io
import zipfile

import pytest

from fxai_conversion.containers.reader import read
from fxai_conversion.refusals import UnreadableCheckpoint
from tests.conversion import reader_files


def archive(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name in names:
            packed.writestr(name, "content")
    return buffer.getvalue()


FOREIGN = {
    "keras": (archive("metadata.json", "config.json", "model.weights.h5"), "Keras"),
    "npz": (archive("images.npy", "labels.npy"), r"NumPy archive \(\.npz\)"),
    "pt2": (archive("version", "serialized_exported_program.json"), r"\.pt2"),
    "newer pt2": (archive("m/archive_format", "m/models/model.json"), r"\.pt2"),
    "saved model in a zip": (archive("net/saved_model.pb"), "TensorFlow"),
    "torchserve": (archive("MAR-INF/MANIFEST.json", "net.pth"), "TorchServe"),
    "photographs": (archive("a.jpg", "b.jpg"), "0 entries"),
    "frozen TorchScript": (
        reader_files.zip_file(
            reader_files.mapping(), {}, extra=[("archive/constants.pkl", b"")]
        ),
        "frozen TorchScript",
    ),
    "GGUF": (b"GGUF\x03\0\0\0" + bytes(40), "GGUF"),
    "saved model": (b"\x08\x01\x12\xd1\x0e\n\x8a\x03" + bytes(40), "TensorFlow"),
    "frozen graph": (b"\n\x2d\n\x05input\x12\x0bPlaceholder*", "frozen graph"),
    "caffemodel": (b"\n\x08ResNet50\xa2\x06\x10\n\x04data", "model of Caffe"),
    "old caffemodel": (b"\n\x03Net\x12\x20\n\x04data\x12\x0bConvolution", "Caffe"),
    "prototxt": (b'name: "ResNet50"\nlayer {\n', "description.*Caffe"),
    "ONNX": (b"\x08\x07\x12\x07pytorch\x1a\x05", "ONNX"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_file_of_another_format_is_named(tmp_path, case):
    content, message = FOREIGN[case]
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(UnreadableCheckpoint, match=message):
        read(tmp_path / "model.pth")
