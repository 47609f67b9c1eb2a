import errno
import os
import resource
import signal

import numpy as np
import pytest

from fxai_jax.runs.files import local_folder, named, written
from fxai_jax.runs.manifest import write_result

MANIFEST = {"created": "now"}


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
def test_a_full_disk_is_named_and_keeps_what_was_there(tmp_path):
    (tmp_path / "maps.npz").write_text("an earlier result")
    with pytest.raises(OSError, match=r"maps\.npz") as caught:
        write_result(tmp_path / "maps", {"map": np.zeros(1000)}, MANIFEST)
    assert caught.value.errno == errno.EFBIG
    assert os.listdir(tmp_path) == ["maps.npz"]
    assert (tmp_path / "maps.npz").read_text() == "an earlier result"


def test_what_was_interrupted_leaves_nothing(tmp_path):
    def interrupted():
        with written(tmp_path / "a.csv") as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_what_is_whole_takes_the_place_of_the_earlier(tmp_path):
    path = tmp_path / "a.csv"
    for text in ("first", "second"):
        with written(path) as beside:
            beside.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    assert os.listdir(tmp_path) == ["a.csv"]


def test_an_error_of_the_system_gets_the_wanted_path(tmp_path):
    with pytest.raises(OSError, match="full") as caught, named(tmp_path / "b"):
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.filename == str(tmp_path / "b")
    with pytest.raises(OSError, match=r"^truncated image$"), named(tmp_path / "b"):
        raise OSError("truncated image")


@pytest.mark.parametrize("folder", ["gs://b/run", "s3://b", "gs:/b/run", "https://x"])
def test_addresses_are_no_folders(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"--out {folder} is an address"):
        local_folder(folder, "--out")
    assert os.listdir(tmp_path) == []


def test_a_folder_is_made_or_the_reason_said(tmp_path):
    deep = tmp_path / "gs:" / "a: b"
    assert local_folder(deep) == deep
    assert local_folder(str(deep)).is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file/x cannot be made a folder: Not a dir"):
        local_folder(tmp_path / "file" / "x")
