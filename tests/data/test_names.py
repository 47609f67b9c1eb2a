import csv
import json
import os
import unicodedata
from pathlib import Path

from fxai_jax.data.names import KEPT, json_bytes, printable, relative_names
from tests.hostile import hostile_names


def test_names_survive_every_kind_of_file(tmp_path, rng):
    names = hostile_names(rng, 200)
    texts = [os.fsdecode(name) for name in names]
    assert json.loads(json_bytes({"names": texts})) == {"names": texts}
    json_bytes(texts).decode("utf-8")
    path = tmp_path / "names.csv"
    with path.open("w", newline="", encoding="utf-8", errors=KEPT) as stream:
        csv.writer(stream).writerows([text] for text in texts)
    with path.open(newline="", encoding="utf-8", errors=KEPT) as stream:
        assert [os.fsencode(row[0]) for row in csv.reader(stream)] == names


def test_what_is_shown_is_harmless_and_tells_names_apart(rng):
    names = sorted(set(hostile_names(rng, 500)))
    shown = [printable(os.fsdecode(name)) for name in names]
    for text in shown:
        text.encode("utf-8")
        kinds = {unicodedata.category(letter) for letter in text}
        assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert len(set(shown)) == len(names)
    assert printable("Ann 人é\u3000_[b].png") == "Ann 人é\u3000_[b].png"
    assert printable(os.fsdecode("é".encode("latin-1"))) == r"\xe9"


def test_relative_names():
    paths = [Path("x/faces/anna/1.png"), Path("x/faces/2.png"), Path("x/./faces/3")]
    assert relative_names(paths) == ["anna/1.png", "2.png", "3"]
    assert relative_names([Path("x/1.png")]) == ["1.png"]
    assert relative_names([Path("/x/1.png"), Path("/y/1.png")]) == [
        "x/1.png",
        "y/1.png",
    ]
