"""Inception-ResNet-v1 in PyTorch under the names of facenet-pytorch."""

import torch
from torch import nn


class ConvBlock(nn.Module):
    def __init__(self, channels_in, channels_out, size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in, channels_out, size, stride, padding, bias=False
        )
        self.bn = nn.BatchNorm2d(channels_out, eps=1e-3)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.bn(self.conv(x)))


class Residual(nn.Module):
    def __init__(self, channels, branches, merged, scale, active=True):
        super().__init__()
        self.count = len(branches)
        for index, branch in enumerate(branches):
            setattr(self, f"branch{index}", branch)
        self.conv2d = nn.Conv2d(merged, channels, 1)
        self.scale = scale
        self.relu = nn.ReLU() if active else nn.Identity()

    def forward(self, x):
        maps = [getattr(self, f"branch{index}")(x) for index in range(self.count)]
        return self.relu(self.conv2d(torch.cat(maps, 1)) * self.scale + x)


class Reduction(nn.Module):
    def __init__(self, branches):
        super().__init__()
        self.count = len(branches)
        for index, branch in enumerate(branches):
            setattr(self, f"branch{index}", branch)
        self.pool = nn.MaxPool2d(3, stride=2)

    def forward(self, x):
        maps = [getattr(self, f"branch{index}")(x) for index in range(self.count)]
        return torch.cat([*maps, self.pool(x)], 1)


def block35():
    branches = [
        ConvBlock(256, 32, 1),
        nn.Sequential(ConvBlock(256, 32, 1), ConvBlock(32, 32, 3, 1, 1)),
        nn.Sequential(
            ConvBlock(256, 32, 1),
            ConvBlock(32, 32, 3, 1, 1),
            ConvBlock(32, 32, 3, 1, 1),
        ),
    ]
    return Residual(256, branches, 96, 0.17)


def block17():
    long = nn.Sequential(
        ConvBlock(896, 128, 1),
        ConvBlock(128, 128, (1, 7), 1, (0, 3)),
        ConvBlock(128, 128, (7, 1), 1, (3, 0)),
    )
    return Residual(896, [ConvBlock(896, 128, 1), long], 256, 0.10)


def block8(scale, active=True):
    long = nn.Sequential(
        ConvBlock(1792, 192, 1),
        ConvBlock(192, 192, (1, 3), 1, (0, 1)),
        ConvBlock(192, 192, (3, 1), 1, (1, 0)),
    )
    return Residual(1792, [ConvBlock(1792, 192, 1), long], 384, scale, active)


class InceptionResnetV1(nn.Module):
    def __init__(self, repeats=(5, 10, 5), embedding_size=512):
        super().__init__()
        self.conv2d_1a = ConvBlock(3, 32, 3, 2)
        self.conv2d_2a = ConvBlock(32, 32, 3)
        self.conv2d_2b = ConvBlock(32, 64, 3, 1, 1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = ConvBlock(64, 80, 1)
        self.conv2d_4a = ConvBlock(80, 192, 3)
        self.conv2d_4b = ConvBlock(192, 256, 3, 2)
        self.repeat_1 = nn.Sequential(*[block35() for _ in range(repeats[0])])
        self.mixed_6a = Reduction(
            [
                ConvBlock(256, 384, 3, 2),
                nn.Sequential(
                    ConvBlock(256, 192, 1),
                    ConvBlock(192, 192, 3, 1, 1),
                    ConvBlock(192, 256, 3, 2),
                ),
            ]
        )
        self.repeat_2 = nn.Sequential(*[block17() for _ in range(repeats[1])])
        self.mixed_7a = Reduction(
            [
                nn.Sequential(ConvBlock(896, 256, 1), ConvBlock(256, 384, 3, 2)),
                nn.Sequential(ConvBlock(896, 256, 1), ConvBlock(256, 256, 3, 2)),
                nn.Sequential(
                    ConvBlock(896, 256, 1),
                    ConvBlock(256, 256, 3, 1, 1),
                    ConvBlock(256, 256, 3, 2),
                ),
            ]
        )
        self.repeat_3 = nn.Sequential(*[block8(0.20) for _ in range(repeats[2])])
        self.block8 = block8(1.0, active=False)
        self.last_linear = nn.Linear(1792, embedding_size, bias=False)
        self.last_bn = nn.BatchNorm1d(embedding_size, eps=1e-3)

    def stages(self, x):
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_3b(self.maxpool_3a(x))
        stem = self.conv2d_4b(self.conv2d_4a(x))
        first = self.mixed_6a(self.repeat_1(stem))
        second = self.mixed_7a(self.repeat_2(first))
        return [stem, first, second, self.block8(self.repeat_3(second))]

    def head(self, x):
        return self.last_bn(self.last_linear(x.mean(dim=(2, 3))))

    def forward(self, x):
        return self.head(self.stages(x)[-1])
