"""Pictures: maps over faces as RGB arrays, and Matplotlib figures of the results.

One module per method, standing on `fxai_jax.visualize.pictures`. Figures are made
without pyplot, so they need no display, leak nothing in loops and are safe in threads:
save one with ``figure.savefig(path)``. Results may be on the device or on the host.
"""

from fxai_jax.visualize.amva import attention_figure, variation_figure
from fxai_jax.visualize.curves import Line, Panel, curves_figure
from fxai_jax.visualize.fggb import NOTHING, pair_figure
from fxai_jax.visualize.frequency import frequency_figure, group_figure
from fxai_jax.visualize.pairs import pair_sheet
from fxai_jax.visualize.pictures import blend, decision, overlay, tint
from fxai_jax.visualize.plq import contact_sheet, quality_figure

__all__ = [
    "NOTHING",
    "Line",
    "Panel",
    "attention_figure",
    "blend",
    "contact_sheet",
    "curves_figure",
    "decision",
    "frequency_figure",
    "group_figure",
    "overlay",
    "pair_figure",
    "pair_sheet",
    "quality_figure",
    "tint",
    "variation_figure",
]
