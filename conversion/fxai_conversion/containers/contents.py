"""What every container opens into: named views, and the bytes behind them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fxai_conversion.torch_objects.tensors import Storage, View
from fxai_conversion.torch_objects.trees import layout_of, named_views
from fxai_jax.data.inert_pickle.nodes import Global, Pickled

Load = Callable[[Storage], np.ndarray | bytes]
"""Reads the bytes of one storage out of the file."""


class Contents(NamedTuple):
    """An opened checkpoint: named views, and what loads the bytes behind them."""

    container: str
    layout: str
    views: dict[str, View]
    load: Load
    globals_seen: tuple[Global, ...]


def contents_of(container: str, pickled: Pickled, load: Load) -> Contents:
    """Contents of a container whose tensors are named by a pickle."""
    views = named_views(pickled.root)
    return Contents(
        container, layout_of(pickled.root), views, load, pickled.globals_seen
    )
