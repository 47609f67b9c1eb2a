import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fxai_jax import writing
from fxai_jax.runs.manifest import write_result
from fxai_jax.writing import local_folder, naming, new_folder, write_whole, written


def never(_):
    return False


def always(_):
    return True


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def earlier(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "old").write_text("old")
    return folder


def replace(folder, stop=None):
    with new_folder(folder, always) as made:
        (made / "new").write_text("new")
        if stop:
            raise stop


def refused(folder, **options):
    with new_folder(folder, never, **options):
        pytest.fail("it was entered")


def test_a_folder_appears_once_it_is_whole(tmp_path):
    with new_folder(tmp_path / "a" / "net", never, nbytes=1000) as made:
        (made / "text").write_text("new")
        assert not (tmp_path / "a" / "net").exists()
    assert everything(tmp_path) == ["a", "a/net", "a/net/text"]


@pytest.mark.parametrize("name", ["mine.txt", ".hidden", "arrays/notes", "card.json"])
def test_what_a_user_keeps_is_never_lost(tmp_path, name):
    folder = tmp_path / "net"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("mine")
    with pytest.raises(ValueError, match=r"net holds files that would be lost"):
        refused(folder)
    with pytest.raises(ValueError, match="is a file: name a folder"):
        refused(folder / name)
    assert (folder / name).read_text() == "mine"


def test_an_earlier_folder_is_replaced_as_a_whole(tmp_path, earlier):
    replace(earlier)
    assert everything(tmp_path) == ["net", "net/new"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, ""), ValueError()])
def test_what_is_stopped_leaves_what_was_there(tmp_path, earlier, stop):
    with pytest.raises(type(stop)):
        replace(earlier, stop)
    assert everything(tmp_path) == ["net", "net/old"]


def test_a_folder_that_cannot_be_moved_is_put_back(tmp_path, earlier, monkeypatch):
    rename = Path.rename

    def refuse(self, target):
        if (self / "new").exists():
            raise OSError(errno.EXDEV, "no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="link"):
        replace(earlier)
    assert everything(tmp_path) == ["net", "net/old"]


@pytest.mark.parametrize("name", ["", ".", "gs://bucket/net", "s3://a", "hdfs:/a/b"])
def test_a_place_that_is_none_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"name what is to be made|only local"):
        write_whole(Path(name), b"")
    with pytest.raises(ValueError, match=r"name what is to be made|only local"):
        refused(Path(name))
    assert everything(tmp_path) == []


def test_a_full_disk_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(writing.os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/net'"):
        refused(tmp_path / "net", nbytes=1)
    assert everything(tmp_path) == []


def test_a_file_is_replaced_once_it_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ValueError, match="is a folder"):
        write_whole(tmp_path, b"new")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'"):
        write_whole(path, b"new")
    assert path.read_text() == "old"
    assert everything(tmp_path) == ["file"]
    monkeypatch.undo()
    write_whole(path, b"ne", b"w")
    assert path.read_text() == "new"


@pytest.fixture
def small_files():
    """No file may be longer than 2000 bytes, as if the disk were full."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.usefixtures("small_files")
def test_a_result_that_finds_no_room_keeps_what_was_there(tmp_path):
    (tmp_path / "maps.npz").write_text("an earlier result")
    with pytest.raises(OSError, match=r"maps\.npz") as caught:
        write_result(tmp_path / "maps", {"map": np.zeros(1000)}, {"created": "now"})
    assert caught.value.errno == errno.EFBIG
    assert everything(tmp_path) == ["maps.npz"]
    assert (tmp_path / "maps.npz").read_text() == "an earlier result"


def test_a_file_that_is_interrupted_leaves_nothing(tmp_path):
    def interrupted():
        with written(tmp_path / "a.csv") as made:
            made.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert everything(tmp_path) == []


def test_a_file_is_written_beside_and_keeps_its_suffix(tmp_path):
    path = tmp_path / "a.tar.npz"
    for text in ("first", "second"):
        with written(path) as made:
            made.write_text(text)
            assert made.suffix == ".npz"
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    assert everything(tmp_path) == ["a.tar.npz"]


def test_an_error_of_the_system_gets_the_wanted_path(tmp_path):
    with pytest.raises(OSError, match="left") as caught, naming(tmp_path / "b"):
        raise OSError(errno.ENOSPC, "full", "beside")
    assert caught.value.filename == str(tmp_path / "b")
    with pytest.raises(OSError, match=r"^truncated image$"), naming(tmp_path / "b"):
        raise OSError("truncated image")


@pytest.mark.parametrize("folder", ["gs://b/run", "s3://b", "gs:/b/run", "https://x"])
def test_addresses_are_no_folders(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"--out '{folder}' is an address"):
        local_folder(folder, "--out")
    assert everything(tmp_path) == []


def test_a_folder_for_results_is_made_or_the_reason_said(tmp_path):
    deep = tmp_path / "gs:" / "a: b"
    assert local_folder(deep) == deep
    assert local_folder(str(deep)).is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file/x cannot be made a folder: Not a dir"):
        local_folder(tmp_path / "file" / "x")


LIMITED = """
import resource, sys
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone, save_backbone
network = load_backbone("mobilefacenet"), load_card("mobilefacenet")
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
try:
    save_backbone(sys.argv[1], *network)
except OSError as error:
    print("refused:", error)
"""


def test_a_checkpoint_that_finds_no_room_is_one_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "net")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("refused: ")
    assert f"'{tmp_path}/net'" in done.stdout
    assert "Traceback" not in done.stderr
    assert everything(tmp_path) == []
