"""Cards: what a checkpoint folder holds, and where it is found.

The card, ``card.json``, names the network family and its options, so the folder alone
is enough to rebuild the model, and carries what a paper needs to cite: source, licence,
and the sha256 of the arrays.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from fxai_jax.card_limits import (
    MAX_PIXELS,
    MAX_SIZE,
    check_blocks,
    check_convention,
    check_quality,
)
from fxai_jax.writing import write_whole

_PACKAGE = Path(__file__).parent
FORMAT = 1

MAX_CARD_BYTES = 2**20
"""Most bytes of a card that are read."""


@dataclasses.dataclass(frozen=True)
class Card:
    """What a checkpoint is and where it comes from.

    Attributes:
        name: Name to show.
        family: Network family, one of `fxai_jax.backbones.registry.families`.
        options: Keyword arguments of the family, with the input convention.
        image_size: Height and width of the input in pixels.
        embedding_size: d, entries of the embedding.
        alignment: Template of the five landmarks, such as "arcface-112".
        weights_sha256: Digest of names, shapes, dtypes and bytes of all arrays; empty
            before they are written.
        source: Where the weights were published.
        licence: Terms of the weights.
        threshold: Cosine at the equal error rate, None when nobody measured it.
        threshold_measured_on: The pairs it was measured on.
        quality: Calibration of the pixel-level quality, and how it was measured.
        notes: Anything else a user should know.
        format: Version of this layout.
    """

    name: str
    family: str
    options: dict[str, Any]
    image_size: tuple[int, int]
    embedding_size: int
    alignment: str
    weights_sha256: str
    source: dict[str, Any]
    licence: str
    threshold: float | None = None
    threshold_measured_on: str = ""
    quality: dict[str, Any] | None = None
    notes: str = ""
    format: int = FORMAT


def fingerprint(card: Card) -> dict[str, Any]:
    """What the embeddings of a network depend on, ready for JSON.

    Example:
        >>> list(fingerprint(load_card("mobilefacenet")))
        ['weights_sha256', 'options', 'image_size']
    """
    names = ("weights_sha256", "options", "image_size")
    return {name: getattr(card, name) for name in names}


def for_arrays(card: Card, weights_sha256: str) -> Card:
    """The card of a network with these arrays, without what others were measured with.

    Example:
        >>> changed = for_arrays(load_card("mobilefacenet"), "0" * 64)
        >>> changed.threshold, changed.source["changed_from"][:8]
        (None, '141f03e5')
    """
    made = dataclasses.replace(card, weights_sha256=weights_sha256)
    if card.weights_sha256 in ("", weights_sha256):
        return made
    return dataclasses.replace(
        made,
        source=card.source | {"changed_from": card.weights_sha256},
        threshold=None,
        threshold_measured_on="",
        quality=None,
    )


def list_backbones() -> tuple[str, ...]:
    """Names of the networks that ship with the library.

    Returns:
        Names that `load_backbone` accepts.

    Example:
        >>> list_backbones()
        ('mobilefacenet',)
    """
    return tuple(sorted(card.parent.name for card in _shipped().glob("*/card.json")))


def load_card(name_or_path: str | Path) -> Card:
    """Reads the card of a shipped network or of a checkpoint folder.

    Args:
        name_or_path: A name from `list_backbones`, or a folder.

    Returns:
        The card.

    Raises:
        ValueError: If there is no such network, or the card cannot be read.

    Example:
        >>> load_card("mobilefacenet").embedding_size
        192
    """
    path = checkpoint_folder(name_or_path) / "card.json"
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(MAX_CARD_BYTES))
        fields["image_size"] = tuple(fields["image_size"])
        card = Card(**fields)
        _check_types(card)
        _check_sizes(card)
        _check_numbers(card)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is not a card of this library: {error}") from error
    if card.format != FORMAT:
        raise ValueError(
            f"{path} has layout {card.format}, this version reads {FORMAT}; "
            "convert the checkpoint again"
        )
    return card


def _check_types(card: Card) -> None:
    """Refuses fields of another type; a bool is no number here."""
    texts = ("name", "family", "alignment", "weights_sha256", "licence", "notes")
    kinds: dict[str, type | tuple[type, ...]] = {
        **dict.fromkeys((*texts, "threshold_measured_on"), str),
        **dict.fromkeys(("options", "source"), dict),
        **dict.fromkeys(("embedding_size", "format"), int),
        "threshold": (int, float, type(None)),
        "quality": (dict, type(None)),
    }
    for name, kind in kinds.items():
        value = getattr(card, name)
        if isinstance(value, bool) or not isinstance(value, kind):
            raise ValueError(f"{name} is a {type(value).__name__}")
    if [type(size) for size in card.image_size] != [int, int]:
        raise ValueError("image_size is not a height and a width")


def _check_sizes(card: Card) -> None:
    """Refuses what no network has, before one is built of it."""
    if not all(0 < size <= MAX_PIXELS for size in card.image_size):
        raise ValueError(f"its images have {card.image_size} pixels")
    if not 0 < card.embedding_size <= MAX_SIZE:
        raise ValueError(f"its embedding has {card.embedding_size} entries")
    check_blocks(card.options)


def _check_numbers(card: Card) -> None:
    """Refuses constants that no network has, which would give wrong results."""
    check_convention(card.options)
    if card.threshold is not None:
        check_threshold(card.threshold)
    if card.quality is not None:
        check_quality(card.quality)


def check_threshold(threshold: float) -> float:
    """Refuses a threshold that is no cosine."""
    if not -1 <= threshold <= 1:
        raise ValueError(f"a threshold is a cosine in [-1, 1], got {threshold}")
    return threshold


def threshold_of(card: Card, threshold: float | None) -> float:
    """The threshold that was given, or the network's own.

    Example:
        >>> threshold_of(load_card("mobilefacenet"), None)
        0.45
    """
    chosen = card.threshold if threshold is None else threshold
    if chosen is None:
        raise ValueError(
            f"nobody measured a threshold for {card.name}: give --threshold, or "
            "measure it on labelled pairs with fxai-jax calibrate --pairs"
        )
    return check_threshold(chosen)


def write_card(folder: str | Path, card: Card) -> None:
    """Writes the card of a checkpoint folder.

    Args:
        folder: The folder.
        card: Its card, with the digest of the arrays that are there.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_card(folder, load_card("mobilefacenet"))
        ...     load_card(folder).threshold
        0.45
    """
    text = json.dumps(dataclasses.asdict(card), indent=2, ensure_ascii=False)
    write_whole(Path(folder) / "card.json", f"{text}\n".encode())


def checkpoint_folder(name_or_path: str | Path) -> Path:
    """The folder of a shipped network's name or of a path.

    Example:
        >>> checkpoint_folder("mobilefacenet").name
        'mobilefacenet'
    """
    if str(name_or_path) in list_backbones():
        return _shipped() / str(name_or_path)
    folder = Path(name_or_path).absolute()
    if not folder.is_dir():
        raise ValueError(
            f"no network {str(name_or_path)!r}: it is neither a shipped one "
            f"({', '.join(list_backbones())}) nor a checkpoint folder, nor code of the "
            "form module:name"
        )
    if not (folder / "card.json").is_file():
        raise ValueError(
            f"{folder} has no card.json, so it is not a checkpoint of this library; "
            "convert a PyTorch checkpoint with fxai-convert"
        )
    return folder


def _shipped() -> Path:
    inside = _PACKAGE / "weights"
    return inside if inside.is_dir() else _PACKAGE.parent / "weights"
