"""The command ``fxai-jax``. Each command is a function; its signature is the help."""

from collections.abc import Sequence

from fxai_jax.command_line import Command, Commands, run

COMMANDS: Commands = {
    "demo": Command(
        "fxai_jax.cli.demo:demo",
        "Explain the sample faces with the network that ships, by all four methods.",
    ),
    "explain": {
        "fggb": Command(
            "fxai_jax.cli.explain.fggb:explain_fggb",
            "Show which pixels make two faces match, and which make them differ "
            "(FGGB).",
        ),
        "plq": Command(
            "fxai_jax.cli.explain.plq:explain_plq",
            "Show which pixels of a face are good enough for recognition (PLQ).",
        ),
        "amva": Command(
            "fxai_jax.cli.explain.amva:explain_amva",
            "Show where a network looks, and how that varies with image quality "
            "(AMVA).",
        ),
        "frequency": Command(
            "fxai_jax.cli.explain.frequency:explain_frequency",
            "Show which spatial frequencies carry the decision on a pair.",
        ),
    },
    "evaluate": {
        "faithfulness": Command(
            "fxai_jax.cli.evaluate:faithfulness",
            "Delete and insert the pixels that explainers mark, and watch the cosine.",
        ),
        "frequency": Command(
            "fxai_jax.cli.evaluate:frequency",
            "Remove the bands that the influence marks, and watch cosines and error "
            "rates.",
        ),
        "localisation": Command(
            "fxai_jax.cli.evaluate:localisation",
            "Paste patches of another face into probes, and look whether maps find "
            "them.",
        ),
        "quality": Command(
            "fxai_jax.cli.evaluate:quality",
            "Discard pairs by image quality, delete pixels by pixel quality, count "
            "errors.",
        ),
        "sanity": Command(
            "fxai_jax.cli.evaluate:sanity",
            "Randomise the network's layers from the top, and see whether maps change.",
        ),
        "verification": Command(
            "fxai_jax.cli.evaluate:verification",
            "Measure how well a network verifies: error rates, accuracy, ROC.",
        ),
    },
    "quality": Command(
        "fxai_jax.cli.quality:quality",
        "Rank faces by quality, lowest first (SER-FIQ).",
    ),
    "pairs": Command(
        "fxai_jax.cli.pairs:pairs",
        "Look into a list of labelled pairs: counts, image sizes, groups, examples.",
    ),
    "calibrate": Command(
        "fxai_jax.cli.calibrate:calibrate",
        "Measure a network's constants on your own faces and write them into its card.",
    ),
    "backbones": Command(
        "fxai_jax.cli.backbones:backbones",
        "List the networks that ship, and the families that a checkpoint may be of.",
    ),
}
"""Every command by its name, where it lives and its line in the overview. A command is
imported when it is called, so that help comes at once."""


def main(args: Sequence[str] | None = None) -> None:
    """Runs ``fxai-jax`` with arguments, or with those of the process."""
    run(COMMANDS, "fxai-jax", args)
