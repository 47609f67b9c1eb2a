"""References that PyTorch computed, and files that pretend to be some."""

import io
import json
import os
import shutil
import zipfile

import jax
import numpy as np
import pytest
from numpy.lib.format import write_array_header_1_0

from fxai_conversion import references
from fxai_conversion.verifying import compare, verify
from fxai_jax.cards import checkpoint_folder, load_card
from fxai_jax.checkpoints import load_backbone, save_backbone
from fxai_jax.data.samples import sample_face

FACE = np.asarray(sample_face("a_1"))[None]


def archive(compression=zipfile.ZIP_STORED, **members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        for name, value in members.items():
            stream = io.BytesIO()
            np.save(stream, value)
            packed.writestr(f"{name}.npy", stream.getvalue())
    return buffer.getvalue()


def claiming(shape, descr="<f4"):
    """An archive whose images claim a shape that no file has."""
    stream = io.BytesIO(b"")
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    write_array_header_1_0(stream, header)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("images.npy", stream.getvalue())
        packed.writestr("embeddings.npy", stream.getvalue())
    return buffer.getvalue()


def encrypted():
    data = bytearray(archive(images=FACE, embeddings=np.ones((1, 192))))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        begin = data.find(magic)
        while begin >= 0:
            data[begin + at] |= 1
            begin = data.find(magic, begin + 4)
    return bytes(data)


def odd_method():
    data = bytearray(archive(images=FACE, embeddings=np.ones((1, 192))))
    for magic, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        begin = data.find(magic)
        while begin >= 0:
            data[begin + at] = 97
            begin = data.find(magic, begin + 4)
    return bytes(data)


ONES = np.ones((1, 192))
HOSTILE = {
    "empty": (b"", "BadZipFile"),
    "an empty archive": (b"PK\x05\x06" + bytes(18), "images.npy"),
    "encrypted": (encrypted(), "encrypted"),
    "oddly compressed": (odd_method(), "NotImplementedError"),
    "no image": (
        archive(images=FACE[:0], embeddings=np.ones((0, 192))),
        "at least one",
    ),
    "no embeddings": (archive(images=FACE), "embeddings.npy"),
    "huge": (claiming((10**12, 112, 112, 3)), "claims to be float32 of shape"),
    "negative": (claiming((-1, 112, 112, 3)), "is no .npz|has images"),
    "objects": (claiming((1,), "|O"), "claims to be object"),
    "texts": (archive(images=np.array(["a"]), embeddings=ONES), "claims to be <U1"),
    "a number": (archive(images=np.float32(1), embeddings=ONES), "is no .npz|has"),
    "zero": (archive(images=FACE, embeddings=0 * ONES), "zero or not finite"),
    "not finite": (
        archive(images=FACE, embeddings=ONES * np.inf),
        "zero or not finite",
    ),
    "not a number": (archive(images=FACE * np.nan, embeddings=ONES), "outside RGB"),
    "grey levels": (archive(images=FACE * 255, embeddings=ONES), "outside RGB"),
    "no archive": (b"text", "BadZipFile"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_reference_that_is_none_is_one_sentence(tmp_path, case):
    content, message = HOSTILE[case]
    (tmp_path / "golden.npz").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        compare("mobilefacenet", tmp_path / "golden.npz")
    assert "golden.npz" in str(caught.value)


def test_a_reference_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(references, "MAX_REFERENCE_BYTES", 2**20)
    bomb = archive(zipfile.ZIP_DEFLATED, images=np.zeros(2**18), embeddings=ONES)
    (tmp_path / "golden.npz").write_bytes(bomb)
    with pytest.raises(ValueError, match="unpacks to 209"):
        compare("mobilefacenet", tmp_path / "golden.npz")


@pytest.mark.slow
def test_a_damaged_reference_is_refused(tmp_path, rng):
    path = tmp_path / "golden.npz"
    whole = archive(zipfile.ZIP_DEFLATED, images=FACE, embeddings=ONES)
    for _ in range(40):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 3):
            data[place] ^= 1 << rng.integers(8)
        path.write_bytes(data[: rng.integers(1, len(data))])
        with pytest.raises(ValueError, match=r"golden\.npz"):
            compare("mobilefacenet", path)
    with pytest.raises(OSError, match="No such file"):
        compare("mobilefacenet", tmp_path / "none.npz")


def test_lengths_are_judged_unless_the_reference_has_none(tmp_path):
    true = np.asarray(jax.jit(jax.vmap(load_backbone("mobilefacenet")))(FACE))
    unit = true / np.linalg.norm(true)
    for embeddings, norm in ((3 * true, 2 / 3), (true / 2, 1), (unit, 0)):
        (tmp_path / "golden.npz").write_bytes(
            archive(images=FACE, embeddings=embeddings)
        )
        found = compare("mobilefacenet", tmp_path / "golden.npz")
        assert found.norm == pytest.approx(norm, abs=1e-4)
        assert found.one_minus_cosine < 1e-5


@pytest.mark.slow
def test_a_network_in_bfloat16_is_looked_at_in_float32(tmp_path):
    half = load_backbone("mobilefacenet", dtype="bfloat16")
    save_backbone(tmp_path / "net", half, load_card("mobilefacenet"))
    found = verify(tmp_path / "net").cosines
    assert 1e-5 < np.abs(found - verify("mobilefacenet").cosines).max() < 0.02


@pytest.mark.parametrize("place", ["/dev/zero", "/"])
def test_a_reference_that_is_no_file_is_refused(place):
    with pytest.raises(ValueError, match="directory or device"):
        compare("mobilefacenet", place)


def test_a_sparse_reference_is_refused(tmp_path):
    path = tmp_path / "golden.npz"
    path.write_bytes(archive(images=FACE, embeddings=ONES))
    os.truncate(path, 2**30)
    with pytest.raises(ValueError, match="sparse"):
        compare("mobilefacenet", path)


@pytest.mark.parametrize("size", [[1, 1], [64, 64], [112, 160]])
def test_a_card_whose_network_takes_other_images_is_one_sentence(tmp_path, size):
    shutil.copytree(checkpoint_folder("mobilefacenet"), tmp_path / "net")
    path = tmp_path / "net" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"image_size": size}))
    with pytest.raises(
        ValueError, match=rf"of images of .*{size[1]}\) pixels its card"
    ):
        verify(tmp_path / "net")
