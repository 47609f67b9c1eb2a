"""One function over the pairs of a list: batches, devices, progress, resume."""

from collections.abc import Callable
from typing import Any

from fxai_jax.array_types import PRNGKey
from fxai_jax.data.images import Pixels
from fxai_jax.data.pair_sets import PairSet
from fxai_jax.runners.journal import Record
from fxai_jax.runners.streaming import run_examples


def run_pairs(
    function: Callable[[Any, PRNGKey, Any, Any], dict[str, Any]],
    model: Any,
    key: PRNGKey,
    pairs: PairSet,
    **options: Any,
) -> list[Record]:
    """Applies a function of two images to many pairs, on all devices.

    An image is decoded for each of its pairs; one that cannot be read is the error of
    all of them, and named there.

    Args:
        function: Function of model, key, probe and gallery that returns a dict of
            arrays.
        model: Its first argument, a pytree: the network.
        key: Key of the run; each pair gets `image_key` of it and both images.
        pairs: Pairs of images of one size.
        options: Those of `fxai_jax.runners.streaming.run_examples`.

    Returns:
        One record per pair, in their order, named as "17: a.png | b.png".

    Raises:
        ValueError: If the journal belongs to another run.

    Example:
        >>> from fxai_jax.data.faces import sample_pairs
        >>> from fxai_jax.data.pair_sets import limit_pairs, open_pairs
        >>> pairs = limit_pairs(open_pairs(sample_pairs()), 2, seed=0)
        >>> def distance(model, key, probe, gallery):
        ...     return {"distance": jnp.abs(probe - gallery).mean()}
        >>> records = run_pairs(distance, None, jax.random.key(0), pairs)
        >>> [record.error for record in records]
        [None, None]
    """
    both = list(zip(pairs.probe.tolist(), pairs.gallery.tolist(), strict=True))
    names = [
        f"{i}: {pairs.images[a]} | {pairs.images[b]}" for i, (a, b) in enumerate(both)
    ]

    def load(i: int) -> tuple[Pixels, Pixels]:
        probe, gallery = both[i]
        return pairs.read(probe), pairs.read(gallery)

    return run_examples(function, model, key, names, load, unit="pairs", **options)
