"""``fxai-jax backbones``: the networks that ship."""

from rich.console import Console
from rich.table import Column, Table

from fxai_jax.cards import list_backbones, load_card


def backbones() -> None:
    """List the networks that ship, with their input, threshold and licence."""
    table = Table(
        Column("name", no_wrap=True), "network", "input", "d", "threshold", "licence"
    )
    for name in list_backbones():
        card = load_card(name)
        height, width = card.image_size
        table.add_row(
            name,
            card.name,
            f"{height}x{width} {card.alignment}",
            str(card.embedding_size),
            f"{card.threshold}",
            card.licence,
        )
    Console().print(table)
