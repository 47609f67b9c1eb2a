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
        read_from: Repository at its commit, file and lines where colour order and
            scaling were read.
        files: What its files are called.
        hint: What tells it from recipes with the same tensors.
        licence: Terms of code and weights.
        url: Where it is published.
        citation: The paper.
        lfw: Accuracy on LFW in percent, as its authors report it.
        forbidden: Tensors that only other families have.
        dropout: Rate it was trained with, before the last linear map.
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
    read_from: str
    files: str
    hint: str
    licence: str
    url: str
    citation: str
    lfw: str
    forbidden: tuple[str, ...] = ()
    dropout: float = 0.0
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
INSIGHTFACE_CODE = "deepinsight/insightface@7fadd42 recognition/arcface_torch"
CVLFACE_CODE = (
    "mk-minchul/CVLface@d3d09c9 cvlface/apps/verification/verify.py:29, "
    "cvlface/research/recognition/code/run_v1/models"
)
FACEX_CODE = "JDAI-CV/FaceX-Zoo@16b793a data_processor/train_dataset.py:66,74"
TREB_CODE = (
    "TreB1eN/InsightFace_Pytorch@350ff7a data/data_pipe.py:21-22,58-60,90-92, "
    "face_verify.py:54"
)
TREB_NOTE = (
    "BGR is in doubt: the repository trains, validates and runs on OpenCV's order, but "
    "others who use the file feed RGB, and its author expects the same accuracy of "
    'either (issues 13 and 28). For RGB write "order": "rgb" in card.json.'
)
TREB_URL = "https://github.com/TreB1eN/InsightFace_Pytorch"
FACEX_WRAPPER = r"state_dict\.(backbone|module\.backbone|feat_net)\."
UNIT_NOTE = "The published network normalises its embedding; this one does not."
