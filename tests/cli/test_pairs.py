import io
import os
import pickle
import shutil

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fxai_jax import visualize
from fxai_jax.data.samples import sample_names, sample_path
from tests.cli.commands import fails, run


def rows(printed):
    """The cells of the printed table, line by line."""
    lines = [line for line in printed.splitlines() if line.startswith("│")]
    return [
        tuple(cell.strip() for cell in line.strip("│").split("│")) for line in lines
    ]


@pytest.fixture
def folder(tmp_path):
    for name in sample_names():
        shutil.copy(sample_path(name), tmp_path)
    return tmp_path


def listed(folder, pairs, header="probe,gallery,genuine"):
    path = folder / "list.csv"
    path.write_text("\n".join([header, *pairs]) + "\n")
    return path


def test_the_sample_pairs_need_no_file(tmp_path, capsys):
    run("pairs", "--out", tmp_path / "new")
    streams = capsys.readouterr()
    assert rows(streams.out) == [
        ("pairs", "30", ""),
        ("genuine", "12", ""),
        ("impostor", "18", ""),
        ("distinct images", "6", ""),
        ("images of size", "6", "112 x 112"),
        ("unreadable images", "0", ""),
        ("crop", "20", "whole"),
        ("crop", "10", "partial"),
    ]
    (note,) = streams.err.strip().splitlines()
    assert note.startswith("note: 15 of 30 pairs repeat an earlier one, 15 of them")
    assert "pairs.png" in streams.out
    with Image.open(tmp_path / "new" / "pairs.png") as sheet:
        assert sheet.size[0] == 1680


def test_a_figure_has_the_format_and_the_dpi_that_were_asked_for(tmp_path, capsys):
    run("pairs", "--show", "1", "--format", "svg", "--dpi", "30", "--out", tmp_path)
    assert "pairs.svg" in capsys.readouterr().out
    assert ">genuine</text>" in (tmp_path / "pairs.svg").read_text("utf-8")
    run("pairs", "--show", "4", "--dpi", "30", "--out", tmp_path)
    with Image.open(tmp_path / "pairs.png") as sheet:
        assert sheet.size[0] == 4 * 2.8 * 30
    capsys.readouterr()
    for wrong in ("19", "99999", "many"):
        assert "dpi" in fails(capsys, "pairs", "--dpi", wrong, "--out", tmp_path)
    assert "png" in fails(capsys, "pairs", "--format", "gif", "--out", tmp_path)


def test_bad_images_and_other_sizes_are_counted(folder, capsys):
    for i in range(7):
        (folder / f"bad_{i}.png").write_bytes(b"not an image")
    Image.new("RGB", (30, 40)).save(folder / "small.png")
    lines = [f"bad_{i}.png,a_1.png,0" for i in range(7)]
    path = listed(folder, [*lines, "small.png,a_2.png,1"])
    run("pairs", path, "--out", folder, "--show", "8")
    streams = capsys.readouterr()
    found = rows(streams.out)
    assert ("images of size", "2", "112 x 112") in found
    assert ("images of size", "1", "40 x 30") in found
    assert ("unreadable images", "7", "") in found
    for i in range(7):
        named = f"note: {folder / f'bad_{i}.png'}: this is not an image" in streams.err
        assert named == (i < 5)
    assert "and 2 more images are unreadable" in streams.err
    assert "1 of 3 images are not 112 x 112" in streams.err
    run("pairs", path, "--out", folder, "--size", "40")
    assert "3 of 3 images are not 40 x 40" in capsys.readouterr().err


def test_groups_are_counted_up_to_ten_values(folder, capsys):
    header = "probe,gallery,genuine,[red]light,id"
    lines = [f"a_1.png,b_1.png,0,[/x]\x1b[31m,{i // 2}" for i in range(25)]
    run("pairs", listed(folder, lines, header), "--out", folder)
    streams = capsys.readouterr()
    assert "note: 24 of 25 pairs repeat an earlier one: they" in streams.err
    assert "note: all 25 pairs are impostor: error rates need genuine" in streams.err
    found = rows(streams.out)
    assert ("[red]light", "25", r"[/x]\x1b[31m") in found
    assert [row for row in found if row[0] == "id"] == [
        ("id", "2", str(i)) for i in range(10)
    ]
    assert ("", "", "and 3 more values") in found


def test_a_packed_benchmark_is_shown_and_not_run(folder, tmp_path, capsys):
    images = []
    for name in ("a_1", "a_2", "a_1", "c_1"):
        stream = io.BytesIO()
        Image.open(sample_path(name)).save(stream, "JPEG")
        images.append(stream.getvalue())
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((images, [True, False]), 2))
    run("pairs", path, "--out", tmp_path)
    assert ("distinct images", "3", "") in rows(capsys.readouterr().out)

    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path.write_bytes(pickle.dumps((images, [True, Payload()]), 2))
    assert "Nothing of it was executed" in fails(capsys, "pairs", path)
    assert not (tmp_path / "ran").exists()


def test_the_sheet_shows_both_kinds_and_follows_the_seed(folder, monkeypatch):
    lines = ["a_1.png,a_2.png,1", "a_1.png,a_3.png,1"]
    lines += [f"b_1.png,{name}.png,0" for name in ("a_1", "a_2", "c_1")] * 6
    path, shown = listed(folder, lines), []

    def watched(pairs):
        shown.append(pairs)
        return Figure()

    monkeypatch.setattr(visualize, "pair_sheet", watched)
    for count, genuine in ((1, 1), (2, 1), (3, 2), (9, 2), (200, 2)):
        run("pairs", path, "--show", count, "--out", folder)
        assert shown[-1].genuine.size == min(count, 20)
        assert shown[-1].genuine.sum() == genuine
    chosen = []
    for seed in (0, 1, 0):
        run("pairs", path, "--show", "9", "--seed", seed, "--out", folder)
        chosen.append(np.concatenate([shown[-1].probe, shown[-1].gallery]).tolist())
    assert chosen[0] == chosen[2]
    assert chosen[0] != chosen[1]
    run("pairs", listed(folder, lines[:2]), "--show", "9", "--out", folder)
    assert shown[-1].genuine.tolist() == [True, True]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("{list}", "--root", "{folder}/no"), "2 of 2 images are missing"),
        (("{list}", "--show", "0"), "--show takes 1 to 200 pairs, got 0"),
        (("{list}", "--show", "201"), "got 201"),
        (("{list}", "--seed", "-1"), "a seed is at least 0"),
        (("{folder}/no.csv",), "no such file"),
        (("{folder}/a_1.png",), "found a zero byte"),
    ],
)
def test_a_mistake_is_one_line(folder, capsys, args, message):
    path = listed(folder, ["a_1.png,b_1.png,0"])
    names = {"list": path, "folder": folder}
    error = fails(capsys, "pairs", *(arg.format(**names) for arg in args))
    assert message in error


def test_images_may_lie_in_another_folder(folder, tmp_path, capsys):
    lists = tmp_path / "lists"
    lists.mkdir()
    path = listed(lists, ["a_1.png,b_1.png,0"])
    run("pairs", path, "--root", folder, "--out", tmp_path)
    assert ("pairs", "1", "") in rows(capsys.readouterr().out)
