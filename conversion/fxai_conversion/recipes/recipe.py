"""What a recipe says, and what several recipes share."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from fxai_conversion.recipes.naming import Naming

Shape = tuple[int | None, ...]
"""Sizes that a tensor must have; None is any size."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one family of checkpoints becomes a network of ours.

    Attributes:
        name: Name on the command line.
        title: Name to show.
        naming: The network, and what its tensors are called.
        required: Tensors it must have, with their shapes.
        fixed: Options that the shapes do not show.
        files: What its files are called.
        hint: What tells it from recipes with the same tensors.
        licence: Terms of code and weights.
        url: Where it is published.
        citation: The paper.
        lfw: Accuracy on LFW in percent, as its authors report it.
        forbidden: Tensors that only other families have.
        dropout: Rate it was trained with, before the last linear map.
        ignored: Patterns of tensors to leave out, and why.
        wrapper: Prefix that only this family's training code writes.
        image_size: Height and width in pixels.
        alignment: Template of the five landmarks.
        notes: Anything else a user should know.
    """

    name: str
    title: str
    naming: Naming
    required: Mapping[str, Shape]
    fixed: Mapping[str, Any]
    files: str
    hint: str
    licence: str
    url: str
    citation: str
    lfw: str
    forbidden: tuple[str, ...] = ()
    dropout: float = 0.0
    ignored: tuple[tuple[str, str], ...] = ()
    wrapper: str | None = None
    image_size: tuple[int, int] = (112, 112)
    alignment: str = "arcface-112"
    notes: str = ""


RGB = {"mean": 127.5, "scale": 127.5, "order": "rgb"}
BGR = RGB | {"order": "bgr"}
BGR_128 = BGR | {"scale": 128.0}
BGR_255 = {"mean": 0.0, "scale": 255.0, "order": "bgr"}

KERNEL = (None, 3, 3, 3)
ARCFACE = "Deng et al.: ArcFace, CVPR 2019, arXiv 1801.07698"
MOBILE = "Chen et al.: MobileFaceNets, CCBR 2018, arXiv 1804.07573"
INSIGHTFACE_URL = "https://github.com/deepinsight/insightface"
INSIGHTFACE_LICENCE = "code MIT; weights non-commercial research only"
CVLFACE_URL = "https://github.com/mk-minchul/CVLface"
FACEX_URL = "https://github.com/JDAI-CV/FaceX-Zoo"
FACEX_CITATION = "Wang et al.: FaceX-Zoo, ACM MM 2021, arXiv 2101.04407"
TREB_URL = "https://github.com/TreB1eN/InsightFace_Pytorch"
FACEX_WRAPPER = r"state_dict\.(backbone|module\.backbone|feat_net)\."
UNIT_NOTE = "The published network normalises its embedding; this one does not."
HEAD = (r"(.*\.)?head\..*", "classifier of the training identities")
SOFTMAX = (r"state_dict_softmax_fc\..*", "classifier of the training identities")
CLASSIFIER = (
    r"(.*\.)?(fc|parallel_fc|module\.fc)\.(weight|bias|.*\.weight)",
    "classifier of the training identities",
)
