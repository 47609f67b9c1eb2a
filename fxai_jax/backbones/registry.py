"""The network families by the name a checkpoint's card uses."""

from collections.abc import Mapping
from typing import Any

from flax import nnx

from fxai_jax.backbones.inception_resnet import InceptionResnetV1
from fxai_jax.backbones.iresnet import IResNet
from fxai_jax.backbones.mobilefacenet import MobileFaceNet
from fxai_jax.backbones.serialising import serialisable
from fxai_jax.backbones.vit import VisionTransformer

FAMILIES: dict[str, type[nnx.Module]] = {
    "inception_resnet_v1": InceptionResnetV1,
    "iresnet": IResNet,
    "mobilefacenet": MobileFaceNet,
    "vit": VisionTransformer,
}


def build(family: str, options: Mapping[str, Any]) -> nnx.Module:
    """Makes a network without trained values.

    Args:
        family: One of `FAMILIES`.
        options: Keyword arguments of the family's class.

    Returns:
        The module; under `flax.nnx.eval_shape` it costs no memory.

    Raises:
        ValueError: If the family or one of the options is unknown.

    Example:
        >>> type(build("mobilefacenet", {"embedding_size": 192})).__name__
        'MobileFaceNet'
    """
    if family not in FAMILIES:
        raise ValueError(
            f"unknown network family {family!r}; this version knows {sorted(FAMILIES)}"
        )
    try:
        return serialisable(FAMILIES[family](**options))
    except TypeError as error:
        raise ValueError(f"the options of {family!r} do not fit: {error}") from error
