"""Networks to compare with PyTorch, each in our words and in those of the reference.

The tiny cases have golden files, written by `generate_backbone_goldens`; the others
are as published.
"""

import dataclasses
import importlib
from typing import Any

import numpy as np

from fxai_jax.backbones import registry
from tests.reference import torch_names, weights


@dataclasses.dataclass(frozen=True)
class Case:
    """One network; `reference` is a class of tests.reference and its arguments."""

    family: str
    options: dict[str, Any]
    rules: torch_names.Rules
    reference: tuple[str, str, dict[str, Any]]
    size: int = 112

    def make(self):
        return registry.build(self.family, self.options)

    def fill(self, state):
        if self.rules in (torch_names.ADAFACE, torch_names.CURRICULARFACE):
            state = torch_names.staged(state, self.reference[2]["blocks"])
        return weights.fill(self.make, torch_names.arrays(state, self.rules))

    def torch_net(self):
        module, name, arguments = self.reference
        reference = importlib.import_module(f"tests.reference.{module}")
        return getattr(reference, name)(**arguments).eval()

    @property
    def convention(self):
        """Mean, scale and order of the input, as the network's authors state them."""
        scale = 128.0 if self.family == "inception_resnet_v1" else 127.5
        stated = {"mean": 127.5, "scale": scale, "order": "rgb"} | self.options
        return stated["mean"], stated["scale"], stated["order"]

    def image(self, name, numbers=weights.hashed):
        """Uniform noise; the hashed kind depends on the name alone."""
        return numbers(name, (self.size, self.size, 3)).astype(np.float32)


def _insightface(blocks, options, **reference):
    arguments = {"blocks": blocks, **reference}
    options = {"depth": blocks, **options}
    return Case(
        "iresnet",
        options,
        torch_names.INSIGHTFACE,
        ("torch_iresnet", "InsightFaceNet", arguments),
    )


def _body(blocks, options, *, middle_norm, **reference):
    arguments = {"blocks": blocks, "middle_norm": middle_norm, **reference}
    options = {
        "depth": blocks,
        "shortcut": "pool",
        "affine": False,
        "middle_norm": middle_norm,
        **options,
    }
    rules = torch_names.ADAFACE if middle_norm else torch_names.CURRICULARFACE
    return Case("iresnet", options, rules, ("torch_iresnet", "BodyNet", arguments))


def _vit(options, **reference):
    arguments = {key: value for key, value in options.items() if key != "order"}
    return Case(
        "vit",
        options,
        torch_names.VIT,
        ("torch_vit", "VisionTransformer", {**arguments, **reference}),
    )


def _facenet(**options):
    return Case(
        "inception_resnet_v1",
        options,
        torch_names.FACENET,
        ("torch_inception_resnet", "InceptionResnetV1", options),
        size=160,
    )


def _mobilefacenet(options, rules, name, **arguments):
    reference = ("torch_mobilefacenet", name, arguments)
    return Case("mobilefacenet", options, rules, reference)


TINY_NET = {"width": 16, "embedding_size": 32}
BGR_128 = {"order": "bgr", "scale": 128.0}
BGR_255 = {"order": "bgr", "mean": 0.0, "scale": 255.0, "dropout_kind": "channel"}
GATES = {"squeeze_excite": True}
NAMED = torch_names.NAMED_MOBILEFACENET
NUMBERED = torch_names.NUMBERED_MOBILEFACENET

TINY = {
    "crfiqa": _insightface(
        (1, 2, 1, 1), TINY_NET | {"quality": True}, quality=True, **TINY_NET
    ),
    "magface": _insightface(
        (1, 1, 1, 1), TINY_NET | BGR_255 | {"eps": 2e-5}, eps=2e-5, **TINY_NET
    ),
    "adaface": _body(
        (1, 2, 1, 1), TINY_NET | {"order": "bgr"}, middle_norm=True, **TINY_NET
    ),
    "curricularface": _body((1, 1, 1, 1), TINY_NET, middle_norm=False, **TINY_NET),
    "facex_se": _body(
        (1, 1, 1, 1),
        TINY_NET | GATES | BGR_128 | {"affine": True},
        middle_norm=False,
        affine=True,
        **TINY_NET,
        **GATES,
    ),
    "facenet": _facenet(repeats=(1, 1, 1), embedding_size=32),
    "vit": _vit({"width": 32, "depth": 2, "heads": 4, "embedding_size": 16}),
    "transface": _vit(
        {"width": 32, "depth": 1, "heads": 4, "embedding_size": 16, "gated": True}
    ),
    "cvlface": _vit(
        {
            "patch": 8,
            "width": 32,
            "depth": 1,
            "heads": 8,
            "mlp_ratio": 3,
            "embedding_size": 16,
        },
        mask_token=False,
    ),
    "mobilefacenet": _mobilefacenet(
        {"width": 2, "blocks": (1, 1, 1, 1)},
        NUMBERED,
        "NumberedNet",
        width=2,
        blocks=(1, 1, 1, 1),
    ),
}
"""Small enough for every run, with every option of the families between them."""

PUBLISHED = {
    "arcface_r18": _insightface((2, 2, 2, 2), {}),
    "arcface_r50": _insightface((3, 4, 14, 3), {}),
    "adaface_ir_18": _body((2, 2, 2, 2), {"order": "bgr"}, middle_norm=True),
    "adaface_ir_se_50": _body(
        (3, 4, 14, 3), {"order": "bgr"} | GATES, middle_norm=True, **GATES
    ),
    "facenet_irv1": _facenet(),
    "arcface_vit_t": _vit({"width": 256}),
    "treb_mfn": _mobilefacenet({}, NAMED, "NamedNet"),
    "shipped": _mobilefacenet(
        {"embedding_size": 192, "strided_padding": "tensorflow", "scale": 128.0},
        NAMED,
        "NamedNet",
        embedding_size=192,
        strided=(0, 1, 0, 1),
    ),
    "arcface_mbf_v1_2021": _mobilefacenet({}, NUMBERED, "NumberedNet"),
    "arcface_mbf_v2": _mobilefacenet({"width": 2}, NUMBERED, "NumberedNet", width=2),
    "arcface_mbf_large": _mobilefacenet(
        {"width": 4, "blocks": (2, 8, 12, 4)},
        NUMBERED,
        "NumberedNet",
        width=4,
        blocks=(2, 8, 12, 4),
    ),
}
