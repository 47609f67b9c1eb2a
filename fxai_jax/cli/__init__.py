"""The command ``fxai-jax``. Each command is a function; its signature is the help."""

from collections.abc import Sequence

from fxai_jax.cli.attention_maps import explain_amva
from fxai_jax.cli.backbones import backbones
from fxai_jax.cli.calibrate import calibrate
from fxai_jax.cli.demo import demo
from fxai_jax.cli.evaluate import EVALUATIONS
from fxai_jax.cli.pair_maps import explain_fggb, explain_frequency
from fxai_jax.cli.pairs import pairs
from fxai_jax.cli.quality import quality
from fxai_jax.cli.quality_maps import explain_plq
from fxai_jax.command_line import Commands, run

COMMANDS: Commands = {
    "demo": demo,
    "explain": {
        "fggb": explain_fggb,
        "plq": explain_plq,
        "amva": explain_amva,
        "frequency": explain_frequency,
    },
    "evaluate": EVALUATIONS,
    "quality": quality,
    "pairs": pairs,
    "calibrate": calibrate,
    "backbones": backbones,
}


def main(args: Sequence[str] | None = None) -> None:
    """Runs ``fxai-jax``.

    Args:
        args: Arguments without the program's name; None takes those of the process.
    """
    run(COMMANDS, "fxai-jax", args)
