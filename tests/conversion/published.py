"""The published layouts, which recipe each has, and small checkpoints to convert."""

from tests.reference import weights
from tests.reference.weights import FIXTURES

RECIPE_OF = {
    "adaface_ir_101": "adaface",
    "adaface_ir_18": "adaface",
    "adaface_ir_34": "adaface",
    "adaface_ir_50": "adaface",
    "adaface_ir_se_50": "adaface",
    "arcface_mbf_large": "insightface-mobilefacenet",
    "arcface_mbf_v1_2021": "insightface-mobilefacenet",
    "arcface_mbf_v2": "insightface-mobilefacenet",
    "arcface_r100": "arcface",
    "arcface_r18": "arcface",
    "arcface_r200": "arcface",
    "arcface_r34": "arcface",
    "arcface_r50": "arcface",
    "arcface_vit_b": "insightface-vit",
    "arcface_vit_l": "insightface-vit",
    "arcface_vit_s": "insightface-vit",
    "arcface_vit_t": "insightface-vit",
    "crfiqa_r100": "crfiqa",
    "crfiqa_r50": "crfiqa",
    "curr_ir101": "curricularface",
    "curr_irse50": "curricularface",
    "cvl_vit_base_net": "cvlface-vit",
    "cvl_vit_small_net": "cvlface-vit",
    "elastic_r100_se": "elasticface",
    "facenet_irv1": "facenet",
    "facex_mfn": "facex-mobilefacenet",
    "facex_r152irse": "facex-ir",
    "facex_r50ir": "facex-ir",
    "magface_r50": "magface",
    "transface_s": "transface",
    "treb_irse50": "treb1en-ir-se",
    "treb_mfn": "treb1en-mobilefacenet",
}
"""The recipe by the name of a layout."""

SHARED = {
    "arcface": {"arcface", "elasticface", "magface", "topofr", "dqm-face"},
    "magface": {"arcface", "elasticface", "magface", "topofr", "dqm-face"},
    "insightface-vit": {"insightface-vit", "lvface"},
    "adaface": {"adaface", "cvlface-ir"},
    "treb1en-ir-se": {"treb1en-ir-se", "evolve", "facex-ir"},
    "facex-ir": {"treb1en-ir-se", "evolve", "facex-ir"},
    "treb1en-mobilefacenet": {"treb1en-mobilefacenet", "facex-mobilefacenet"},
    "facex-mobilefacenet": {"treb1en-mobilefacenet", "facex-mobilefacenet"},
}
"""Recipes that have the same tensors; all others have their own."""


def layouts():
    """Names of all published layouts."""
    return sorted(path.stem for path in FIXTURES.glob("*.json"))


def narrow(layout, by=8):
    """The layout with a fraction of the channels, for a file of a megabyte."""
    return {
        name: tuple(size // by if size % 64 == 0 else size for size in shape)
        for name, shape in layout.items()
    }


def small(arch="arcface_r18"):
    """Tensors of a narrow network under the names of a published one."""
    return weights.state(narrow(weights.published_layout(arch)))
