import os

import pytest

from fxai_jax.data.finding import find_images


@pytest.fixture
def folder(tmp_path):
    deep = tmp_path / "faces" / "deep"
    deep.mkdir(parents=True)
    for i in range(11):
        (deep / f"{i:02}.png").touch()
    return tmp_path / "faces"


def test_images_are_found_in_folders_once_and_in_order(folder):
    paths = find_images([folder, folder / "deep" / "03.png"]).paths
    assert [path.name for path in paths] == [f"{i:02}.png" for i in range(11)]
    first = find_images([folder / "deep" / "03.png", folder]).paths
    assert [path.name for path in first][:2] == ["03.png", "00.png"]
    (folder / "notes.txt").write_text("x")
    (folder / ".DS_Store").touch()
    found = find_images([folder])
    assert (found.paths, found.notices()) == (paths, [])
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_images([folder / "nowhere"])
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=rf"no images \(\.bmp.* in {empty}$"):
        find_images([empty])
    with pytest.raises(ValueError, match="images or folders of them, got none"):
        find_images([])


def names(found, folder):
    return [str(path.relative_to(folder)) for path in found.paths]


def test_links_to_folders_are_followed_once(folder, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / "new.png").touch()
    (store / "back").symlink_to(folder)
    (folder / "a_link").symlink_to(folder / "deep")
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "to_store").symlink_to(store)
    (folder / "loop").symlink_to("loop")
    found = find_images([folder])
    expected = [f"deep/{i:02}.png" for i in range(11)]
    assert names(found, folder) == [*expected, "to_store/new.png"]
    assert found.notices() == [
        "found 12 images; left out: 3 links to folders that are there already"
    ]
    again = find_images([folder / "a_link", folder])
    assert names(again, folder)[:11] == [f"a_link/{i:02}.png" for i in range(11)]
    assert len(again.paths) == 12


def test_hidden_files_and_folders_are_left_out(folder):
    hidden = folder / ".ipynb_checkpoints"
    hidden.mkdir()
    (hidden / "00-checkpoint.png").touch()
    for name in ("._00.png", ".DS_Store", "00.PNG.txt"):
        (folder / "deep" / name).touch()
    found = find_images([folder])
    assert names(found, folder) == [f"deep/{i:02}.png" for i in range(11)]
    assert found.notices() == ["found 11 images; left out: 2 hidden files and folders"]
    assert find_images([folder / "deep" / "01.png"]).notices() == []
    given = find_images([hidden, folder / "deep" / "._00.png"])
    assert (len(given.paths), given.notices()) == (2, [])
    for path in (folder / "deep").glob("[0-9]*"):
        path.unlink()
    with pytest.raises(ValueError, match="; left out: 2 hidden files and folders"):
        find_images([folder])


def test_a_folder_that_cannot_be_read_costs_itself(folder, monkeypatch):
    (folder / "locked").mkdir()
    scandir = os.scandir

    def refused(path):
        if path == folder / "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    found = find_images([folder])
    assert len(found.paths) == 11
    assert found.notices() == [
        "found 11 images; left out: 1 folders that cannot be read"
    ]
