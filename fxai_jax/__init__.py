"""Explains face recognition: pixels, quality, attention, frequencies.

>>> import jax, fxai_jax as fx
>>> model = fx.load_backbone("mobilefacenet")
>>> a, b = fx.sample_face("a_1"), fx.sample_face("a_2")
>>> result = fx.fggb.explain(model, a, b, threshold=0.45, chunk_size=16)

The public names are listed in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
