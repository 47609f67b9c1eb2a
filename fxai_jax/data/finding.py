"""The image files of folders, and what is left out of them."""

import os
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fxai_jax.data.images import SUFFIXES

HIDDEN = "hidden files and folders"
LINKS = "links to folders that are there already"
LOCKED = "folders that cannot be read"


class Found(NamedTuple):
    """Image files, and how much was left out, by its kind."""

    paths: list[Path]
    left_out: Counter[str]

    def notices(self) -> list[str]:
        """What a reader of the results should be told."""
        kinds = _kinds(self.left_out)
        return [f"found {len(self.paths)} images{kinds}"] if kinds else []


def find_images(given: Sequence[Path]) -> Found:
    """The image files among files and, at any depth, in folders, each once.

    Links to folders are followed, and every folder is entered once. Images whose own
    names or whose folders' names start with a dot are left out, if they are not given
    themselves.

    Args:
        given: Files and folders.

    Returns:
        The images in the order given, those of a folder sorted; what was left out.

    Raises:
        FileNotFoundError: If one of those given is missing.
        ValueError: If there is no image.

    Example:
        >>> from fxai_jax.data.samples import sample_path
        >>> len(find_images([sample_path("a_1").parent]).paths)
        6
    """
    if not given:
        raise ValueError("expected images or folders of them, got none: name some")
    found: dict[Path, None] = {}
    left_out: Counter[str] = Counter()
    entered: set[tuple[int, int]] = set()
    for path in given:
        if path.is_dir():
            found |= dict.fromkeys(sorted(_inside(path, entered, left_out)))
        elif path.exists():
            found[path] = None
        else:
            raise FileNotFoundError(f"{path}: there is no such file or folder")
    if not found:
        names = ", ".join(str(path) for path in given[:5])
        kinds = _kinds(left_out)
        raise ValueError(f"no images ({', '.join(SUFFIXES)}) in {names}{kinds}")
    return Found(list(found), left_out)


def _kinds(left_out: Counter[str]) -> str:
    kinds = [f"{count} {kind}" for kind, count in left_out.items() if count]
    return f"; left out: {', '.join(kinds)}" if kinds else ""


def _inside(
    root: Path, entered: set[tuple[int, int]], left_out: Counter[str]
) -> list[Path]:
    images: list[Path] = []
    folders, links = deque([root]), deque()
    while folders or links:  # links come last: what lies in a folder is named by it
        is_link = not folders
        folder = links.popleft() if is_link else folders.popleft()
        try:
            identity = os.stat(folder)
            if (identity.st_dev, identity.st_ino) in entered:
                left_out[LINKS] += is_link
                continue
            entries = list(os.scandir(folder))
        except OSError:
            left_out[LOCKED] += 1
            continue
        entered.add((identity.st_dev, identity.st_ino))
        for entry in sorted(entries, key=lambda entry: entry.name):
            is_folder = os.path.isdir(entry.path)
            is_image = os.path.splitext(entry.name)[1].lower() in SUFFIXES
            if entry.name.startswith("."):
                left_out[HIDDEN] += is_folder or is_image
            elif is_folder:
                (links if entry.is_symlink() else folders).append(folder / entry.name)
            elif is_image:
                images.append(folder / entry.name)
    return images
