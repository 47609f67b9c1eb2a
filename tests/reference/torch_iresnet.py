"""IResNets in PyTorch under the names of the published checkpoints.

`InsightFaceNet` has the names of insightface, ElasticFace, MagFace and CR-FIQA,
`BodyNet` those of AdaFace, CurricularFace, TreB1eN and FaceX-Zoo.
"""

import torch
from torch import nn

GRID = 7


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x):
        pooled = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(self.relu(self.fc1(pooled))))


class InsightFaceBlock(nn.Module):
    def __init__(self, channels_in, channels_out, stride, eps, squeeze_excite):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in, eps=eps)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out, eps=eps)
        self.prelu = nn.PReLU(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out, eps=eps)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out, eps=eps),
            )
        if squeeze_excite:
            self.se_block = SqueezeExcite(channels_out)

    def forward(self, x):
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        y = self.bn3(self.conv2(y))
        if hasattr(self, "se_block"):
            y = self.se_block(y)
        return y + (x if self.downsample is None else self.downsample(x))


class InsightFaceNet(nn.Module):
    def __init__(
        self,
        blocks,
        *,
        width=64,
        embedding_size=512,
        eps=1e-5,
        squeeze_excite=False,
        quality=False,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=eps)
        self.prelu = nn.PReLU(width)
        channels = width
        for stage, count in enumerate(blocks):
            units = []
            for index in range(count):
                out, stride = width * 2**stage, 2 if index == 0 else 1
                units.append(
                    InsightFaceBlock(channels, out, stride, eps, squeeze_excite)
                )
                channels = out
            setattr(self, f"layer{stage + 1}", nn.Sequential(*units))
        self.bn2 = nn.BatchNorm2d(channels, eps=eps)
        self.fc = nn.Linear(channels * GRID * GRID, embedding_size)
        self.features = nn.BatchNorm1d(embedding_size, eps=eps)
        if quality:
            self.qs = nn.Linear(embedding_size, 1)

    def stages(self, x):
        x = self.prelu(self.bn1(self.conv1(x)))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def head(self, x):
        return self.features(self.fc(torch.flatten(self.bn2(x), 1)))

    def forward(self, x):
        return self.head(self.stages(x)[-1])


class BodyUnit(nn.Module):
    def __init__(self, channels_in, channels_out, stride, middle_norm, squeeze_excite):
        super().__init__()
        self.shortcut_layer = (
            nn.MaxPool2d(1, stride)
            if channels_in == channels_out
            else nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )
        )
        layers = [
            nn.BatchNorm2d(channels_in),
            nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=False),
            nn.PReLU(channels_out),
            nn.Conv2d(channels_out, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        ]
        if middle_norm:
            layers.insert(2, nn.BatchNorm2d(channels_out))
        self.res_layer = nn.Sequential(*layers)
        if squeeze_excite:
            name = "se_block" if middle_norm else "5"
            self.res_layer.add_module(name, SqueezeExcite(channels_out))

    def forward(self, x):
        return self.res_layer(x) + self.shortcut_layer(x)


class BodyNet(nn.Module):
    def __init__(
        self,
        blocks,
        *,
        width=64,
        embedding_size=512,
        middle_norm=True,
        squeeze_excite=False,
        affine=False,
    ):
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
        )
        units, channels = [], width
        for stage, count in enumerate(blocks):
            for index in range(count):
                out, stride = width * 2**stage, 2 if index == 0 else 1
                units.append(
                    BodyUnit(channels, out, stride, middle_norm, squeeze_excite)
                )
                channels = out
        self.body = nn.Sequential(*units)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(channels * GRID * GRID, embedding_size),
            nn.BatchNorm1d(embedding_size, affine=affine),
        )
        self.ends = [sum(blocks[: stage + 1]) for stage in range(len(blocks))]

    def stages(self, x):
        x = self.input_layer(x)
        maps = []
        for count, unit in enumerate(self.body, start=1):
            x = unit(x)
            if count in self.ends:
                maps.append(x)
        return maps

    def head(self, x):
        return self.output_layer(x)

    def forward(self, x):
        return self.head(self.stages(x)[-1])
