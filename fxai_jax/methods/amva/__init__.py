"""AMVA: how a network's attention varies over faces of good and of bad quality.

Score-CAM gives each face an activation map: where the network's last feature maps lie
that alone lead to nearly the same embedding. On good faces it hardly varies outside the
central face; on bad ones it does, and a face is told bad by its deviation from the
mean map of good ones.

References:
    Fu, Damer: Explainability of the Implications of Supervised and Unsupervised Face
    Image Quality Estimations Through Activation Map Variation Analyses in Face
    Recognition Models, WACVW 2022, arXiv 2112.04827.
    Wang et al.: Score-CAM, CVPRW 2020, arXiv 1910.01279.
"""

from fxai_jax.methods.amva.maps import (
    Activation,
    ChannelScore,
    activation,
    activation_map,
    channel_scores,
)
from fxai_jax.methods.amva.statistics import (
    Difference,
    Spread,
    Variation,
    deviation,
    difference,
    mean_deviation,
    variation,
    variation_from_activations,
)

__all__ = [
    "Activation",
    "ChannelScore",
    "Difference",
    "Spread",
    "Variation",
    "activation",
    "activation_map",
    "channel_scores",
    "deviation",
    "difference",
    "mean_deviation",
    "variation",
    "variation_from_activations",
]
