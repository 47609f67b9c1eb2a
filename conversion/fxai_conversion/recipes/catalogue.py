"""The published checkpoints: what is in them, what they expect, whose they are.

A recipe holds what the tensors do not say: colour order, scaling, epsilon, licence.
Several families share names and shapes and differ in just that, so
`fxai_conversion.choosing` proposes recipes and never takes one for another.
"""

from fxai_conversion.recipes import iresnet_recipes, other_recipes
from fxai_conversion.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (*iresnet_recipes.RECIPES, *other_recipes.RECIPES)
}
"""The recipes by name."""

TRAINING = (
    (r"(state_)?optim(izer)?(_states)?\..*", "state of the optimiser"),
    (r"(state_)?(lr_)?schedulers?\..*", "state of training"),
    (r"(callbacks|loops|scaler|amp)\..*", "state of training"),
    (r"(epoch|step|global_step|best_acc|rng_state)(\..*)?", "state of training"),
)
"""Tensors of no network, left out whatever the recipe."""

UNSUPPORTED = (
    (r"keypoint_linear\.", "CVLface ViT-KPRPE, which reads landmarks beside the face"),
    (r"body\.0\.res_layer\.8\.", "an IR-152 or IR-200 of bottleneck blocks"),
    (r"gdconv\.", "foamliu's MobileFaceNet, another network of that name"),
    (r"patch_to_embedding\.", "Face-Transformer"),
    (r"stages\.0\.blocks\.0\.gamma", "EdgeFace"),
    (r"mlp\.l1\.", "eDifFIQA, a network with a quality regressor"),
)
"""Names that tell networks which this library does not have."""
