"""An image that is deleted or inserted pixel by pixel, in one call."""

from fxai_jax.metrics.faithfulness import filling, transition
from fxai_jax.numerics import pixel_ranks


def perturbed_embeddings(
    embed,
    key,
    image,
    saliency,
    *,
    mode="deletion",
    fill="black",
    steps=10,
    chunk_size=None,
):
    """At step k the ``floor(k h w / steps)`` highest pixels of the map show the filling
    and the others the image ("deletion"), or the other way round ("insertion")."""
    filled = filling(image, fill=fill)
    ends = {"deletion": (image, filled), "insertion": (filled, image)}[mode]
    ranks = pixel_ranks(key, saliency)
    return transition(embed, ranks, *ends, steps=steps, chunk_size=chunk_size)
