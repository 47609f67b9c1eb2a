"""``fxai-jax explain amva``: attention of one face, and its variation over a set."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console
from rich.table import Table

from fxai_jax import visualize
from fxai_jax.array_types import Saliency, Score
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.cli.sets import Files, run_set
from fxai_jax.cli.shared import DEFAULT, OUT, read_face
from fxai_jax.data.images import Pixels
from fxai_jax.methods import amva
from fxai_jax.metrics import attention
from fxai_jax.runners import faces
from fxai_jax.runners.journal import Record
from fxai_jax.runners.results import flat, make_manifest, write_result
from fxai_jax.runners.streaming import find_images

SMALLEST_SET = 4  # two images in each group


def explain_amva(
    images: Files,
    *,
    backbone: str = DEFAULT,
    fraction: float = 0.1,
    passes: int = 100,
    seed: int = 0,
    batch_size: int = 4,
    landmarks: Path | None = None,
    out: Path = OUT,
) -> None:
    """Show where a network looks, and how that varies with image quality (AMVA).

    Up to three images give their activation maps. More are ranked by SER-FIQ quality,
    and the best and the worst are compared: means, variation, differences, and the
    deviation of the worst image from the mean of the good ones. A run that was cut off
    goes on where it stopped.

    Args:
        images: Aligned faces or folders of them, or photographs with --landmarks.
        backbone: Name of a shipped network, or a checkpoint folder.
        fraction: Share of the images in each group; at least two images are taken.
        passes: Stochastic passes of the quality.
        seed: Start of the random numbers.
        batch_size: Images alive together; each takes 220 MB with the one that ships.
        landmarks: JSON file, five points (x, y) an image: eyes, nose, mouth corners.
        out: Folder for the results.
    """
    paths = find_images(images)
    card, model = load_card(backbone), load_backbone(backbone)
    function = partial(
        faces.attention_record, passes=passes, baseline=faces.model_baseline(model)
    )
    options = {"method": "amva", "passes": passes, "seed": seed}
    options |= {"landmarks": landmarks and str(landmarks)}
    records = run_set(
        function,
        model,
        card,
        paths,
        options,
        landmarks=landmarks,
        batch_size=min(batch_size, len(paths)),
        journal=out / "amva.journal",
    )
    if len(records) < SMALLEST_SET:
        for record in records:
            _write_attention(record, landmarks, card, options, out)
        return
    options |= {"fraction": min(max(fraction, 2 / len(records)), 0.5)}
    _write_groups(records, landmarks, card, options, out)


def _write_attention(
    record: Record,
    landmarks: Path | None,
    card: Card,
    options: Mapping[str, Any],
    out: Path,
) -> None:
    path = Path(record.name)
    face = read_face(path, landmarks, card)
    activation = jnp.asarray(record.values["activation"])
    attention_map = np.asarray(amva.activation_map(activation, card.image_size))
    stem = out / f"amva_{path.stem}"
    arrays = {**record.values, "map": attention_map}
    write_result(stem, arrays, make_manifest(card, {"image": path}, options))
    figure = visualize.attention_figure(face, attention_map, name=path.stem)
    figure.savefig(f"{stem}.png", dpi=150)
    print(f"wrote {stem}.png, .npz and .json")


def _write_groups(
    records: Sequence[Record],
    landmarks: Path | None,
    card: Card,
    options: Mapping[str, Any],
    out: Path,
) -> None:
    qualities = jnp.stack([record.values["quality"] for record in records])
    activations = jnp.stack([record.values["activation"] for record in records])
    groups = attention.quality_groups(
        qualities, higher_is_better=True, fraction=options["fraction"]
    )
    paths = [Path(record.name) for record in records]
    worst = paths[int(groups.low[0])]
    write_variation(
        out / "amva",
        activations[groups.high],
        activations[groups.low],
        (read_face(worst, landmarks, card), activations[groups.low[0]]),
        card,
        {str(i): path for i, path in enumerate(paths)},
        {**options, "worst": str(worst)},
    )


def write_variation(
    stem: Path,
    high: Float[Array, "n i j"],
    low: Float[Array, "m i j"],
    example: tuple[Pixels, Float[Array, "i j"]],
    card: Card,
    inputs: Mapping[str, Path],
    options: Mapping[str, Any],
) -> None:
    """Writes how the attention of two groups varies: figure, statistics, manifest.

    Args:
        stem: Target without suffix.
        high: Activations of the good faces.
        low: Activations of the bad faces.
        example: One face and its activation, to show its deviation.
        card: Card of the network.
        inputs: Files by their role.
        options: Options of the run.
    """
    good, bad = (
        amva.variation_from_activations(group, card.image_size, rows=16)
        for group in (high, low)
    )
    difference = amva.difference(good, bad)
    face, activation = example
    deviation = amva.deviation(
        amva.activation_map(activation, card.image_size), good.mean
    )
    arrays = flat("high", good) | flat("low", bad) | flat("difference", difference)
    arrays["deviation"] = np.asarray(deviation)
    arrays |= {"high_activations": np.asarray(high), "low_activations": np.asarray(low)}
    write_result(stem, arrays, make_manifest(card, inputs, options))
    figure = visualize.variation_figure(
        *jax.device_get((good, bad, difference)),
        example=(face, np.asarray(deviation)),
        counts=(len(high), len(low)),
    )
    figure.savefig(f"{stem}.png", dpi=150)
    Console().print(_scalars(good, bad, high, low, card))
    print(f"wrote {stem}.png, .npz and .json")


def _scalars(
    good: amva.Variation,
    bad: amva.Variation,
    high: Float[Array, "n i j"],
    low: Float[Array, "m i j"],
    card: Card,
) -> Table:
    ellipse = attention.face_ellipse(card.image_size)
    far = [_deviations(group, good.mean, card.image_size) for group in (high, low)]
    table = Table("group", "images", "std in the face", "std outside", "deviation")
    for name, group, distances in zip(("high", "low"), (good, bad), far, strict=True):
        inside, outside = attention.mean_inside_outside(group.std, ellipse)
        means = (inside, outside, jnp.mean(distances))
        table.add_row(name, str(len(distances)), *(f"{float(m):.4f}" for m in means))
    distance = float(attention.wasserstein(good.std, bad.std))
    table.caption = (
        f"Wasserstein distance of the std maps {distance:.4f}, "
        f"AUROC of the deviation {float(attention.auroc(far[1], far[0])):.3f}"
    )
    return table


def _deviations(
    activations: Float[Array, "n i j"], mean: Saliency, size: tuple[int, int]
) -> Float[Array, " n"]:
    def one(activation: Float[Array, "i j"]) -> Score:
        return amva.mean_deviation(amva.activation_map(activation, size), mean)

    return jax.vmap(one)(activations)
