"""Writes checkpoint files opcode by opcode, sharing no code with the reader."""

import io
import json
import struct
import zipfile

import numpy as np

MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
KINDS = {"f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage"}


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def numbers(values):
    return tuple_of(*map(number, values))


def call(function, *args):
    return function + tuple_of(*args) + b"R"


def mapping(**entries):
    return dictionary({text(key): value for key, value in entries.items()})


def dictionary(entries):
    flat = b"".join(key + value for key, value in entries.items())
    return b"}(" + flat + b"u"


def ordered(body=b""):
    return name("collections", "OrderedDict") + b")R" + body


def storage(kind, key, numel, *, location="cpu", view=()):
    where = (text(key), text(location), number(numel), *view)
    return tuple_of(text("storage"), name("torch", kind), *where) + b"Q"


def tensor(
    kind, key, numel, shape, strides, *, offset=0, function="_rebuild_tensor_v2", **more
):
    return call(
        name("torch._utils", function),
        storage(kind, key, numel, **more),
        number(offset),
        numbers(shape),
        numbers(strides),
        b"\x89",
        ordered(),
    )


def dense(key, array):
    """A contiguous tensor over a storage of its own."""
    strides = [step // array.itemsize for step in array.strides]
    return tensor(KINDS[array.dtype.str[1:]], key, array.size, array.shape, strides)


def pickled(body, protocol=2):
    return bytes([0x80, protocol]) + body + b"."


def zip_file(body, storages, *, extra=(), folder="archive", compression=0):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled(body))
        archive.writestr(f"{folder}/byteorder", "little")
        for key, data in storages.items():
            archive.writestr(f"{folder}/data/{key}", bytes(data))
        for entry, data in extra:
            archive.writestr(entry, data)
    return buffer.getvalue()


def legacy_file(body, storages, *, little=b"\x88", counts=None, protocol=1001):
    """`storages` maps keys to arrays, `counts` overrides their element counts."""
    machine = mapping(protocol_version=number(1001), little_endian=little)
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    parts = [pickled(part) for part in (MAGIC, number(protocol), machine, body, keys)]
    for key, array in storages.items():
        numel = (counts or {}).get(key, array.size)
        parts.append(struct.pack("<q", numel) + array.tobytes())
    return b"".join(parts)


def safetensors_file(header, data):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def small_files(rng):
    """One small file per container, with names, nesting, a module and a view."""
    weight = rng.standard_normal((3, 4)).astype("<f4")
    steps = rng.integers(-9, 9, 2)
    module = (
        name("somewhere", "Net")
        + b")\x81"
        + mapping(
            _parameters=mapping(weight=dense("w", weight), bias=b"N"),
            _buffers=mapping(steps=dense("s", steps)),
            _modules=mapping(inner=mapping()),
        )
        + b"b"
    )
    view = tensor("FloatStorage", "w", 12, (4, 2), (1, 4), offset=4)
    body = mapping(
        state_dict=mapping(**{"a.b": dense("w", weight), "view": view}),
        net=module,
        epoch=number(3),
        notes=b"](" + text("one") + b"NI01\n\x88e",
    )
    arrays = {"w": weight, "s": steps}
    header = {
        "w": entry("F32", [3, 4], 0, 48),
        "s": entry("I64", [2], 48, 64),
        "__metadata__": {"format": "pt"},
    }
    return {
        "zip": zip_file(body, {key: a.tobytes() for key, a in arrays.items()}),
        "legacy": legacy_file(body, arrays),
        "safetensors": safetensors_file(header, weight.tobytes() + steps.tobytes()),
    }, {
        "state_dict.a.b": weight,
        "state_dict.view": np.ascontiguousarray(weight[1:].T),
        "net.weight": weight,
        "net.steps": steps,
    }
