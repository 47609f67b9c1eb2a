"""``fxai-jax backbones``: the networks that ship, and the families there are."""

from rich.console import Console
from rich.table import Column, Table

from fxai_jax.backbones.registry import families
from fxai_jax.cards import list_backbones, load_card
from fxai_jax.cli.options import plain


def backbones() -> None:
    """List the networks that ship, and the families that a checkpoint may be of."""
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
    listed = Table("family of a card", "from")
    for name, origin in families().items():
        listed.add_row(plain(name), plain(origin))
    Console().print(listed)
