import functools
import io
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from fxai_jax.data.images import decode_image
from fxai_jax.data.pairs import open_pairs
from fxai_jax.data.pairs.packed import read_bin


def jpegs(rng, count):
    contents = []
    for _ in range(count):
        stream = io.BytesIO()
        pixels = rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(stream, "JPEG")
        contents.append(stream.getvalue())
    return contents


@pytest.fixture
def packed(tmp_path):
    """Writes a file, from bytes or from what a pickle shall hold."""

    def write(content, protocol=4):
        path = tmp_path / "lfw.bin"
        is_pickle = isinstance(content, bytes)
        path.write_bytes(content if is_pickle else pickle.dumps(content, protocol))
        return path

    return write


def python_2(images, labels):
    """What pickle.HIGHEST_PROTOCOL of Python 2 wrote: text, one byte a character."""
    opcodes = [b"\x80\x02]q\x00("]
    for place, image in enumerate(images, 3):
        opcodes.append(b"T" + struct.pack("<i", len(image)) + image)
        opcodes.append(b"r" + struct.pack("<I", place))
    opcodes.append(b"e]q\x01(" + b"".join(b"\x88" if x else b"\x89" for x in labels))
    return b"".join([*opcodes, b"e\x86q\x02."])


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("root", [tuple, list])
def test_images_and_labels_of_every_protocol(rng, packed, protocol, root):
    images, labels = jpegs(rng, 6), [True, False, True]
    found, genuine = read_bin(packed(root((images, labels)), protocol))
    assert found == images
    assert genuine.dtype == bool
    assert genuine.tolist() == labels


@pytest.mark.parametrize("root", [tuple, list])
def test_old_protocols_are_no_table_of_pairs(rng, packed, root):
    benchmark = root((jpegs(rng, 2), [True]))
    assert len(open_pairs(packed(benchmark, 1), size=None)) == 1
    with pytest.raises(ValueError, match="expected a pickle, of protocol 1 to 5"):
        open_pairs(packed(benchmark, 0))


def test_a_sparse_file_is_refused(packed):
    path = packed(([b"probe", b"gallery"], [True]))
    os.truncate(path, 2**30)
    with pytest.raises(ValueError, match="a sparse file"):
        read_bin(path)


def test_files_of_python_2(rng, packed):
    images = [*jpegs(rng, 3), bytes(range(256))]
    content = python_2(images, [False, True])
    assert pickle.loads(content, encoding="bytes") == (images, [False, True])
    found, genuine = read_bin(packed(content))
    assert found == images
    assert genuine.tolist() == [False, True]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_images_in_numpy_arrays(rng, packed, protocol, shape):
    images = jpegs(rng, 4)
    arrays = [np.frombuffer(x, np.uint8).reshape(shape) for x in images]
    arrays[0] = arrays[0].copy()
    arrays[3] = arrays[2]
    found, _ = read_bin(packed((arrays, [True, True]), protocol))
    assert found == [*images[:3], images[2]]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_labels_of_other_types(packed, protocol):
    truth = [True, False, True]
    for labels in (
        [np.True_, np.False_, np.True_],
        [1, 0, 1],
        np.array(truth),
        np.array(truth, np.uint8),
    ):
        found = read_bin(packed(([b"x"] * 6, labels), protocol))[1]
        assert found.tolist() == truth


def test_old_names_of_numpy(packed):
    content = pickle.dumps(([b"x"] * 2, [np.True_]), 2)
    old = content.replace(b"numpy._core", b"numpy.core")
    assert old != content
    assert read_bin(packed(old))[1].tolist() == [True]


class Payload:
    """Makes a folder when it is unpickled by anything that runs pickles."""

    def __init__(self, make, *args):
        self.make, self.args = make, args

    def __reduce__(self):
        return self.make, self.args


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_payloads_do_not_run(tmp_path, packed, protocol):
    mark = str(tmp_path / "ran")
    for payload in (
        Payload(os.mkdir, mark),
        Payload(eval, f"__import__('os').mkdir({mark!r})"),
        Payload(functools.partial, os.mkdir, mark),
        Payload(print, "ran"),
    ):
        for content in (
            payload,
            ([payload, b"x"], [True]),
            ([b"x", b"x"], [payload]),
            ([b"x", b"x"], [True], payload),
        ):
            path = packed(content, protocol)
            with pytest.raises(ValueError, match=r"lfw\.bin: found a demand for '"):
                read_bin(path)
            assert not os.path.exists(mark)
    pickle.loads(pickle.dumps(Payload(os.mkdir, mark)))
    assert os.path.exists(mark)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02cos\nsystem\nU\x02ls\x85R.",
        b"(U\x02lsios\nsystem\n.",
        b"(cos\nsystem\nU\x02lso.",
        b"cbuiltins\nexec\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x04)K\x01\x93.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02U\x02lsQ.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        b"\x80\x02cnumpy\nndarray\n}U\x01xK\x01sb.",
        b"\x80\x02cnumpy.core.multiarray._reconstruct\n\n)R.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
        b"\x80\x02c_codecs\nencode\nK\x01X\x06\x00\x00\x00latin1\x86R.",
        b"\x80\x02cnumpy\ndtype\nU\x02f4\x85R.",
        b"\x80\x02cnumpy\ndtype\n]\x85R.",
    ],
)
def test_other_programs_are_refused(packed, content):
    with pytest.raises(ValueError, match=r"lfw\.bin: found .*Nothing of it"):
        read_bin(packed(content))


LATIN_1 = b"X\x06\x00\x00\x00latin1"
ENCODED = b"c_codecs\nencode\nh\x00" + LATIN_1 + b"\x86R"
U1 = b"cnumpy\ndtype\nU\x02u1\x85R"
ROT_13 = b"c_codecs\nencode\nh\x00U\x05rot13\x86R"
EMPTY = b"cnumpy.core.multiarray\nscalar\n" + U1.replace(b"u1", b"b1") + b"U\x00\x86R"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (([b"x"] * 3, [True]), "found 3 images for 1 labels"),
        (([b"x"] * 2, [True, False]), "found 2 images for 2 labels"),
        (([], []), "found 0 images for 0 labels"),
        (([b"x"] * 2, [2]), "found labels other than 0 and 1"),
        (([b"x"] * 2, [-1]), "found labels other than 0 and 1"),
        (([b"x"] * 2, ["1"]), "neither True nor False"),
        (([b"x"] * 2, [None]), "neither True nor False"),
        (([b"x"] * 2, None), "neither True nor False"),
        (([b"x", "x"], [True]), "no bytes in image 1"),
        (([b"x", [b"x"]], [True]), "no bytes in image 1"),
        (([b"x", b"x"], [0.5]), "neither True nor False"),
        (([b"x", b"x"], [{}]), "neither True nor False"),
        (([b"x", b"x"], [2**70]), "found labels other than 0 and 1"),
        (([b"x", b"x"], np.array([2], np.uint8)), "found labels other than 0 and 1"),
        (([b"x", b"x"], [True], [0.5]), "something else"),
        (([b"x", b"x"], [True], [1]), "something else"),
        (b"x", "the opcode b'x'"),
        ({"images": []}, "something else"),
        (({}, [True]), "something else"),
        (np.zeros(2, np.uint8), "something else"),
        (([{}, b"x"], [True]), "no bytes in image 0"),
        (b"", r"no readable pickle \(truncated: .* 2147483648 bytes\)"),
        (b"\xff\xd8\xff\xe0 a photograph", "the opcode b'.xff'"),
        (b"\x80\x02](U\x01xQU\x01xe]\x88a\x86.", "not in the file"),
        (b"\x80\x02.", r"no readable pickle \(damaged pickle: its stack runs empty\)"),
        (b"\x80\x02e.", "stack runs empty"),
        (b"\x80\x02]h\x07.", "no memo entry 7"),
        (b"\x80\x02K\x01K\x02a.", "APPENDS on a int"),
        (([np.zeros(3, np.float32)] * 2, [True]), "neither bytes nor labels"),
        (([b"x"] * 2, np.zeros(1, np.float32)), "neither bytes nor labels"),
        (([b"x"] * 2, [np.float64(1)]), "neither bytes nor labels"),
        (([b"x"] * 2, [np.uint8(1)]), "NumPy number that is no label"),
        (b"\x80\x02](X\x02\0\0\0\xc4\x80q\x000" + ENCODED + b"e]\x86.", "not Latin-1"),
        (b"\x80\x02](K\x01q\x000" + ENCODED + b"e]\x86.", "no bytes in image 0"),
        (b"\x80\x02](U\x01xq\x000" + ROT_13 + b"e]\x86.", "no bytes in image 0"),
        (b"\x80\x02](U\x01xU\x01xe](" + EMPTY + b"e\x86.", "number that is no label"),
    ],
)
def test_other_contents_are_refused(packed, content, message):
    with pytest.raises(ValueError, match=f"lfw.bin: .*({message}).*download it"):
        read_bin(packed(content, 2))


def test_sizes_that_are_lies_cost_nothing(packed):
    for opcode in (
        b"B\xff\xff\xff\xff",
        b"\x8e" + b"\xff" * 7 + b"\x3f",
        b"\x96" + b"\xff" * 7 + b"\x3f",
        b"]r\xff\xff\xff\xff",
        b"\x95" + b"\xff" * 8,
    ):
        with pytest.raises(ValueError, match=r"lfw\.bin: found no readable pickle"):
            read_bin(packed(b"\x80\x04" + opcode + b"x."))


MEGABYTE = b"a" * 10**6
SHORT, LONG = (struct.pack(kind, len(MEGABYTE)) + MEGABYTE for kind in ("<I", "<Q"))
REPEATED = {
    "text": (b"X" + SHORT, ENCODED),
    "text of Python 2": (b"T" + SHORT, b"h\x00"),
    "bytearray": (b"\x96" + LONG, b"h\x00"),
    "array": (b"T" + SHORT, b"cnumpy.core.numeric\n_frombuffer\nh\x00" + U1 + b"\x86R"),
}


@pytest.mark.parametrize("case", REPEATED)
def test_a_text_is_not_encoded_over_and_over(packed, case):
    value, image = REPEATED[case]
    images, labels = b"](" + 200 * image + b"e", b"](" + 100 * b"\x88" + b"e"
    path = packed(b"\x80\x02" + value + b"q\x000" + images + labels + b"\x86.")
    tracemalloc.start()
    try:
        found, _ = read_bin(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [MEGABYTE] * 200
    assert peak < 5e6


def test_nested_values_are_refused_without_recursion(packed):
    doubled = b"\x80\x02]q\x00" + b"(h\x00h\x00tq\x00" * 500
    for content in (b"\x80\x02)" + b"\x85" * 5_000, doubled):
        for end in (b".", b"K\x01\x93.", b"cnumpy\ndtype\nh\x00\x85R."):
            with pytest.raises(ValueError, match=r"lfw\.bin: "):
                read_bin(packed(content + end))


def test_damaged_files_are_read_or_refused(rng, packed):
    content = np.frombuffer(
        pickle.dumps(([b"ab", np.frombuffer(b"cd", np.uint8)], [np.True_]), 2), np.uint8
    )
    for _ in range(300):
        damaged = content.copy()
        places = rng.integers(0, content.size, 2)
        damaged[places] = rng.integers(0, 256, 2)
        try:
            images, _ = read_bin(packed(damaged.tobytes()))
        except ValueError as error:
            assert "lfw.bin: " in str(error)  # noqa: PT017
        else:
            assert len(images) == 2
    for size in range(content.size):
        with pytest.raises(ValueError, match=r"lfw\.bin: "):
            read_bin(packed(content[:size].tobytes()))


def test_missing_and_too_large_files(tmp_path, packed, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no\.bin: there is no such file"):
        read_bin(tmp_path / "no.bin")
    with pytest.raises(FileNotFoundError):
        read_bin(tmp_path)
    path = packed(([b"x"] * 2, [True]))
    monkeypatch.setattr("fxai_jax.data.pairs.packed.MAX_BYTES", 9)
    with pytest.raises(ValueError, match="expected at most 9"):
        read_bin(path)
    monkeypatch.setattr("fxai_jax.data.pairs.packed.MAX_BYTES", 999)
    monkeypatch.setattr("fxai_jax.data.pairs.packed.MAX_OPCODES", 4)
    with pytest.raises(ValueError, match="more than 4 opcodes"):
        read_bin(path)


def test_a_damaged_image_does_not_spoil_the_others(rng, packed):
    images = jpegs(rng, 4)
    images[1], images[2] = images[1][:4000], b""
    found, _ = read_bin(packed((images, [True, False])))
    for place in (0, 3):
        pixels = decode_image(found[place], f"lfw.bin, image {place}")
        expected = np.asarray(Image.open(io.BytesIO(images[place]))) / np.float32(255)
        np.testing.assert_array_equal(pixels, expected)
    with pytest.raises(ValueError, match=r"lfw\.bin, image 2: found no bytes"):
        decode_image(found[2], "lfw.bin, image 2")
    with pytest.raises(ValueError, match=r"image 1: the JPEG image is truncated"):
        decode_image(found[1], "lfw.bin, image 1")
    with pytest.raises(ValueError, match=r"face: found 112 x 112.*expected 96 x 96"):
        decode_image(found[0], "face", size=(96, 96))
