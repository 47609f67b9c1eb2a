"""Explains face recognition: pixels, quality, attention, frequencies.

>>> import jax, fxai_jax as fx
>>> model = fx.load_backbone("mobilefacenet")
>>> a, b = fx.sample_face("a_1"), fx.sample_face("a_2")
>>> result = fx.fggb.explain(model, a, b, threshold=0.45, chunk_size=16)
"""

from fxai_jax.cards import list_backbones as list_backbones
from fxai_jax.cards import load_card as load_card
from fxai_jax.checkpoints import load_backbone as load_backbone
from fxai_jax.chunking import batched as batched
from fxai_jax.data.faces import sample_face as sample_face
from fxai_jax.data.faces import sample_names as sample_names
from fxai_jax.data.images import load_image as load_image
from fxai_jax.methods import amva as amva
from fxai_jax.methods import fggb as fggb
from fxai_jax.methods import frequency as frequency
from fxai_jax.methods import plq as plq
from fxai_jax.methods import quality as quality
