"""What FGGB stands beside: other explainers of a pair, and priors that ignore it.

Every function has FGGB's signature and result, so that explainers can be exchanged:
``explain(embed, [key,] probe, gallery, *, threshold, ...) -> PairSaliency``.

- `xssab`: two gradients, of the arguments of the cosine above and below their share
  of the threshold.
- `corrrise`: correlation of random occlusions with the cosine.
- `cams`: Grad-CAM and Score-CAM of the cosine.
- `fame`: how the pixels change until the decision is undone.
- `gradient`: magnitude of the gradient of the cosine.
- `priors`: smooth and pixel-wise noise, edges, a centred Gaussian.

Maps without a sign are filed under similarity for accepted pairs and under
dissimilarity for rejected ones; the docstring then says to rank by magnitude.
"""

from fxai_jax.methods.baselines import cams as cams
from fxai_jax.methods.baselines import corrrise as corrrise
from fxai_jax.methods.baselines import fame as fame
from fxai_jax.methods.baselines import gradient as gradient
from fxai_jax.methods.baselines import priors as priors
from fxai_jax.methods.baselines import xssab as xssab
