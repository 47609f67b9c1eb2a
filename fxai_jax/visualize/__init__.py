"""Pictures: maps over faces as RGB arrays, and Matplotlib figures of the results.

One module per method, standing on `fxai_jax.visualize.pictures`. Figures are made
without pyplot, so they need no display, leak nothing in loops and are safe in threads:
save one with ``figure.savefig(path)``. Results may be on the device or on the host. The
public names are listed in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
