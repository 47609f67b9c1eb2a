import time
from pathlib import Path

import pytest

from fxai_jax.data.entries import assign


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    for person in ("anna", "bert"):
        (folder / person).mkdir(parents=True)
        for i in (1, 2):
            (folder / person / f"{i}.png").touch()
    return folder


def faults(found):
    return {file: str(x) for file, x in found.items() if isinstance(x, ValueError)}


def test_a_name_without_folders_that_may_mean_two_files_means_none(faces):
    files = [faces / "anna" / "1.png", faces / "bert" / "1.png"]
    found = assign(["1.png", "bert/2"], files, [faces])
    assert faults(found) == dict.fromkeys(
        files,
        f"'1.png' may mean {files[0]} or {files[1]}; write their folders into the keys",
    )


def test_a_name_beside_its_list_does_not_mean_a_file_elsewhere(faces):
    own, other = faces / "anna" / "1.png", faces / "bert" / "1.png"
    for files in ([own, other], [other, own]):
        found = assign(["1.png"], files, [own.parent])
        assert found[own] == "1.png"
        assert faults(found) == {
            other: f"there is no entry for {other}: '1.png' means {own}"
        }
    assert list(faults(assign(["1.png"], [other], [own.parent]))) == [other]
    assert assign(["1.png"], [other], [faces]) == {other: "1.png"}


def test_names_that_two_given_folders_have_mean_none(faces):
    files = [faces / person / "2.png" for person in ("anna", "bert")]
    found = assign(["2.png"], files, [faces, faces / "anna", faces / "bert"])
    assert list(faults(found)) == files


def test_the_name_with_most_folders_counts(faces):
    files = [faces / person / "1.png" for person in ("anna", "bert")]
    names = ["1.png", "anna/1", "faces/anna/1.png", str(files[0]), "bert/2.png"]
    assert not faults(assign(["../x/../faces/anna/1.png"], files[:1], [faces]))
    for count, expected in ((4, str(files[0])), (3, "faces/anna/1.png"), (2, "anna/1")):
        found = assign(names[:count], files, [faces.parent])
        assert found == {files[0]: expected, files[1]: "1.png"}


def test_links_and_missing_files_are_no_other_files(faces):
    link, missing = faces.parent / "link", faces / "bert" / "7.png"
    link.symlink_to(faces)
    for file in (link / "anna" / "1.png", missing):
        tail = f"{file.parent.name}/{file.name}"
        assert assign([tail], [file], [faces]) == {file: tail}
    found = assign(["7.png"], [missing, faces / "anna" / "7.png"], [faces / "anna"])
    assert list(faults(found)) == [missing]


def test_a_name_must_fit_whole_folders(faces):
    file = faces / "anna" / "1.png"
    for name in ("nna/1.png", "faces/1.png", "anna/11.png", "1.jpg", "", ".", "anna"):
        assert list(faults(assign([name], [file], [faces]))) == [file]


def test_many_names_are_assigned_in_seconds():
    files = [Path(f"faces/{i // 50}/{i % 50}.png") for i in range(20_000)]
    names = [f"{i // 50}/{i % 50}.png" for i in range(20_000)]
    start = time.process_time()
    found = assign(names, files, [Path("faces")])
    assert time.process_time() - start < 10  # .3 s without type checks
    assert [found[file] for file in files] == names
