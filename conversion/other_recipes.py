"""Recipes of MobileFaceNet, InceptionResnetV1 and the vision transformers."""

from typing import Any

from conversion import layouts, tables
from conversion.recipe import (
    ARCFACE,
    BGR_128,
    CVLFACE_URL,
    FACEX_URL,
    HEAD,
    INSIGHTFACE_LICENCE,
    INSIGHTFACE_URL,
    KERNEL,
    MOBILE,
    RGB,
    SOFTMAX,
    TREB_URL,
    Recipe,
    Shape,
)

_NAMED: dict[str, Any] = {
    "family": "mobilefacenet",
    "layout": layouts.named_mobilefacenet,
    "rules": tables.NAMED_MOBILEFACENET,
    "required": {
        "conv_6_dw.conv.weight": (512, 1, 7, 7),
        "conv1.conv.weight": (64, 3, 3, 3),
        "linear.weight": (None, 512),
    },
    "citation": MOBILE,
}
_VIT: dict[str, Any] = {
    "family": "vit",
    "layout": layouts.transformer,
    "rules": tables.VIT,
    "fixed": RGB,
}


def _patches(size: int) -> dict[str, Shape]:
    return {
        "patch_embed.proj.weight": (None, 3, size, size),
        "pos_embed": (1, None, None),
        "blocks.0.mlp.fc1.weight": (None, None),
        "feature.2.weight": (None, None),
    }


RECIPES = (
    Recipe(
        **_NAMED,
        name="treb1en-mobilefacenet",
        title="TreB1eN MobileFaceNet",
        fixed=RGB,
        files="model_mobilefacenet.pth",
        hint="from TreB1eN: RGB, / 127.5",
        licence="MIT",
        url=TREB_URL,
        lfw="99.18",
        notes="The published network normalises its embedding; this one does not.",
    ),
    Recipe(
        **_NAMED,
        name="facex-mobilefacenet",
        title="FaceX-Zoo MobileFaceNet",
        fixed=BGR_128,
        files="Epoch_17.pt and the like",
        hint="from FaceX-Zoo: BGR, (p - 127.5) / 128",
        licence="Apache-2.0",
        url=FACEX_URL,
        lfw="99.57",
        ignored=(HEAD,),
        wrapper=r"state_dict\.(backbone|module\.backbone|feat_net)\.",
    ),
    Recipe(
        name="insightface-mobilefacenet",
        title="insightface MobileFaceNet (v1, v2, large)",
        family="mobilefacenet",
        layout=layouts.numbered_mobilefacenet,
        rules=tables.NUMBERED_MOBILEFACENET,
        required={
            "conv_sep.layers.0.weight": (512, None, 1, 1),
            "layers.0.layers.0.weight": KERNEL,
            "features.layers.2.weight": (None, 512),
        },
        fixed=RGB,
        files="backbone.pth, model.pt",
        hint="the only one with these names",
        licence=INSIGHTFACE_LICENCE,
        url=INSIGHTFACE_URL,
        citation=MOBILE,
        lfw="99.70 (buffalo_s)",
        ignored=(SOFTMAX,),
    ),
    Recipe(
        name="facenet",
        title="facenet-pytorch InceptionResnetV1",
        family="inception_resnet_v1",
        layout=layouts.facenet,
        rules=tables.FACENET,
        required={
            "conv2d_1a.conv.weight": (32, 3, 3, 3),
            "last_linear.weight": (None, 1792),
        },
        fixed={"mean": 127.5, "scale": 128.0, "order": "rgb"},
        files="20180402-114759-vggface2.pt, 20180408-102900-casia-webface.pt",
        hint="the only one with these names",
        licence="MIT",
        url="https://github.com/timesler/facenet-pytorch",
        citation="Schroff et al.: FaceNet, CVPR 2015, arXiv 1503.03832",
        lfw="99.65 (VGGFace2), 99.05 (CASIA)",
        dropout=0.6,
        ignored=((r"logits\..*", "classifier of the training identities"),),
        image_size=(160, 160),
        alignment="mtcnn-box",
        notes="Faces are plain boxes of a detector, not aligned by landmarks. The "
        "published network normalises its embedding; this one does not.",
    ),
    Recipe(
        **_VIT,
        name="insightface-vit",
        title="insightface ViT",
        required=_patches(9),
        forbidden=("senet.0.weight", "keypoint_linear.weight"),
        files="model.pt",
        hint="patches of 9 pixels",
        licence=INSIGHTFACE_LICENCE,
        url=INSIGHTFACE_URL,
        citation=ARCFACE,
        lfw="not reported",
        ignored=(SOFTMAX,),
    ),
    Recipe(
        **_VIT,
        name="transface",
        title="TransFace ViT",
        required=_patches(9) | {"senet.0.weight": (None, None)},
        files="glint360k_model_TransFace_L.pt and the like",
        hint="the one with the token gate senet",
        licence="not stated",
        url="https://github.com/DanJun6737/TransFace",
        citation="Dan et al.: TransFace, ICCV 2023, arXiv 2308.10133",
        lfw="not reported",
    ),
    Recipe(
        **_VIT,
        name="cvlface-vit",
        title="CVLface ViT",
        required=_patches(8),
        forbidden=("senet.0.weight", "keypoint_linear.weight"),
        files="model.safetensors, model.pt",
        hint="patches of 8 pixels",
        licence="MIT",
        url=CVLFACE_URL,
        citation="Kim, Jain, Liu: AdaFace, CVPR 2022, arXiv 2204.00964",
        lfw="99.80 (base, WebFace4M)",
        ignored=(HEAD,),
    ),
)
