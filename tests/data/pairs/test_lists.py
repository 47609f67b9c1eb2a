import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fxai_jax.data.pairs import open_pairs


@pytest.fixture
def images(tmp_path):
    """A folder with five images that nobody opens."""
    for name in ("a", "b", "c", "d d", "é"):
        (tmp_path / f"{name}.png").touch()
    return tmp_path


@pytest.fixture
def listed(images):
    def write(text):
        path = images / "pairs.anything"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def read_pairs(path, root=None):
    """What a list says, as lists of paths."""
    pairs = open_pairs(path, root=root)
    sides = [[Path(pairs.images[i]) for i in x] for x in (pairs.probe, pairs.gallery)]
    return SimpleNamespace(
        probe=sides[0], gallery=sides[1], genuine=pairs.genuine, groups=pairs.groups
    )


def names(paths):
    return [path.stem for path in paths]


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_tables_of_every_form(images, listed, separator, end, start):
    rows = [
        ("race", "path_a", "label", "path_b", "light"),
        ("x", "a.png", "1", "b.png", "day"),
        ("y", "d d.png", "0", "é.png", ""),
        ("x", "a.png", "0", "a.png", "night"),
    ]
    path = listed(start + end.join(separator.join(row) for row in rows))
    pairs = read_pairs(path)
    assert names(pairs.probe) == ["a", "d d", "a"]
    assert names(pairs.gallery) == ["b", "é", "a"]
    assert pairs.probe[0] == images / "a.png"
    assert pairs.genuine.tolist() == [True, False, False]
    assert pairs.genuine.dtype == bool
    assert pairs.groups == {"race": ["x", "y", "x"], "light": ["day", "", "night"]}


def test_the_other_names_and_quoted_cells(images, listed):
    comma = images / "a, b.png"
    comma.touch()
    text = f'genuine,probe,gallery\n 1 ,"a, b.png",{images}/c.png\n\n,,\n'
    pairs = read_pairs(listed(text))
    assert (pairs.probe, pairs.gallery) == ([comma], [images / "c.png"])
    assert pairs.groups == {}


def test_root_is_where_the_images_are(images, tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    path = folder / "list.csv"
    path.write_text("path_a,path_b,label\na.png,b.png,1\n")
    assert read_pairs(path, root=images).probe == [images / "a.png"]
    assert read_pairs(str(path), root=str(images)).probe == [images / "a.png"]
    with pytest.raises(FileNotFoundError, match="2 of 2 images are missing"):
        read_pairs(path)


def test_where_all_images_are_missing_five_are_named(listed):
    rows = [f"no_{i}.png,no_{i}.png,1" for i in range(7)]
    path = listed("\n".join(["path_a,path_b,label", *rows]))
    with pytest.raises(FileNotFoundError) as caught:
        read_pairs(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: 7 of 7 images are missing: ")
    assert re.findall(r"no_\d", message) == [f"no_{i}" for i in range(5)]
    assert ", ...; check the folder" in message


def test_a_missing_image_costs_its_own_pairs(listed):
    long = "a" * 5000  # a name that no file can have
    path = listed(f"path_a,path_b,label\na.png,{long},1\nno.png,b.png,0\n")
    pairs = open_pairs(path)
    assert len(pairs) == 2
    places = {Path(name).name: i for i, name in enumerate(pairs.images)}
    assert set(places) == {"a.png", "b.png", "no.png", long}
    for function in (pairs.read, pairs.measure):
        with pytest.raises(FileNotFoundError, match=r"no\.png: there is no such file"):
            function(places["no.png"])
        with pytest.raises(OSError, match="aaa"):
            function(places[long])


@pytest.fixture
def spelled(images):
    """Names of one image: spellings, a symbolic and a hard link."""
    (images / "deep").mkdir()
    (images / "deep" / "link.png").symlink_to(images / "a.png")
    os.link(images / "a.png", images / "hard.png")
    return ["a.png", "./a.png", "deep/../a.png", "deep/link.png", "hard.png"]


def test_names_of_one_file_are_one_image(rng, listed, spelled):
    probe, gallery = rng.choice(spelled, 2), rng.choice(spelled, 2)
    rows = [f"{name},b.png,1" for name in probe]
    rows += [f"b.png,{name},1" for name in gallery]
    pairs = open_pairs(listed("\n".join(["path_a,path_b,label", *rows])))
    assert len(pairs.images) == 2
    assert pairs.probe.tolist() == [0, 0, 1, 1]
    assert pairs.gallery.tolist() == [1, 1, 0, 0]


def test_a_pair_with_both_labels_is_refused(rng, listed, spelled):
    rows = ["b.png,c.png,1", "d d.png,é.png,0", "d d.png,é.png,0"]
    sides = [rng.choice(spelled), "b.png"]
    for place, (label, other) in enumerate(((1, 0), (0, 1))):
        first = f"{sides[place]},{sides[1 - place]},{label}"
        second = f"b.png,{rng.choice(spelled)},{other}"
        lines = ["path_a,path_b,label", *rows, first, rows[0], second, first]
        kinds = ("genuine", "impostor")[:: 1 if label else -1]
        message = (
            f"line 5 says that .* are {kinds[0]}, line 7 that they are {kinds[1]}; "
            "1 pairs have both labels: correct or remove them"
        )
        with pytest.raises(ValueError, match=message):
            open_pairs(listed("\n".join(lines)))
    with pytest.raises(ValueError, match="; 2 pairs have both labels"):
        open_pairs(listed("\n".join([*lines, "b.png,c.png,0"])))


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
@pytest.mark.parametrize("encoding", ["gbk", "latin-1"])
def test_names_are_the_bytes_that_are_on_disk(images, listed, encoding):
    name = {"gbk": "人脸.png", "latin-1": "café.png"}[encoding].encode(encoding)
    Path(os.fsdecode(os.path.join(os.fsencode(images), name))).write_bytes(b"x")
    pairs = open_pairs(listed(b"probe,gallery,genuine,g\n" + name + b",b.png,1,z\n"))
    assert os.fsencode(pairs.images[0]).endswith(b"/" + name)
    assert os.path.isfile(pairs.images[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path_a,path_b,label\n", "found no pairs, expected at least one"),
        ("", "found an empty file"),
        ("\n \n\n", "found an empty file"),
        (
            "a.png,b.png,1\n",
            "found the columns a.png, b.png, 1, expected path_a, path_",
        ),
        ("path_a;path_b;label\na;b;1", "columns path_a;path_b;label, expected"),
        ("path_a,gallery,label\n", "expected path_a, path_b, label or probe, gallery,"),
        ("path_a,path_b,label,probe,gallery,genuine\n", "one of the two only"),
        ("path_a,path_b,label,x,x\n", "column 'x' twice; rename"),
        ("path_a,path_b,label,path_a\n", "column 'path_a' twice; rename"),
        ("path_a,path_b,label\na.png,b.png,yes", "line 2: found the label 'yes'"),
        ("path_a,path_b,label\na.png,b.png,1.0", "line 2: found the label '1.0'"),
        ("path_a,path_b,label\n\na.png,b.png,-1", "line 3: found the label '-1'"),
        ("path_a,path_b,label\na.png,b.png,", "found the label ''"),
        ("path_a,path_b,label\na.png,b.png", "line 2: found 2 cells, expected 3"),
        ("path_a,path_b,label\na.png,b,1,1", "line 2: found 4 cells, expected 3"),
        ("path_a,path_b,label\na.png,,1", "line 2: found no path"),
        ('path_a,path_b,label\n"a.png,b.png,1', "line 2: unexpected end of data"),
        ('path_a,path_b,label\n"a"x,b.png,1', "line 2: ',' expected after '\"'"),
        ("path_a,path_b,label\n" + "a" * 200_000 + ",b,1", "line 2: field larger"),
        ("path_a,path_b,label\na\0.png,b.png,1", "zero byte"),
        ("1234567890 1\n", "found the columns 1234567890 1"),
    ],
)
def test_tables_that_are_wrong_say_where(listed, text, message):
    with pytest.raises(ValueError, match=f"pairs.anything[:,].*{message}"):
        read_pairs(listed(text))


def test_missing_and_too_large_lists(images, listed, monkeypatch):
    for path in (images / "no.csv", images):
        with pytest.raises(FileNotFoundError, match="no such file; check the path"):
            read_pairs(path)
    path = listed("path_a,path_b,label\na.png,b.png,1\n")
    monkeypatch.setattr("fxai_jax.data.pairs.tables.MAX_BYTES", 9)
    with pytest.raises(ValueError, match="expected a list of at most 9; split it"):
        read_pairs(path)


@pytest.fixture
def people(tmp_path):
    for name, count, suffix in (("Ann", 3, ".jpg"), ("Bo Li", 2, ".PNG")):
        (tmp_path / name).mkdir()
        for number in range(1, count + 1):
            (tmp_path / name / f"{name}_{number:04d}{suffix}").touch()
        (tmp_path / name / f"{name}_0001.txt").touch()
    return tmp_path


LFW = "2\t1\nAnn\t1\t2\nAnn\t3\tBo Li\t1\nBo Li\t2\t1\nBo Li\t2\tAnn\t1\n"


def test_lists_in_the_style_of_lfw(people):
    path = people / "pairs.txt"
    path.write_text(LFW)
    pairs = read_pairs(path)
    assert names(pairs.probe) == ["Ann_0001", "Ann_0003", "Bo Li_0002", "Bo Li_0002"]
    assert names(pairs.gallery) == ["Ann_0002", "Bo Li_0001", "Bo Li_0001", "Ann_0001"]
    assert pairs.probe[2] == people / "Bo Li" / "Bo Li_0002.PNG"
    assert pairs.genuine.tolist() == [True, False, True, False]
    assert pairs.groups == {"fold": ["0", "0", "1", "1"]}
    one_fold = LFW.replace("2\t1", "2", 1).splitlines()
    path.write_text("\n".join([one_fold[0], one_fold[1], one_fold[3], *one_fold[2::2]]))
    assert read_pairs(path).genuine.tolist() == [True, True, False, False]
    assert read_pairs(path).groups == {"fold": ["0"] * 4}
    path.write_text("1 1\nAnn 1 2\nAnn 1 Ann 2\n")
    with pytest.raises(ValueError, match="found 2 genuine pairs in fold 0, expected 1"):
        read_pairs(path)


def test_of_several_suffixes_the_first_is_taken(people):
    (people / "Ann" / "Ann_0001.bmp").touch()
    path = people / "pairs.txt"
    path.write_text(LFW)
    assert read_pairs(path).probe[0].suffix == ".bmp"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LFW + "Ann 1 2\n",
            "found 5 pairs, expected 4 by its first line: 2 folds of 1",
        ),
        (LFW.replace("2\t1", "10 300", 1), "found 4 pairs, expected 6000"),
        (LFW.replace("2\t1", "999999999 999999999", 1), "found 4 pairs"),
        (LFW.replace("Ann\t1\t2", "Ann 1"), r"line 2: found 'Ann 1', expected 'name"),
        (LFW.replace("Ann\t1\t2", "Ann 1 2 3 4"), "line 2: found"),
        (LFW.replace("Ann\t1\t2", "Ann one 2"), "line 2: found"),
        (LFW.replace("Ann\t1\t2", "Ann 1 -2"), "line 2: found"),
        (LFW.replace("Ann\t1\t2", "../Ann 1 2"), "line 2: found"),
        (LFW.replace("Ann\t1\t2", ".. 1 2"), "line 2: found"),
        (LFW.replace("Ann\t1\t2", "Ann 1 Bo 2"), "found 0 genuine pairs in fold 0"),
        ("0 0\n", "found the columns 0 0"),
        ("999999999 0\n", "found the columns 999999999 0"),
        ("10 300\n", "found 0 pairs, expected 6000"),
    ],
)
def test_lfw_lists_that_are_wrong_say_where(people, text, message):
    (people / "pairs.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"pairs\.txt[:,].*{message}"):
        read_pairs(people / "pairs.txt")


def test_missing_people_and_numbers(people):
    text = LFW.replace("Ann\t1\t2", "Ann\t1\t9").replace("Bo Li\t2\t1", "Cy\t2\t1")
    (people / "pairs.txt").write_text(text)
    images = [Path(name) for name in open_pairs(people / "pairs.txt").images]
    missing = {image.name for image in images if not image.is_file()}
    assert missing == {"Ann_0009.jpg", "Cy_0001.jpg", "Cy_0002.jpg"}
    assert len(images) == 7


def test_a_list_of_lfw_size_is_read_quickly(people, rng):
    lines = ["10 300"]
    for _ in range(10):
        lines += ["Ann 1 2"] * 300 + ["Ann\t1\tBo Li\t2"] * 300
    (people / "pairs.txt").write_text("\n".join(lines))
    pairs = read_pairs(people / "pairs.txt")
    assert pairs.genuine.sum() == 3000
    folds = np.array(pairs.groups["fold"], int)
    np.testing.assert_array_equal(np.bincount(folds), 600)
