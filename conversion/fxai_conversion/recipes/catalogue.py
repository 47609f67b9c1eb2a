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

UNSUPPORTED = (
    (r"keypoint_linear\.", "CVLface ViT-KPRPE, which reads landmarks beside the face"),
    (r"body\.0\.res_layer\.8\.", "an IR-152 or IR-200 of bottleneck blocks"),
    (r"gdconv\.", "foamliu's MobileFaceNet, another network of that name"),
    (r"patch_to_embedding\.", "Face-Transformer"),
    (r"stages\.0\.blocks\.0\.gamma", "EdgeFace"),
    (r"mlp\.l1\.", "eDifFIQA, a network with a quality regressor"),
    (r"head_qs\.", "ViT-FIQA, a vision transformer with a quality head"),
    (r"layer1\.0\.conv3\.", "a ResNet of bottleneck blocks, as torchvision has"),
)
"""Names that tell networks which this library does not have."""
