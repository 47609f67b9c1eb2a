"""Small wrong edits, each of which a test file must notice.

Run it with ``python -m tests.mutants``: every edit is made in a copy of the tree, its
test file is run there, and the edits that no test noticed are listed. ``--share 10``
tries a tenth, chosen at random; words choose edits by their files and descriptions.
"""

import argparse
import concurrent.futures
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".*_cache", "fxai_out", "dist"
)
JOBS = 2


class Mutant(NamedTuple):
    """One wrong edit."""

    what: str
    """What is wrong then."""

    file: str
    test: str
    """The test file that must fail."""

    right: str
    """Text that stands once in the file."""

    wrong: str


# A description, the file and its test file, the right lines and the wrong ones.
TABLE = """
# FGGB: the threshold pushes the other way
fxai_jax/methods/fggb.py > tests/methods/test_fggb.py
-    return products - as_threshold(threshold, products) / probe.shape[0]
+    return products + as_threshold(threshold, products) / probe.shape[0]

# FGGB: colours are averaged before their magnitude is taken
fxai_jax/methods/fggb.py > tests/methods/test_fggb.py
-            map_ = jnp.mean(jnp.abs(map_), axis=-1)
+            map_ = jnp.abs(jnp.mean(map_, axis=-1))

# FGGB: the maps of the channels are not normalised
fxai_jax/methods/fggb.py > tests/methods/test_fggb.py
-        unit = map_ / (safe_norm(map_) + EPS)
+        unit = map_

# FGGB, split: similarity and dissimilarity exchanged in the signed map
fxai_jax/methods/fggb.py > tests/methods/test_fggb.py
-        return similarity, dissimilarity, similarity - dissimilarity
+        return similarity, dissimilarity, dissimilarity - similarity

# PLQ: the weights of the minimum norm are not those of the squared norm
fxai_jax/methods/plq.py > tests/methods/test_plq.py
-    return embedding * _ratio(quality, jnp.sum(jnp.square(embedding)))
+    return embedding * _ratio(quality, jnp.sum(jnp.abs(embedding)))

# PLQ: gradients per pixel value, not per grey level
fxai_jax/methods/plq.py > tests/methods/test_plq.py
-    return pulled.astype(weights.dtype) * largest / GREY_LEVELS
+    return pulled.astype(weights.dtype) * largest

# PLQ: the scale of the weights is lost
fxai_jax/methods/plq.py > tests/methods/test_plq.py
-    return pulled.astype(weights.dtype) * largest / GREY_LEVELS
+    return pulled.astype(weights.dtype) / GREY_LEVELS

# PLQ: odds in half precision
fxai_jax/methods/plq.py > tests/test_dtypes.py
-    magnitude = jnp.mean(jnp.abs(widened(gradient)), axis=-1)
+    magnitude = jnp.mean(jnp.abs(gradient), axis=-1)

# PLQ: the odds are not squared
fxai_jax/methods/plq.py > tests/methods/test_plq.py
-    odds = jnp.square(10.0 ** (gamma / 2) * magnitude)
+    odds = 10.0 ** (gamma / 2) * magnitude

# PLQ: calibrated to the wrong centre
fxai_jax/methods/plq.py > tests/methods/test_plq.py
-        center=(low + high) / 2,
+        center=jnp.median(qualities),

# SER-FIQ: a pass that is left out keeps half of its distances
fxai_jax/methods/quality.py > tests/methods/test_quality.py
-    without = (total - 2 * sums) / ((passes - 1) * (passes - 2))
+    without = (total - sums) / ((passes - 1) * (passes - 2))

# SER-FIQ: the mean counts the distance of a pass to itself
fxai_jax/methods/quality.py > tests/methods/test_quality.py
-    quality = _quality(total / (passes * (passes - 1)))
+    quality = _quality(total / (passes * passes))

# SER-FIQ: a head that uses no key is taken
fxai_jax/calling.py > tests/methods/test_quality.py
-    return any(last is used for step in program.eqns for used in step.invars)
+    return bool(program.eqns)

# SER-FIQ: passes that are all alike have a quality
fxai_jax/methods/quality.py > tests/methods/test_quality.py
-    result = SerFiq(*(jnp.where(varies, value, jnp.nan) for value in found))
+    result = found

# AMVA: masked towards black whatever the network's zero is
fxai_jax/methods/amva/maps.py > tests/methods/test_amva.py
-        covered = zero + (pixels - zero) * mask[..., None]
+        covered = pixels * mask[..., None]

# AMVA: the range of the first row in the place of the map's
fxai_jax/methods/amva/statistics.py > tests/methods/test_amva.py
-    low, high = jnp.min(lows, axis=0), jnp.max(highs, axis=0)
+    low, high = lows[0], highs[0]

# AMVA: the spread is that of the maps, not of their squared deviations
fxai_jax/methods/amva/statistics.py > tests/methods/test_amva.py
-    "release": lambda centred: jnp.std(jnp.square(centred), axis=0, ddof=1),
+    "release": lambda centred: jnp.std(centred, axis=0, ddof=1),

# frequency: bands that help have a negative influence
fxai_jax/methods/frequency.py > tests/methods/test_frequency.py
-    directed = whole - masked
+    directed = masked - whole

# frequency: the corners of the spectrum are forgotten
fxai_jax/methods/frequency.py > tests/methods/test_frequency.py
-    largest = math.isqrt(u * u + v * v) if shape == "radial" else max(u, v)
+    largest = max(u, v)

# frequency: "both" perturbs the probe alone
fxai_jax/methods/frequency.py > tests/methods/test_frequency.py
-        other = embed(remove_band(gallery, mask)) if perturb == "both" else reference
+        other = reference

# FAME: the loss of a rejected pair for an accepted one
fxai_jax/methods/baselines/fame.py > tests/methods/baselines/test_fame.py
-        return jnp.where(accepted, value, 1 - value)
+        return jnp.where(accepted, 1 - value, value)

# FAME: one step too many
fxai_jax/methods/baselines/fame.py > tests/methods/baselines/test_fame.py
-        done = (value < enough) | (count >= iterations)
+        done = (value < enough) | (count > iterations)

# xSSAB: dissimilarity counts for similarity
fxai_jax/methods/baselines/xssab.py > tests/methods/baselines/test_xssab.py
-        signed=similarity - dissimilarity,
+        signed=similarity + dissimilarity,

# CorrRISE: what a mask covers is shown
fxai_jax/methods/baselines/corrrise.py > tests/methods/baselines/test_corrrise.py
-    return ~jnp.any(rows[:, :, None] & columns[:, None, :], axis=0)
+    return jnp.any(rows[:, :, None] & columns[:, None, :], axis=0)

# CorrRISE: cosines that only rounding tells apart are ranked
fxai_jax/methods/baselines/corrrise.py > tests/methods/baselines/test_corrrise.py
-    ranks = jnp.where(equal, 0, centred_ranks(scores))
+    ranks = centred_ranks(scores)

# CorrRISE: pixels that no mask covers vary by rounding
fxai_jax/methods/baselines/corrrise.py > tests/methods/baselines/test_corrrise.py
-    variance = visible * (ranks.shape[0] - visible)
+    variance = visible * (ranks.shape[0] - visible) + 1e-3

# Score-CAM: the empty image scores nothing
fxai_jax/methods/baselines/cams.py > tests/methods/baselines/test_cams.py
-        gain = score(empty + (pixels - empty) * mask[..., None]) - empty_score
+        gain = score(empty + (pixels - empty) * mask[..., None])

# CAMs: finished maps are clamped after upsampling
fxai_jax/methods/baselines/cams.py > tests/methods/baselines/test_cams.py
-        resize_bilinear(grid, (height, width)) for grid in split_sign(total)
+        grid for grid in split_sign(resize_bilinear(total, (height, width)))

# Grad-CAM: norms that are to be constant are differentiated
fxai_jax/methods/baselines/cams.py > tests/methods/baselines/test_cams.py
-        length = length if norms == "differentiated" else lax.stop_gradient(length)
+        length = length

# priors: rejected pairs have the sign of accepted ones
fxai_jax/methods/baselines/priors.py > tests/methods/baselines/test_priors.py
-    signed = jnp.where(value >= as_threshold(threshold, value), map_, -map_)
+    signed = jnp.where(value >= as_threshold(threshold, value), map_, map_)

# numerics: tied values do not share their rank
fxai_jax/numerics.py > tests/test_numerics.py
-    not_larger = jnp.searchsorted(ranked, values, side="right")
+    not_larger = jnp.searchsorted(ranked, values, side="left") + 1

# numerics: ties stay in raster order
fxai_jax/numerics.py > tests/test_numerics.py
-    order = jnp.lexsort((lots, -values))
+    order = jnp.argsort(-values)

# filters: shrinking low-passes, unlike PyTorch
fxai_jax/filters.py > tests/test_filters.py
-    return jax.image.resize(image, shape, method="bilinear", antialias=False)
+    return jax.image.resize(image, shape, method="bilinear", antialias=True)

# numerics: the upper of two medians
fxai_jax/numerics.py > tests/test_numerics.py
-    return jnp.sort(x, axis=0)[(x.shape[0] - 1) // 2]
+    return jnp.sort(x, axis=0)[x.shape[0] // 2]

# numerics: one norm is forgotten
fxai_jax/numerics.py > tests/test_numerics.py
-    return np.sum(exact[0] * exact[1], axis=1) / (norms[0] * norms[1])
+    return np.sum(exact[0] * exact[1], axis=1) / norms[0]

# numerics: rounding is no constant
fxai_jax/numerics.py > tests/test_numerics.py
-    return jnp.max(x) - jnp.min(x) <= 1e-6 * jnp.max(jnp.abs(x))
+    return jnp.max(x) == jnp.min(x)

# backbones: the kernel of the pullback is not turned
fxai_jax/backbones/convolutions.py > tests/backbones/test_convolutions.py
-    return turned if depthwise else turned.swapaxes(2, 3)
+    return turned if depthwise else kernel.swapaxes(2, 3)

# backbones: a depthwise pullback reads from the left
fxai_jax/backbones/convolutions.py > tests/backbones/test_convolutions.py
-    turned = kernel[::-1, ::-1]
+    turned = kernel[::-1]

# backbones: forward mode forgets the kernel's tangent
fxai_jax/backbones/convolutions.py > tests/backbones/test_convolutions.py
-        terms.append(_along_kernel(x, kernel_dot, **params))
+        terms.append(0 * _along_kernel(x, kernel_dot, **params))

# backbones: the transpose pushes where it should pull
fxai_jax/backbones/convolutions.py > tests/backbones/test_convolutions.py
-        pulled = _conv.bind(cotangent, kernel, turned, back=not back, **params)
+        pulled = _conv.bind(cotangent, kernel, turned, back=back, **params)

# backbones: a batch of maps stays where it was
fxai_jax/backbones/convolutions.py > tests/backbones/test_convolutions.py
-        found = _conv.bind(jnp.moveaxis(x, axes[0], 0), kernel, turned, **params)
+        found = _conv.bind(x, kernel, turned, **params)

# backbones: accelerators get the form of the CPU
fxai_jax/backbones/convolutions.py > tests/backbones/test_convolutions.py
-mlir.register_lowering(_conv, mlir.lower_fun(_plain, multiple_results=False))
+mlir.register_lowering(_conv, mlir.lower_fun(_fast, multiple_results=False))

# verification: a score at the threshold is rejected
fxai_jax/metrics/verification.py > tests/metrics/test_verification.py
-    accepted, labels = exact >= limit, as_labels(genuine, exact.size)
+    accepted, labels = exact > limit, as_labels(genuine, exact.size)

# verification: tied scores are accepted one by one
fxai_jax/metrics/verification.py > tests/metrics/test_verification.py
-    accepted, accepted_matches = (np.cumsum(x)[last] for x in (times, matches))
+    accepted, accepted_matches = (np.cumsum(x) for x in (times, matches))

# verification: every pair counts once, however often it was drawn
fxai_jax/metrics/verification.py > tests/metrics/test_verification.py
-    threshold, times = exact[order], as_counts(counts, exact.size)[order]
+    threshold, times = exact[order], as_counts(None, exact.size)[order]

# folds: the judged pairs choose their threshold
fxai_jax/metrics/folds.py > tests/metrics/test_folds.py
-        chosen[k] = _best_threshold(exact[~inside], labels[~inside])
+        chosen[k] = _best_threshold(exact, labels)

# bootstrap: strata are mixed
fxai_jax/metrics/resampling.py > tests/metrics/test_resampling.py
-    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
+    members = [np.arange(len(strata))]

# bootstrap: one-sided
fxai_jax/metrics/resampling.py > tests/metrics/test_resampling.py
-    quantiles = [(1 - level) / 2, (1 + level) / 2]
+    quantiles = [1 - level, level]

# bootstrap: an impostor pair counts by its probe alone
fxai_jax/metrics/resampling.py > tests/metrics/test_resampling.py
-        counts = times[persons[:, 0]] * times[persons[:, 1]]
+        counts = times[persons[:, 0]] * (times[persons[:, 1]] > 0)

# bootstrap: persons are given and pairs are drawn
fxai_jax/metrics/resampling.py > tests/metrics/test_resampling.py
-    if persons is not None:
+    if persons is None:

# bootstrap: persons of one pair alone are drawn too
fxai_jax/metrics/resampling.py > tests/metrics/test_resampling.py
-    place = np.cumsum(times > 1) * (times > 1)
+    place = np.cumsum(times > 0) * (times > 0)

# bootstrap: a resample may lose a kind of pair
fxai_jax/metrics/resampling.py > tests/metrics/test_resampling.py
-        if all(counts[places].any() for places in members):
+        if members:

# discard curves: the better image of a pair decides
fxai_jax/metrics/quality_curves.py > tests/metrics/test_quality_curves.py
-    return np.minimum(first, second)
+    return np.maximum(first, second)

# discard curves: the fraction is always one of all pairs
fxai_jax/metrics/quality_curves.py > tests/metrics/test_quality_curves.py
-    below = _before(matches if counted == "genuine" else times)
+    below = _before(times)

# discard curves: a step begins after its fraction
fxai_jax/metrics/quality_curves.py > tests/metrics/test_quality_curves.py
-    return curve.error[np.searchsorted(curve.fraction, reached, side="right") - 1]
+    return curve.error[np.searchsorted(curve.fraction, reached, side="left") - 1]

# bootstrap: a genuine pair is drawn as two persons
fxai_jax/metrics/resampling.py > tests/metrics/test_frequency_groups.py
-    numbers[again, 1] = 0
+    numbers[again, 1] = numbers[again, 0]

# faithfulness: the area of steps, not of trapezoids
fxai_jax/metrics/faithfulness.py > tests/metrics/test_faithfulness.py
-    return ((values[..., 1:] + values[..., :-1]) / 2).mean(-1)
+    return values[..., 1:].mean(-1)

# faithfulness: one pixel too many at every step
fxai_jax/metrics/faithfulness.py > tests/metrics/test_faithfulness.py
-        return embed(jnp.where((ranks < count)[..., None], end, start))
+        return embed(jnp.where((ranks <= count)[..., None], end, start))

# faithfulness: FMR and FNMR exchanged
fxai_jax/metrics/faithfulness.py > tests/metrics/test_faithfulness.py
-        np.sum(accepted & ~matches, axis=0) / max(np.sum(~matches), 1),
+        np.sum(accepted & matches, axis=0) / max(np.sum(matches), 1),

# patches: ties are on the wrong side of the precision
fxai_jax/metrics/patches.py > tests/metrics/test_patches.py
-    first = jnp.searchsorted(ranked, ranked, side="left")
+    first = jnp.arange(size)

# patches: nothing is restored
fxai_jax/metrics/patches.py > tests/evaluation/test_localisation.py
-        image = jnp.where((ranks < count)[..., None], original, patched)
+        image = jnp.where((ranks < 0)[..., None], original, patched)

# patches: accepted pairs are restored in the order of rejected ones
fxai_jax/metrics/patches.py > tests/metrics/test_patches.py
-    ranks = pixel_ranks(key, jnp.where(accepted, saliency, -saliency))
+    ranks = pixel_ranks(key, jnp.where(accepted, -saliency, saliency))

# sanity: every array is permuted alike
fxai_jax/metrics/sanity.py > tests/metrics/test_sanity.py
-            leaves[i] = _permuted(jax.random.fold_in(key, i), paths[i][1])
+            leaves[i] = _permuted(key, paths[i][1])

# band curves: an insertion lacks the band of its step
fxai_jax/metrics/band_curves.py > tests/metrics/test_band_curves.py
-        removed = turn < k if mode == "deletion" else (turn >= k) & (turn < bands)
+        removed = turn < k if mode == "deletion" else (turn > k) & (turn < bands)

# AUROC: the wrong side wins
fxai_jax/metrics/attention.py > tests/metrics/test_attention.py
-    ranks = centred_ranks(jnp.concatenate([low, high]))[: low.shape[0]]
+    ranks = -centred_ranks(jnp.concatenate([low, high]))[: low.shape[0]]

# AMVA: the share of a group is cut by rounding
fxai_jax/metrics/attention.py > tests/metrics/test_attention.py
-    count = max(1, whole_count(fraction, quality.shape[0]))
+    count = max(1, int(fraction * quality.shape[0]))

# labels: numbers are taken for bits
fxai_jax/metrics/labels.py > tests/metrics/test_labels.py
-    return labels.astype(bool)
+    return labels

# labels: any number that is not 0 is a genuine pair
fxai_jax/metrics/labels.py > tests/metrics/test_labels.py
-    if odd := _no_labels(labels):
+    if (odd := _no_labels(labels)) and not _is_number(labels.dtype):

# labels: scores that are NaN are taken
fxai_jax/metrics/labels.py > tests/metrics/test_labels.py
-    if not np.isfinite(exact).all():
+    if np.isinf(exact).all():

# labels: true and false in a table's column are refused
fxai_jax/metrics/labels.py > tests/metrics/test_labels.py
-        return [x for x in labels if not isinstance(x, bool | np.bool_)]
+        return labels.tolist()

# labels: one quality for all pairs is taken
fxai_jax/metrics/quality_curves.py > tests/metrics/test_labels.py
-    goodness = as_scores(quality, count=exact.size, what="qualities")
+    goodness = as_scores(quality, what="qualities")

# labels: pairs that all count 0 times are taken
fxai_jax/metrics/labels.py > tests/metrics/test_labels.py
-    if not times.any():
+    if not times.size:

# labels: a threshold is compared in its own type
fxai_jax/metrics/verification.py > tests/metrics/test_labels.py
-    accepted, labels = exact >= limit, as_labels(genuine, exact.size)
+    accepted, labels = exact >= threshold, as_labels(genuine, exact.size)

# quality curves: any end of an area is taken
fxai_jax/metrics/quality_curves.py > tests/metrics/test_quality_curves.py
-    if not 0 < up_to <= 1:
+    if up_to < 0:

# quality curves: qualities of one image stand for all
fxai_jax/metrics/quality_curves.py > tests/metrics/test_quality_curves.py
-    if first.shape != second.shape:
+    if first.ndim != second.ndim:

# InsightFace: one fold is taken
fxai_jax/metrics/insightface_folds.py > tests/metrics/test_insightface_folds.py
-    if numbers.size < 2:
+    if numbers.size < 1:

# bootstrap: any number of persons is taken
fxai_jax/metrics/resampling.py > tests/metrics/test_resampling.py
-    if persons is not None and persons.shape != (len(strata), 2):
+    if persons is not None and persons.ndim != 2:

# areas: whole numbers are added in their own type
fxai_jax/metrics/faithfulness.py > tests/metrics/test_faithfulness.py
-        values = as_float(values, "the curve")  # whole numbers would overflow
+        values = jnp.asarray(values)

# thresholds: NaN is taken
fxai_jax/inputs.py > tests/methods/test_fggb.py
-    if is_concrete(threshold) and not np.abs(np.asarray(threshold)) <= 1 + 1e-6:
+    if is_concrete(threshold) and np.abs(np.asarray(threshold)) > 1 + 1e-6:

# thresholds: several are taken for one
fxai_jax/inputs.py > tests/test_inputs.py
-    if given.shape != ():
+    if given.ndim > 9:

# types: a threshold widens what it is compared with
fxai_jax/inputs.py > tests/test_inputs.py
-    return jnp.asarray(given, like.dtype)
+    return jnp.asarray(given)

# types: results keep the type they were computed in
fxai_jax/methods/fggb.py > tests/test_dtypes.py
-    return cast(result, result_dtype(probe, embedding))
+    return result

# types: a norm is computed in half precision
fxai_jax/array_types.py > tests/test_dtypes.py
-    half = jnp.finfo(x.dtype).bits < 32
+    half = False

# networks: the image keeps its type
fxai_jax/backbones/layers.py > tests/backbones/test_mobilefacenet.py
-        return ((255.0 * pixels - self.mean) / self.scale).astype(dtype)
+        return (255.0 * pixels - self.mean) / self.scale

# dropout: any key is taken
fxai_jax/backbones/layers.py > tests/backbones/test_mobilefacenet.py
-    check_key(key)
+    key = jax.random.key(0)

# dropout: what is left is not scaled up
fxai_jax/backbones/layers.py > tests/backbones/test_mobilefacenet.py
-    return jnp.where(kept, x / (1 - jnp.asarray(rate, x.dtype)), 0)
+    return jnp.where(kept, x, 0)

# sweeps: a gradient keeps what every chunk computed
fxai_jax/chunking.py > tests/test_chunking.py
-    return jax.checkpoint(fun, prevent_cse=False) if rematerialise else fun
+    return fun

# spectra: both halves of a wave count once
fxai_jax/spectra.py > tests/test_spectra.py
-    twice = np.where(2 * np.arange(half) % width, 2, 1)[:, None]  # and its conjugate
+    twice = np.where(np.arange(half) % width, 2, 1)[:, None]

# spectra: a mask without symmetry is taken as it is
fxai_jax/spectra.py > tests/test_spectra.py
-    return 1 - (gone + opposite) / 2
+    return 1 - gone

# export: a threshold has an axis of examples
fxai_jax/runs/exporting.py > tests/runs/test_exporting.py
-    axes = [None if name == "threshold" else 0 for name in names]
+    axes = [0 for name in names]

# export: the options are left out
fxai_jax/runs/exporting.py > tests/runs/test_exporting.py
-        given = dict(zip(names, arrays, strict=True)) | options
+        given = dict(zip(names, arrays, strict=True))

# arrays: masked entries are taken
fxai_jax/inputs.py > tests/test_inputs.py
-    if np.ma.is_masked(value):
+    if value is None:

# numerics: squares of long vectors overflow
fxai_jax/numerics.py > tests/test_numerics.py
-    squared = jnp.sum(jnp.square(x / scale))
+    squared = jnp.sum(jnp.square(x))

# numerics: one embedding stands for all
fxai_jax/numerics.py > tests/test_numerics.py
-    if first != second or len(first) != 2:
+    if len(first) != 2:

# shares: rounding cuts one from a whole number
fxai_jax/metrics/labels.py > tests/metrics/test_labels.py
-    return nearest if is_whole else int(exact)
+    return int(exact)

# error at a fraction: the steps that rounding misses are not reached
fxai_jax/metrics/quality_curves.py > tests/metrics/test_quality_curves.py
-    reached = given.astype(np.float64) * (1 + 4 * float(jnp.finfo(given.dtype).eps))
+    reached = given.astype(np.float64)

# maps: whole numbers are negated in their own type
fxai_jax/inputs.py > tests/test_inputs.py
-    return jnp.asarray(given).astype(jnp.float32)
+    return jnp.asarray(given)

# maps: NaN is taken
fxai_jax/inputs.py > tests/test_inputs.py
-    if is_concrete(values) and (bad := np.sum(~np.isfinite(np.asarray(values)))):
+    if is_concrete(values) and (bad := np.all(~np.isfinite(np.asarray(values)))):

# maps: one of another size is taken
fxai_jax/inputs.py > tests/test_inputs.py
-    if size is not None and tuple(found) != tuple(size[:2]):
+    if size is not None and len(found) != len(size[:2]):

# images: of 0..255 nothing is said
fxai_jax/inputs.py > tests/test_inputs.py
-    if not -0.1 <= known.min() <= known.max() <= 1.1:
+    if not -0.1 <= known.min():

# models: a network in training mode is taken
fxai_jax/calling.py > tests/test_inputs.py
-                if fields.get(flag) is False:
+                if fields.get(flag) is True:

# chunks: a traced chunk size is said nothing about
fxai_jax/chunking.py > tests/test_chunking.py
-    if isinstance(size, jax.core.Tracer):
+    if isinstance(size, str):

# evaluation: "both" deletes the other image along the probe's map
fxai_jax/evaluation/perturbation.py > tests/evaluation/test_faithfulness.py
-        _ranks(keys[3], map_of(keys[2], gallery, probe), preset) if both else ranks
+        ranks

# evaluation: random orders are drawn once
fxai_jax/evaluation/perturbation.py > tests/evaluation/test_faithfulness.py
-    return lax.map(fun, jax.random.split(key, draws if entry.random else 1))
+    return lax.map(fun, jax.random.split(key, 1))

# evaluation: an insertion is a deletion
fxai_jax/evaluation/perturbation.py > tests/evaluation/test_faithfulness.py
-    if curve.mode == "deletion":
-        return turned, jnp.asarray(image), filled
+    if curve.mode:
+        return turned, jnp.asarray(image), filled

# evaluation: the lowest pixels are the highest
fxai_jax/evaluation/perturbation.py > tests/evaluation/test_pixel_quality.py
-    turned = ranks if curve.first == "highest" else ranks.size - 1 - ranks
+    turned = ranks

# evaluation: dissimilarity is ranked as similarity
fxai_jax/evaluation/registry.py > tests/evaluation/test_registry.py
-    return -map_ if against else map_
+    return map_

# evaluation: maps are not blurred before they are ranked
fxai_jax/evaluation/registry.py > tests/evaluation/test_registry.py
-    map_ = gaussian_blur(map_) if explainer.smooth else map_
+    map_ = map_

# evaluation: the references are left out
fxai_jax/evaluation/registry.py > tests/evaluation/test_registry.py
-    wanted = {*(names or table), *always}
+    wanted = {*(names or table)}

# faithfulness table: deletion minus insertion
fxai_jax/evaluation/curve_areas.py > tests/evaluation/test_faithfulness.py
-            "ins - del": area(inserted) - area(deleted),
+            "ins - del": area(deleted) - area(inserted),

# faithfulness table: the threshold is ignored
fxai_jax/evaluation/curve_areas.py > tests/evaluation/test_faithfulness.py
-            (cosines >= threshold) == genuine[:, None, None]
+            (cosines >= 0) == genuine[:, None, None]

# faithfulness table: the accuracy of the deletion in the place of the insertion's
fxai_jax/evaluation/curve_areas.py > tests/evaluation/test_faithfulness.py
-            "correct ins.": area(right[1].astype(np.float64)),
+            "correct ins.": area(right[0].astype(np.float64)),

# fame: pixels at the minimum turn at last
fxai_jax/evaluation/perturbation.py > tests/evaluation/test_faithfulness.py
-    turned_at = jnp.sum(saliency[..., None] <= percentiles[None, None], axis=-1)
+    turned_at = jnp.sum(saliency[..., None] < percentiles[None, None], axis=-1)

# fame: tied pixels turn one after the other
fxai_jax/evaluation/perturbation.py > tests/evaluation/test_faithfulness.py
-    if preset.ties == "together":
+    if not preset:

# fame: maps are not clamped
fxai_jax/evaluation/registry.py > tests/evaluation/test_registry.py
-    map_ = jnp.maximum(map_, 0) if ranking == "positive" else map_
+    map_ = map_

# faithfulness table: groups have the numbers of all pairs
fxai_jax/evaluation/curve_areas.py > tests/evaluation/test_faithfulness.py
-                | {k: float(v[members].mean()) for k, v in measures[name].items()}
+                | {k: float(v.mean()) for k, v in measures[name].items()}

# faithfulness: the preset's ranking is ignored
fxai_jax/evaluation/faithfulness.py > tests/evaluation/test_faithfulness.py
-        return ranking_map(entry, result, preset.ranking)
+        return ranking_map(entry, result, "similarity")

# faithfulness: the notes are left out
fxai_jax/evaluation/faithfulness.py > tests/cli/evaluate/test_faithfulness.py
-                notes(results, preset, threshold, self.draws),
+                [],

# faithfulness: rejected pairs are accepted ones
fxai_jax/evaluation/faithfulness.py > tests/evaluation/test_faithfulness.py
-        "rejected": scores.cosine < threshold,
+        "rejected": scores.cosine >= threshold,

# evaluation: a pair that failed under one explainer counts under the others
fxai_jax/evaluation/estimates.py > tests/evaluation/test_estimates.py
-    common = reduce(np.intersect1d, rows)
+    common = reduce(np.union1d, rows)

# evaluation: persons and folds make groups
fxai_jax/evaluation/estimates.py > tests/evaluation/test_estimates.py
-        if column not in no_groups and 1 < len(values) <= len(texts) / 2:
+        if 1 < len(values) <= len(texts) / 2:

# evaluation: intervals of means do not know the persons
fxai_jax/evaluation/estimates.py > tests/evaluation/test_persons.py
-    return bootstrap(mean, alike, persons=drawn_persons(pairs), seed=seed)
+    return bootstrap(mean, alike, seed=seed)

# persons: folders count though they contradict the labels
fxai_jax/evaluation/persons.py > tests/evaluation/test_persons.py
-        if np.array_equal(number[pairs.probe] == number[pairs.gallery], pairs.genuine):
+        if number.any():

# persons: an image without a name is the person of all others without
fxai_jax/evaluation/persons.py > tests/evaluation/test_persons.py
-        [text or f"image {i}" for text, i in zip(each, side, strict=True)]
+        [text or "image" for text, i in zip(each, side, strict=True)]

# persons: one person alone is drawn
fxai_jax/evaluation/persons.py > tests/evaluation/test_persons.py
-    if _recurring(persons) >= FEWEST:
+    if _recurring(persons) >= 1:

# persons: names do not link images
fxai_jax/evaluation/persons.py > tests/evaluation/test_persons.py
-        ends += [(pairs.gallery, images + persons[:, 1])]
+        ends += [(pairs.gallery, images + persons[:, 1] * 0)]

# driver: what is doubtful about a list is not said
fxai_jax/evaluation/driver.py > tests/evaluation/test_persons.py
-    notes = [*doubts(listed), *label_doubts(scores), interval_note(scores.pairs, how)]
+    notes = [*label_doubts(scores), interval_note(scores.pairs, how)]

# scores: labels that are right are said to be inverted
fxai_jax/evaluation/scores.py > tests/evaluation/test_persons.py
-    if rate <= 0.5:
+    if rate >= 0.5:

# localisation: the map of the other side
fxai_jax/evaluation/localisation.py > tests/evaluation/test_localisation.py
-        found = localisation(jnp.where(genuine, against, signed), mask)
+        found = localisation(jnp.where(genuine, signed, against), mask)

# localisation: the wrong order of restoring
fxai_jax/evaluation/localisation.py > tests/evaluation/test_localisation.py
-        order = jnp.where(accepted, signed, -against)
+        order = jnp.where(accepted, -against, signed)

# localisation: no errors
fxai_jax/evaluation/localisation.py > tests/evaluation/test_localisation.py
-    return curves.fnmr if kind == "genuine" else curves.fmr
+    return 0 * curves.fnmr

# localisation: patches of the same person
fxai_jax/evaluation/donors.py > tests/evaluation/test_localisation.py
-        others = used[person[used] != person[pairs.probe[i]]]
+        others = used[used != pairs.probe[i]]

# sanity: one layer more is destroyed
fxai_jax/evaluation/wrecks.py > tests/evaluation/test_sanity.py
-        jnp.where(i < depth, b, a)
+        jnp.where(i <= depth, b, a)

# sanity: maps without a sign are compared by their sign
fxai_jax/evaluation/sanity.py > tests/evaluation/test_sanity.py
-    map_ = signed if entry.sign_is_importance else magnitude
+    map_ = signed

# sanity: the control is named among what hardly changes
fxai_jax/evaluation/sanity.py > tests/evaluation/test_sanity.py
-            if name != CONTROL
+            if name

# bands: the reversed order in the place of the order
fxai_jax/evaluation/band_areas.py > tests/evaluation/test_frequency.py
-_FORWARDS = slice(0, 1), slice(2, 3), slice(3, 4), slice(4, None)
+_FORWARDS = slice(1, 2), slice(2, 3), slice(3, 4), slice(4, None)

# bands: impostors count as genuine pairs
fxai_jax/evaluation/band_areas.py > tests/evaluation/test_frequency.py
-        genuine = members[labels]
+        genuine = members

# bands: the intervals do not know the persons
fxai_jax/evaluation/band_groups.py > tests/evaluation/test_frequency.py
-    identities = drawn_persons(pairs.take(rows))
+    identities = np.stack([np.arange(rows.size)] * 2, axis=1)

# verification table: the threshold is ignored
fxai_jax/evaluation/verification.py > tests/evaluation/test_verification.py
-            right = np.mean((cosine >= threshold) == genuine)
+            right = np.mean((cosine >= 0) == genuine)

# verification table: the folds of the list are ignored
fxai_jax/evaluation/fold_accuracy.py > tests/evaluation/test_verification.py
-    return fold if names.size > 1 else None
+    return None

# verification: --flip is ignored
fxai_jax/evaluation/driver.py > tests/evaluation/test_verification.py
-    scores = score_pairs(network.model, listed, options, flip=protocol.flip)
+    scores = score_pairs(network.model, listed, options)

# verification: faces are turned upside down
fxai_jax/evaluation/scores.py > tests/evaluation/test_verification.py
-    return {"embedding": model(image) + model(image[:, ::-1])}
+    return {"embedding": model(image) + model(image[::-1])}

# verification: the folds of InsightFace are shuffled
fxai_jax/evaluation/fold_accuracy.py > tests/evaluation/test_verification.py
-    folds = stretches(len(scores.pairs)) if own is None else own
+    folds = shuffled_folds(scores.pairs.genuine, 0)

# InsightFace: pairs at the threshold are accepted
fxai_jax/metrics/insightface_folds.py > tests/metrics/test_insightface_folds.py
-        accuracies.append(np.mean((judged < chosen) == labels[inside]))
+        accuracies.append(np.mean((judged < chosen + 0.01) == labels[inside]))

# InsightFace: the threshold of a FAR stands on the grid
fxai_jax/metrics/insightface_folds.py > tests/metrics/test_insightface_folds.py
-    return float(best), float(np.interp(far, reached, TAR_GRID))
+    return float(best), float(TAR_GRID[np.searchsorted(reached, far)])

# verification chart: labels exchanged
fxai_jax/evaluation/verification.py > tests/evaluation/test_verification.py
-        for name, kind in (("genuine", True), ("impostor", False))
+        for name, kind in (("genuine", False), ("impostor", True))

# discard table: the oracle discards impostors first
fxai_jax/evaluation/discard.py > tests/evaluation/test_discard.py
-    oracle = np.where(kept.pairs.genuine, kept.cosine, 2.0)
+    oracle = np.where(kept.pairs.genuine, kept.cosine, -2.0)

# discard table: a row is left out
fxai_jax/evaluation/discard.py > tests/evaluation/test_discard.py
-        RANDOM: cells(1),
+

# pixel quality: margins have the sign of deletion from the top
fxai_jax/evaluation/pixel_quality.py > tests/evaluation/test_pixel_quality.py
-            better = 1 if curve.harms else -1
+            better = 1

# pixel quality: the step of two black images counts
fxai_jax/evaluation/pixel_quality.py > tests/evaluation/test_pixel_quality.py
-    return cosines[..., :-1] if both_black else cosines
+    return cosines

# scores: a pair stands at the threshold that is found on the list
fxai_jax/evaluation/scores.py > tests/evaluation/test_limits.py
-    return (accepted + rejected) / 2
+    return accepted

# quality: the limit moves the threshold
fxai_jax/evaluation/quality.py > tests/evaluation/test_limits.py
-        threshold = discard.clean_threshold(scores, **rates)
+        few = scores.take(limited_rows(scores.pairs, limit, seed))
+        threshold = discard.clean_threshold(few, **rates)

# faithfulness: the limit counts before the preset chooses
fxai_jax/evaluation/faithfulness.py > tests/evaluation/test_limits.py
-        pairs = preset_pairs(scores, preset, threshold)
+        few = scores.take(limited_rows(scores.pairs, limit, seed))
+        pairs = preset_pairs(few, preset, threshold)

# sanity: the limit is ignored
fxai_jax/evaluation/sanity.py > tests/evaluation/test_limits.py
-        pairs = scores.pairs.take(limited_rows(scores.pairs, limit, seed))
+        pairs = scores.pairs

# localisation: the limit counts before donors are found
fxai_jax/evaluation/localisation.py > tests/evaluation/test_limits.py
-        patched = patched[limited_rows(able, limit, seed)]
+        patched = patched[:2]

# driver: a limited run has the threshold of its part
fxai_jax/evaluation/driver.py > tests/evaluation/test_limits.py
-    if limit is not None and not protocol.whole_list:
+    if limit is not None:

# scores: a damaged gallery image is taken for another one
fxai_jax/evaluation/scores.py > tests/evaluation/test_scores.py
-    rows = np.flatnonzero((probe >= 0) & (gallery >= 0))
+    rows = np.flatnonzero(probe >= 0)

# driver: --limit is ignored
fxai_jax/evaluation/driver.py > tests/evaluation/test_driver.py
-        listed = listed.limit(limit, seed=options.seed)
+        pass

# driver: another network goes on with the values of the first
fxai_jax/evaluation/driver.py > tests/evaluation/test_driver.py
-        task = task._replace(depends={**task.depends, **fingerprint(network.card)})
+        task = task._replace(depends={**task.depends})

# report: intervals are written the wrong way round
fxai_jax/evaluation/report.py > tests/evaluation/test_report.py
-            flat |= dict(zip((name, f"{name} low", f"{name} high"), cell, strict=True))
+            flat |= dict(zip((name, f"{name} high", f"{name} low"), cell, strict=True))

# engine: all examples share their randomness
fxai_jax/runs/running.py > tests/runs/test_running.py
-        example_key = jax.random.fold_in(key, digest)
+        example_key = jax.random.fold_in(key, 0 * digest)

# engine: the journal is never read
fxai_jax/runs/running.py > tests/runs/test_running.py
-        i for i, name in enumerate(task.names) if not _is_done(done, name, stamps[i])
+        i for i, _ in enumerate(task.names)

# engine: a run with another seed goes on
fxai_jax/runs/running.py > tests/runs/test_running.py
-    told = {"seed": options.seed, "randomness": randomness(), **task.depends}
+    told = {"randomness": randomness(), **task.depends}

# engine: each batch compiles anew
fxai_jax/runs/running.py > tests/runs/test_running.py
-            found = _batch(task.function, static, shared, key, *batch)
+            found = jax.jit(_batch.__wrapped__, static_argnums=(0, 1))(
+                task.function, static, shared, key, *batch
+            )

# engine: values that are not finite pass
fxai_jax/runs/running.py > tests/runs/test_running.py
-    if not all(np.isfinite(value).all() for value in values.values()):
+    if not all(np.isfinite(value).any() for value in values.values()):

# journal: a last line that was cut off is read
fxai_jax/runs/journal.py > tests/runs/test_running.py
-    whole = text[: text.rfind("\\n") + 1]  # the last line may have been cut off
+    whole = text

# journal: what failed once is not tried again
fxai_jax/runs/journal.py > tests/runs/test_running.py
-        if record.error is None:
+        if record:

# reading: an array of another shape ends the run
fxai_jax/runs/reading.py > tests/runs/test_running.py
-            if error is None and found != expected:
+            if error is None and not found:

# keys: the second image of a pair does not count
fxai_jax/runs/keys.py > tests/runs/test_keys.py
-        found = zlib.crc32(np.ascontiguousarray(array).data, found)
+        found = found or zlib.crc32(np.ascontiguousarray(array).data)

# compiling: the precision is forgotten
fxai_jax/runs/compiling.py > tests/runs/test_compiling.py
-    with jax.default_matmul_precision(PRECISION):
+    with jax.default_matmul_precision("bfloat16"):

# explain: the gallery is explained as the probe
fxai_jax/explain/both_sides.py > tests/explain/test_both_sides.py
-    both = jax.device_get((one_side(probe, gallery), one_side(gallery, probe)))
+    both = jax.device_get((one_side(probe, gallery), one_side(probe, gallery)))

# calibration: other quantiles
fxai_jax/explain/calibration.py > tests/explain/test_calibration.py
-        row[regression] = jnp.median(jnp.mean(jnp.abs(gradient), axis=-1))
+        row[regression] = jnp.mean(jnp.mean(jnp.abs(gradient), axis=-1))

# names: a direction override is shown
fxai_jax/data/names.py > tests/data/test_names.py
-    if letter.isprintable() or unicodedata.category(letter) == "Zs":
+    if letter.isprintable() or letter == "\\u202e":

# names: JSON loses bytes that are no text
fxai_jax/data/names.py > tests/data/test_names.py
-    return (text + "\\n").encode("utf-8", "backslashreplace")
+    return (text + "\\n").encode("utf-8", "replace")

# commands: the table of qualities refuses bytes that are no text
fxai_jax/cli/quality.py > tests/cli/test_quality.py
-    with path.open("w", newline="", encoding="utf-8", errors=KEPT) as stream:
+    with path.open("w", newline="", encoding="utf-8") as stream:

# commands: the results of one face take the place of another's
fxai_jax/cli/explain/writing.py > tests/cli/explain/test_plq.py
-        if _is_free(stem, told):
+        if told:

# commands: notes colour the terminal
fxai_jax/runs/progress.py > tests/cli/test_quality.py
-    console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
+    console.print(line, markup=False, highlight=False, soft_wrap=True)

# finding: what lies in a folder is named by a link to it
fxai_jax/data/finding.py > tests/data/test_finding.py
-                (links if entry.is_symlink() else folders).append(folder / entry.name)
+                folders.append(folder / entry.name)

# finding: hidden folders are counted
fxai_jax/data/finding.py > tests/data/test_finding.py
-            if entry.name.startswith("."):
+            if entry.name.startswith(".") and not is_folder:

# entries: a name that may mean two files means the first
fxai_jax/data/entries.py > tests/data/test_entries.py
-    if len(several) == 1:
+    if several:

# entries: the shortest name counts
fxai_jax/data/entries.py > tests/data/test_entries.py
-    for count in range(min(depth, len(folders) + 1) - 1, -1, -1):
+    for count in range(min(depth, len(folders) + 1)):

# entries: what lies beside the list does not come first
fxai_jax/data/entries.py > tests/data/test_entries.py
-    if not exact and beside.is_file():
+    if not exact and beside.is_dir():

# landmarks: one face's points for every photograph
fxai_jax/data/landmarks.py > tests/data/test_landmarks.py
-    if count > 1:
+    if count > 2:

# landmarks: the last of two equal names counts
fxai_jax/data/landmarks.py > tests/data/test_landmarks.py
-    if len(content) < len(items):
+    if not items:

# alignment: the residual is in pixels
fxai_jax/data/alignment.py > tests/data/test_alignment.py
-    return turn, shift, float(residual / abs(w[1] - w[0]))
+    return turn, shift, float(residual)

# alignment: height and width of the photograph exchanged
fxai_jax/data/alignment.py > tests/runs/test_reading.py
-    height, width = shape
+    width, height = (x // 3 for x in shape)

# reading: EXIF does not count
fxai_jax/runs/reading.py > tests/runs/test_reading.py
-    turned = {"size": size, "orientation": image_orientation(path)}
+    turned = {"size": size}

# pairs: groups keep the order of the list
fxai_jax/data/pairs/__init__.py > tests/data/pairs/test_pairs.py
-        groups = {name: [x[i] for i in rows] for name, x in self.groups.items()}
+        groups = {name: x[: len(rows)] for name, x in self.groups.items()}

# pairs: all genuine pairs come first into a part
fxai_jax/data/pairs/__init__.py > tests/data/pairs/test_pairs.py
-        share = round(count * genuine / total)
+        share = min(genuine, count)

# pairs: names of one file are several images
fxai_jax/data/pairs/__init__.py > tests/data/pairs/test_lists.py
-        place[file] = first.setdefault(identity or file, len(files))
+        place[file] = first.setdefault(file, len(files))

# pairs: one missing image refuses the list
fxai_jax/data/pairs/__init__.py > tests/data/pairs/test_lists.py
-    if len(missing) == len(files):
+    if missing:

# pairs: both labels are seen in the same order alone
fxai_jax/data/pairs/__init__.py > tests/data/pairs/test_lists.py
-    key = low * len(pairs.images) + high
+    key = pairs.probe * len(pairs.images) + pairs.gallery

# doubts: the first of several equal pairs counts as repeated
fxai_jax/data/pairs/doubts.py > tests/data/pairs/test_doubts.py
-    return np.setdiff1d(np.arange(keys.size), first)
+    return np.arange(keys.size - first.size)

# doubts: pairs of one image are not told apart by their label
fxai_jax/data/pairs/doubts.py > tests/data/pairs/test_doubts.py
-        rows = np.flatnonzero(same & (pairs.genuine == kind))
+        rows = np.flatnonzero(same)

# LFW: labels exchanged
fxai_jax/data/pairs/lfw.py > tests/data/pairs/test_lists.py
-    genuine = np.array([a[0] == b[0] for a, b in pairs], bool)
+    genuine = np.array([a[0] != b[0] for a, b in pairs], bool)

# tables: labels exchanged
fxai_jax/data/pairs/tables.py > tests/data/pairs/test_lists.py
-    genuine = np.array([cells[label] == "1" for _, cells in rows], bool)
+    genuine = np.array([cells[label] == "0" for _, cells in rows], bool)

# packed benchmarks: anything may be imported
fxai_jax/data/pairs/packed.py > tests/data/pairs/test_packed.py
-        if demand not in _WELCOME:
+        if demand.module == "os":

# packed benchmarks: one text is decoded again and again
fxai_jax/data/pairs/packed.py > tests/data/pairs/test_packed.py
-    if id(source) not in decoded:
+    if decoded is not None:

# pickles: the memo has no limit
fxai_jax/data/inert_pickle/machine.py > tests/data/test_inert_pickle.py
-        if index >= self.max_memo:
+        if index < 0:

# pickles: a call is made
fxai_jax/data/inert_pickle/machine.py > tests/data/test_inert_pickle.py
-        self.push(Node(maker, (*args, *extra)))
+        if getattr(maker, "name", "") == "mkdir":
+            __import__("os").mkdir(*args)
+        self.push(Node(maker, (*args, *extra)))

# pickles: bytes after the end are read
fxai_jax/data/inert_pickle/unpickling.py > tests/data/test_inert_pickle.py
-        data = self.stream.read(size) if size <= self.left else b""
+        data = self.stream.read(size)

# curves: nothing is drawn
fxai_jax/visualize/curves.py > tests/cli/evaluate/test_faithfulness.py
-        y = finite(line.y, f"curve of {name}")
+        y = 0 * finite(line.y, f"curve of {name}")

# curves: references are coloured
fxai_jax/visualize/curves.py > tests/visualize/test_curves.py
-    greys = [name for name, line in lines.items() if line.reference]
+    greys = []

# pair figure: similarity and dissimilarity exchanged
fxai_jax/visualize/fggb.py > tests/visualize/test_fggb.py
-    similar = [_smooth(s.similarity) for s in saliencies]
+    similar = [_smooth(s.dissimilarity) for s in saliencies]

# pair figure: an empty kind keeps its column
fxai_jax/visualize/fggb.py > tests/visualize/test_fggb.py
-    full = [height > EMPTY * max(heights) for height in heights]
+    full = [max(heights) > 0 for _ in heights]

# quality figure: the own range is 0 to 1
fxai_jax/visualize/plq.py > tests/visualize/test_plq.py
-    high = float(np.quantile(map_, OWN)) or float(map_.max())
+    high = 1.0

# contact sheet: rows are as wide as they may be
fxai_jax/visualize/pictures.py > tests/visualize/test_plq.py
-    return rows, -(-count // rows)
+    return rows, columns

# names: bytes that are not UTF-8 are drawn as they are
fxai_jax/data/names.py > tests/visualize/test_words.py
-    if "\\udc80" <= letter <= "\\udcff":
+    if letter == "":

# names: formulas are parsed
fxai_jax/visualize/words.py > tests/visualize/test_words.py
-    text.set_parse_math(False)
+    text.set_parse_math(True)

# names: no other font is looked for
fxai_jax/visualize/words.py > tests/visualize/test_words.py
-    return next((n for n, codes in _fonts().items() if ord(letter) in codes), None)
+    return None

# figure files: svg has a date
fxai_jax/visualize/saving.py > tests/visualize/test_saving.py
-    "svg": {"Date": None},
+    "svg": {},

# figure files: text becomes shapes
fxai_jax/visualize/saving.py > tests/visualize/test_saving.py
-TEXT_AS_TEXT = {"pdf.fonttype": 42, "svg.fonttype": "none"}
+TEXT_AS_TEXT = {"pdf.fonttype": 3, "svg.fonttype": "path"}

# curves: all lines stand out
fxai_jax/visualize/curves.py > tests/visualize/test_curves.py
-    first = [name for name in highlighted if name in others] or others
+    first = others

# curves: what is constant fills its own axis
fxai_jax/visualize/curves.py > tests/visualize/test_curves.py
-        low, high = (min(low, 0), max(high, 0)) if low else (0, 1)
+        low, high = low - 1, high + 1

# faithfulness: the worst explainers stand out
fxai_jax/evaluation/report.py > tests/evaluation/test_faithfulness.py
-    return sorted(merits, key=lambda name: -merits[name])[:MOST_HIGHLIGHTED]
+    return sorted(merits, key=lambda name: merits[name])[:MOST_HIGHLIGHTED]

# verification: the threshold lies inside a column
fxai_jax/evaluation/verification.py > tests/evaluation/test_verification.py
-    return threshold + width * np.arange(-below, above + 1)
+    return threshold + width * (np.arange(-below, above + 1) - 0.5)

# driver: a run goes on with another order of colours
fxai_jax/cards.py > tests/evaluation/test_driver.py
-    names = ("weights_sha256", "options", "image_size")
+    names = ("weights_sha256", "image_size")

# registry: a threshold's last bits make another run
fxai_jax/evaluation/registry.py > tests/evaluation/test_driver.py
-{"threshold": round(threshold, 5)}
+{"threshold": threshold}

# registry: a run goes on at another threshold
fxai_jax/evaluation/registry.py > tests/evaluation/test_driver.py
-            depends={**static, **noted},
+            depends={**static},

# journal: the refusal names what is the same
fxai_jax/runs/journal.py > tests/runs/test_running.py
-    names = [k for k in {**now, **then} if now.get(k) != then.get(k)]
+    names = [k for k in {**now, **then} if now.get(k) == then.get(k)]

# keys: large seeds start the numbers of small ones
fxai_jax/runs/keys.py > tests/runs/test_keys.py
-    if not 0 <= seed < SEEDS:
+    if not 0 <= seed:

# commands: --seed is ignored
fxai_jax/cli/evaluate.py > tests/cli/evaluate/test_sanity.py
-        options = RunOptions(seed, batch_size, resume=made(out), console=STDERR)
+        options = RunOptions(0, batch_size, resume=made(out), console=STDERR)

# report: rows of groups are printed and all pairs are not
fxai_jax/evaluation/report.py > tests/evaluation/test_report.py
-        rows = [row for row in self.rows if row.get("group", "all") == "all"]
+        rows = [row for row in self.rows if row.get("group", "all") != "all"]

# commands: explain fggb ignores --threshold
fxai_jax/cli/explain/fggb.py > tests/cli/explain/test_fggb.py
-    threshold = threshold_of(card, threshold)
+    threshold = threshold_of(card, None)

# commands: explain plq ignores --seed
fxai_jax/cli/explain/plq.py > tests/cli/explain/test_plq.py
-        result = explain(image_key(run_key(seed), face), face)
+        result = explain(image_key(run_key(0), face), face)

# commands: quality ranks the best face first
fxai_jax/cli/quality.py > tests/cli/test_quality.py
-    order = np.argsort(found.values["quality"], kind="stable")
+    order = np.argsort(-found.values["quality"], kind="stable")

# commands: calibrate does not read the pairs
fxai_jax/cli/calibrate.py > tests/cli/test_calibrate.py
-    if listed is not None:
+    if listed is None and pairs is not None:

# commands: a mistake ends with success
fxai_jax/command_line.py > tests/cli/test_command_line.py
-    sys.exit(MISTAKE)
+    sys.exit(0)

# commands: what a message holds acts on the terminal
fxai_jax/command_line.py > tests/cli/test_command_line.py
-    print(f"{program}: error: {printable(message)}", file=sys.stderr)
+    print(f"{program}: error: {message}", file=sys.stderr)

# commands: an empty argument is the working directory
fxai_jax/command_line.py > tests/cli/test_command_line.py
-        _refuse_empty(args)
+        args

# progress: a log gets every batch
fxai_jax/runs/progress.py > tests/runs/test_progress.py
-        if over or now - self.told >= EVERY:
+        if over or now - self.told >= 0:

# progress: the rate counts what an earlier run had done
fxai_jax/runs/progress.py > tests/runs/test_progress.py
-        speed = (self.done - done) / (now - since) if now > since else 0
+        speed = self.done / (now - since) if now > since else 0

# journal: seconds of an earlier run are forgotten
fxai_jax/runs/journal.py > tests/runs/test_running.py
-    rest = (fields[name] for name in ("error", "seconds", "stamp"))
+    rest = (fields["error"], 0.0, fields["stamp"])

# engine: what an earlier run found stands though its file changed
fxai_jax/runs/running.py > tests/runs/test_tasks.py
-    return name in done and done[name].stamp == stamp
+    return name in done

# tasks: the folder of a file does not count
fxai_jax/runs/tasks.py > tests/runs/test_tasks.py
-    return f"{os.path.abspath(path)} {state.st_size} {state.st_mtime_ns}"
+    return f"{path}"

# commands: an interrupt inside a callback is lost
fxai_jax/command_line.py > tests/cli/test_command_line.py
-        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
+        pass

# calibrate: a copy replaces what is there
fxai_jax/cli/calibrate.py > tests/cli/test_calibrate.py
-    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
+    if out is not None and out.exists() and not out.is_dir():

# calibrate: the threshold is the cosine of a pair
fxai_jax/evaluation/scores.py > tests/cli/test_calibrate.py
-    return between_cosines(found.threshold, scores.cosine)
+    return found.threshold

# journal: other random numbers go on
fxai_jax/runs/running.py > tests/runs/test_running.py
-    told = {"seed": options.seed, "randomness": randomness(), **task.depends}
+    told = {"seed": options.seed, **task.depends}

# conversion: linear maps are not transposed
conversion/fxai_conversion/recipes/rules.py > tests/conversion/test_rules.py
-    "linear": _kernel(np.transpose, np.transpose),
+    "linear": _kernel(_same, _same),

# conversion: height and width of kernels change places
conversion/fxai_conversion/recipes/rules.py > tests/conversion/test_rules.py
-        lambda kernel: kernel.transpose(2, 3, 1, 0),
+        lambda kernel: kernel.transpose(3, 2, 1, 0),

# conversion: a flat body is not cut into stages
conversion/fxai_conversion/recipes/naming.py > tests/conversion/test_rules.py
-    if not naming.flat_body:
+    if not naming.flat_body or True:

# conversion: the prefix stays on the names
conversion/fxai_conversion/converting.py > tests/conversion/test_converting.py
-        found = names.inward(name.removeprefix(prefix))
+        found = names.inward(name)

# conversion: negative variances pass
conversion/fxai_conversion/converting.py > tests/conversion/test_converting.py
-    if name.endswith("running_var") and leaf.min() < 0:
+    if name.endswith("running_var") and leaf.min() < -1e9:

# conversion: a wrapper that one family writes decides nothing
conversion/fxai_conversion/choosing.py > tests/conversion/test_choosing.py
-    return [candidate for candidate in found if candidate.decisive] or found
+    return found

# conversion: a classifier is an unknown tensor
conversion/fxai_conversion/recipes/companions.py > tests/conversion/test_choosing.py
-    return CLASSIFIER if _is_head(name, prefix, is_own) else None
+    return None

# conversion: tensors of the network's own modules pass for a classifier's
conversion/fxai_conversion/recipes/companions.py > tests/conversion/test_converting.py
-        return bool(_HEAD.fullmatch(rest)) and not is_own(rest.rpartition(".")[0])
+        return bool(_HEAD.fullmatch(rest))

# conversion: --prefix is advised where it does not help
conversion/fxai_conversion/converting.py > tests/conversion/test_converting.py
-    if not unexpected or any(name.startswith(prefix) for name in unexpected):
+    if not unexpected:

# conversion: a ViT with a quality head passes for insightface's
conversion/fxai_conversion/recipes/other_recipes.py > tests/conversion/test_choosing.py
-_OTHER_VITS = ("keypoint_linear.weight", "head_qs.0.weight")
+_OTHER_VITS = ("keypoint_linear.weight",)

# conversion: TreB1eN's colour order is the other one
conversion/fxai_conversion/recipes/iresnet_recipes.py > tests/conversion/test_converting.py
-        fixed=BGR | _PLAIN,
+        fixed=RGB | _PLAIN,

# writing: what a user keeps may be lost
fxai_jax/writing.py > tests/test_writing.py
-    if any(place.iterdir()) and not may_replace(place):
+    if any(place.iterdir()) and may_replace(place):

# writing: what was begun stays
fxai_jax/writing.py > tests/test_writing.py
-        shutil.rmtree(made, ignore_errors=True)
+        pass

# writing: an earlier folder is not put back
fxai_jax/writing.py > tests/test_writing.py
-        old.rename(place)
+        pass

# writing: a full disk is met while writing
fxai_jax/writing.py > tests/test_writing.py
-    if nbytes and hasattr(os, "posix_fallocate"):
+    if not nbytes and hasattr(os, "posix_fallocate"):

# checkpoints: a folder with more than a checkpoint is replaced
fxai_jax/checkpoints.py > tests/conversion/test_cli_convert.py
-    if not {"card.json", "arrays"} <= names <= {"card.json", "arrays", "report.json"}:
+    if not {"card.json", "arrays"} <= names:

# cards: a bool passes for a number
fxai_jax/cards.py > tests/test_checkpoints.py
-        if isinstance(value, bool) or not isinstance(value, kind):
+        if not isinstance(value, kind):

# cards: a network may have any number of blocks
fxai_jax/card_limits.py > tests/test_checkpoints.py
-    if blocks > MAX_BLOCKS:
+    if blocks < 0:

# cards: a calibration is taken as it is
fxai_jax/cards.py > tests/test_checkpoints.py
-    if card.quality is not None:
+    if card.quality is None:

# cards: a calibration may lack alpha
fxai_jax/card_limits.py > tests/test_checkpoints.py
-    for name in _QUALITY.keys() & {"center", "alpha", *quality}:
+    for name in _QUALITY.keys() & quality.keys():

# cards: a scale may be negative
fxai_jax/card_limits.py > tests/test_checkpoints.py
-    "scale": (_SMALLEST, _LARGEST),
+    "scale": (-_LARGEST, _LARGEST),

# checkpoints: sizes of the card are not compared with the network's
fxai_jax/checkpoints.py > tests/test_checkpoints.py
-        if Path(name_or_path).is_dir():  # 0.2 s that a shipped one does not need
+        if Path(name_or_path).is_file():  # 0.2 s that a shipped one does not need

# checkpoints: a calibrated checkpoint is replaced
fxai_jax/checkpoints.py > tests/test_checkpoints.py
-    if old not in ((None, None), new):
+    if old == 0:

# cards: other arrays keep the threshold
fxai_jax/cards.py > tests/test_fine_tuning.py
-        threshold=None,
+        threshold=card.threshold,

# cards: other arrays keep the calibration
fxai_jax/cards.py > tests/test_fine_tuning.py
-        quality=None,
+        quality=card.quality,

# cards: a card without digest loses what it says
fxai_jax/cards.py > tests/test_fine_tuning.py
-    if card.weights_sha256 in ("", weights_sha256):
+    if card.weights_sha256 in (weights_sha256,):

# checkpoints: what is stored is read as float32
fxai_jax/checkpoints.py > tests/test_fine_tuning.py
-    name_or_path: str | Path, *, dtype: DTypeLike | None = None
+    name_or_path: str | Path, *, dtype: DTypeLike | None = "float32"

# checkpoints: float64 is rounded where JAX has none
fxai_jax/checkpoints.py > tests/test_fine_tuning.py
-    if wanted != jax.dtypes.canonicalize_dtype(wanted):
+    if wanted is None:

# arrays: whole numbers pass for parameters
fxai_jax/arrays.py > tests/test_fine_tuning.py
-    types = FLOATING if floating else (str(want.dtype),)
+    types = (*FLOATING, "int8") if floating else (str(want.dtype),)

# arrays: the digest does not see the bytes
fxai_jax/arrays.py > tests/test_checkpoints.py
-        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
+        np.ascontiguousarray(array)

# registry: a package replaces what is built in
fxai_jax/backbones/registry.py > tests/backbones/test_registry.py
-    cls = {**_REGISTERED, **FAMILIES}.get(family) or _installed(family)
+    cls = _installed(family) if entry_points(group=GROUP, name=family) else {**_REGISTERED, **FAMILIES}.get(family) or _installed(family)

# registry: a name is given away twice
fxai_jax/backbones/registry.py > tests/backbones/test_registry.py
-    if (known := {**_REGISTERED, **FAMILIES}.get(name, cls)) is not cls:
+    if (known := FAMILIES.get(name, cls)) is not cls:

# registry: the first of two packages is taken
fxai_jax/backbones/registry.py > tests/backbones/test_registry.py
-    if len(found) > 1:
+    if len(found) > 2:

# adapters: arrays are constants of the program
fxai_jax/own/adapters.py > tests/own/test_adapters.py
-    static = [_HERE if _is_array(leaf) else leaf for leaf in leaves]
+    static = [_HERE if _is_array(leaf) or callable(leaf) else leaf for leaf in leaves]

# adapters: the object of a bound method is not looked into
fxai_jax/own/adapters.py > tests/own/test_adapters.py
-    if inspect.ismethod(fun):
+    if inspect.isgenerator(fun):

# adapters: a partial is compared by what it is
fxai_jax/own/adapters.py > tests/own/test_adapters.py
-    if isinstance(fun, functools.partial):
+    if isinstance(fun, Partial):

# adapters: training mode passes
fxai_jax/own/adapters.py > tests/own/test_adapters.py
-    if training := in_training([*bound.args, *bound.keywords.values()]):
+    if training := in_training([]):

# checking: the other image is the same
fxai_jax/own/checking.py > tests/own/test_checking.py
-    if np.abs(whole - other).max() <= 16 * rounding * norm:
+    if np.abs(whole - other).max() < 0:

# checking: any seam agrees
fxai_jax/own/checking.py > tests/own/test_checking.py
-    if apart > rounding**0.5:
+    if apart > 1:

# checking: every head has dropout
fxai_jax/own/checking.py > tests/own/test_checking.py
-    return "" if used else "it does not use its key"
+    return ""

# checking: ranks are not looked at
fxai_jax/own/checking.py > tests/own/test_checking.py
-    if len(found.shape) != len(axes) or not jnp.issubdtype(found.dtype, jnp.floating):
+    if not jnp.issubdtype(found.dtype, jnp.floating):

# networks: arrays that functions close over are not in the digest
fxai_jax/networks.py > tests/test_networks.py
-    arrays |= {f"closed over/{i}": x for i, x in enumerate(program.consts)}
+    arrays |= {f"closed over/{i}": x for i, x in enumerate(program.consts[:0])}

# networks: the file of the code is not in the card
fxai_jax/networks.py > tests/test_networks.py
-    return "" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
+    return "" if file is None else hashlib.sha256(file.name.encode()).hexdigest()

# networks: a card keeps a threshold of other arrays
fxai_jax/networks.py > tests/test_networks.py
-    return Network(model, for_arrays(card, digest))
+    return Network(model, dataclasses.replace(card, weights_sha256=digest))

# networks: a folder is used in the type it is stored in
fxai_jax/networks.py > tests/test_networks.py
-        model = load_backbone(name_or_path, dtype=jnp.float32)
+        model = load_backbone(name_or_path)

# driver: a model that is no argument of jit stays one
fxai_jax/evaluation/driver.py > tests/evaluation/test_driver.py
-    network = network._replace(model=as_argument(network.model))
+    network = network._replace(model=network.model)

# sanity: a network without arrays is randomised
fxai_jax/evaluation/sanity.py > tests/test_networks.py
-        if not layers:
+        if layers is None:

# checkpoints: a family that is no model is written
fxai_jax/checkpoints.py > tests/backbones/test_registry.py
-    if report.problems:
+    if not report:

# networks: the type of code stays as it is
fxai_jax/networks.py > tests/test_networks.py
-    return jnp.asarray(leaf, jnp.float32) if floating else leaf
+    return jnp.asarray(leaf) if floating else leaf

# importing: a folder of that name is not looked for
fxai_jax/own/importing.py > tests/test_networks.py
-    return _CODE.fullmatch(text) is not None and not Path(text).exists()
+    return _CODE.fullmatch(text) is not None

# importing: the working directory is not looked into
fxai_jax/own/importing.py > tests/test_networks.py
-        sys.path.insert(0, here)  # as `python -m` does
+        pass  # as `python -m` does

# conversion: one name makes a block
conversion/fxai_conversion/recipes/layouts.py > tests/conversion/test_converting.py
-    return sum(number >= FEWEST for number in found.values())
+    return len(found)

# conversion: any number of blocks is built
conversion/fxai_conversion/converting.py > tests/conversion/test_converting.py
-        check_blocks(options)
+        check_blocks({})

# conversion: weights may vanish in float32
conversion/fxai_conversion/converting.py > tests/conversion/test_converting.py
-    if not leaf.any() and source.any():
+    if not leaf.any() and not source.any():

# inspect: what cannot be converted fits
conversion/fxai_conversion/commands.py > tests/conversion/test_cli_convert.py
-    fitting = [candidate for candidate, problems in found if not problems]
+    fitting = [candidate for candidate, _ in found]

# verify: embeddings may have any length
conversion/fxai_conversion/commands.py > tests/conversion/test_cli_convert.py
-    if not found.norm <= NORM_TOLERANCE:
+    if found.norm < 0:

# holes: a hole is data
fxai_jax/holes.py > tests/test_checkpoints.py
-        held += end - begin
+        held += end

# conversion: what a small file expands to is not bounded
conversion/fxai_conversion/containers/reader.py > tests/conversion/test_reader_bombs.py
-    max_bytes = min(max_bytes, MAX_EXPANSION * nbytes + SPARE_BYTES)
+    max_bytes = max(max_bytes, MAX_EXPANSION * nbytes + SPARE_BYTES)

# conversion: names may be as long as they like
conversion/fxai_conversion/torch_objects/trees.py > tests/conversion/test_reader_bombs.py
-        letters -= (len(name) + 1) * len(children)
+        letters -= len(children)

# conversion: a reference may claim any shape
conversion/fxai_conversion/references.py > tests/conversion/test_verifying.py
-        if dtype.kind not in "fiub" or claimed > info.file_size:
+        if dtype.kind not in "fiub":

# conversion: frozen TorchScript is a file without tensors
conversion/fxai_conversion/containers/zip_archive.py > tests/conversion/test_refusals.py
-    if scripted and not contents.views:
+    if scripted and contents.views:

# pairs: an old pickle passes for a table
fxai_jax/data/pairs/__init__.py > tests/data/pairs/test_packed.py
-        return bool(_PICKLE.match(stream.read(16)))
+        return stream.read(1)[:1] >= bytes([128])

# conversion: the package of the shipped network is not checked
conversion/fxai_conversion/mobilefacenet_tflite.py > tests/conversion/test_mobilefacenet_tflite.py
-    if found != expected:
+    if found == expected:

# conversion: tensors of a safetensors file may overlap
conversion/fxai_conversion/containers/safetensors_file.py > tests/conversion/test_reader_hostile.py
-        if spans[name] != expected:
+        if spans[name][0] > expected[0]:

# conversion: two entries of an archive may have one name
conversion/fxai_conversion/containers/zip_archive.py > tests/conversion/test_reader_hostile.py
-    if len(entries) < len(infos):
+    if len(entries) > len(infos):

# conversion: a tensor may reach outside its storage
conversion/fxai_conversion/torch_objects/tensors.py > tests/conversion/test_reader_hostile.py
-    if first + reach > length:
+    if first > length:

# conversion: strict reading refuses nothing
conversion/fxai_conversion/containers/reader.py > tests/conversion/test_reader_payloads.py
-        if strict_pickle:
+        if strict_pickle and not contents.globals_seen:
"""


def parsed(table: str) -> list[Mutant]:
    """The edits of a table."""
    return [_mutant(entry) for entry in table.strip().split("\n\n# ")]


def _mutant(entry: str) -> Mutant:
    what, files, *lines = entry.removeprefix("# ").split("\n")
    file, test = files.split(" > ")
    right, wrong = (
        "".join(f"{line[1:]}\n" for line in lines if line.startswith(sign))
        for sign in "-+"
    )
    return Mutant(what, file, test, right, wrong)


MUTANTS = parsed(TABLE)


def noticed(tree: Path, mutant: Mutant) -> bool:
    """Whether the test file fails in a tree with the edit, which is taken back.

    Its slow tests are run where the others notice nothing.
    """
    path = tree / mutant.file
    text = path.read_text("utf-8")
    path.write_text(text.replace(mutant.right, mutant.wrong), "utf-8")
    try:
        return any(_fails(tree, mutant.test, kind) for kind in ("not slow", "slow"))
    finally:
        path.write_text(text, "utf-8")


def _fails(tree: Path, test: str, kind: str) -> bool:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-m",
        kind,
    ]
    programs = {"JAX_COMPILATION_CACHE_DIR": str(tree.parent / "programs")}
    places = {"PYTHONPATH": f"{tree}:{tree / 'conversion'}"}
    run = subprocess.run(
        [*command, test],
        cwd=tree,
        env=programs | os.environ | places,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if run.returncode not in (0, 1, 5):  # neither passed, nor failed, nor had any
        raise RuntimeError(f"{test} did not run:\n{run.stdout}")
    return run.returncode == 1


def survivors(mutants: list[Mutant], jobs: int = JOBS) -> list[Mutant]:
    """The edits that their test files do not notice, a line for each that is tried."""
    here = threading.local()
    with tempfile.TemporaryDirectory() as folder:

        def tried(mutant: Mutant) -> bool:
            if not hasattr(here, "tree"):
                here.tree = Path(folder) / str(threading.get_ident())
                shutil.copytree(ROOT, here.tree, ignore=LEFT_OUT)
            found = noticed(here.tree, mutant)
            print("noticed " if found else "SURVIVED", mutant.what, flush=True)
            return found

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            results = list(pool.map(tried, mutants))
    return [m for m, found in zip(mutants, results, strict=True) if not found]


def main() -> None:
    """Tries the edits that the arguments choose; fails where one survives."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=__doc__
    )
    parser.add_argument("words", nargs="*", help="words in description or file")
    parser.add_argument("--share", type=int, default=1, help="try one in so many")
    parser.add_argument("--seed", type=int, help="start of the random choice")
    parser.add_argument("--jobs", type=int, default=JOBS, help="tried side by side")
    options = parser.parse_args()
    chosen = [
        m for m in MUTANTS if all(w in f"{m.what} {m.file}" for w in options.words)
    ]
    count = -(-len(chosen) // options.share)
    seed = random.randrange(2**31) if options.seed is None else options.seed
    chosen = random.Random(seed).sample(chosen, count)
    left = survivors(chosen, options.jobs)
    print(f"{len(left)} of {count} edits survived, seed {seed}")
    for mutant in left:
        print(f"{mutant.file}: {mutant.what} ({mutant.test})")
    sys.exit(bool(left))


if __name__ == "__main__":
    main()
