"""MobileFaceNets in PyTorch under the two namings of the published checkpoints.

`NamedNet` has the names of TreB1eN and FaceX-Zoo, `NumberedNet` those of insightface.
"""

from torch import nn

SAME = (1, 1, 1, 1)


class ConvBlock(nn.Module):
    """Padding written out (left, right, top, bottom), to allow TensorFlow's."""

    def __init__(
        self, channels_in, channels_out, size, stride=1, pads=None, groups=1, act=True
    ):
        super().__init__()
        self.pad = nn.ZeroPad2d(pads or (0, 0, 0, 0))
        self.conv = nn.Conv2d(
            channels_in, channels_out, size, stride, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(channels_out)
        if act:
            self.prelu = nn.PReLU(channels_out)

    def forward(self, x):
        y = self.bn(self.conv(self.pad(x)))
        return self.prelu(y) if hasattr(self, "prelu") else y


class DepthWise(nn.Module):
    def __init__(self, channels_in, channels_out, groups, stride, pads, residual):
        super().__init__()
        self.conv = ConvBlock(channels_in, groups, 1)
        self.conv_dw = ConvBlock(groups, groups, 3, stride, pads, groups)
        self.project = ConvBlock(groups, channels_out, 1, act=False)
        self.residual = residual

    def forward(self, x):
        y = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.residual else y


class Repeat(nn.Module):
    def __init__(self, count, channels, groups):
        super().__init__()
        self.model = nn.Sequential(
            *[
                DepthWise(channels, channels, groups, 1, SAME, True)
                for _ in range(count)
            ]
        )

    def forward(self, x):
        return self.model(x)


class NamedNet(nn.Module):
    def __init__(self, embedding_size=512, strided=SAME):
        super().__init__()
        self.conv1 = ConvBlock(3, 64, 3, 2, strided)
        self.conv2_dw = ConvBlock(64, 64, 3, 1, SAME, 64)
        self.conv_23 = DepthWise(64, 64, 128, 2, strided, False)
        self.conv_3 = Repeat(4, 64, 128)
        self.conv_34 = DepthWise(64, 128, 256, 2, strided, False)
        self.conv_4 = Repeat(6, 128, 256)
        self.conv_45 = DepthWise(128, 128, 512, 2, strided, False)
        self.conv_5 = Repeat(2, 128, 256)
        self.conv_6_sep = ConvBlock(128, 512, 1)
        self.conv_6_dw = ConvBlock(512, 512, 7, groups=512, act=False)
        self.linear = nn.Linear(512, embedding_size, bias=False)
        self.bn = nn.BatchNorm1d(embedding_size)

    def stages(self, x):
        first = self.conv2_dw(self.conv1(x))
        second = self.conv_3(self.conv_23(first))
        third = self.conv_4(self.conv_34(second))
        fourth = self.conv_5(self.conv_45(third))
        return [first, second, third, fourth, self.conv_6_sep(fourth)]

    def head(self, x):
        return self.bn(self.linear(self.conv_6_dw(x).flatten(1)))

    def forward(self, x):
        return self.head(self.stages(x)[-1])


class Layers(nn.Module):
    def __init__(self, *layers, residual=False):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.residual = residual

    def forward(self, x):
        y = self.layers(x)
        return x + y if self.residual else y


def conv_layers(channels_in, channels_out, size, stride=1, groups=1, act=True):
    padding = 1 if size == 3 else 0
    layers = [
        nn.Conv2d(
            channels_in, channels_out, size, stride, padding, groups=groups, bias=False
        ),
        nn.BatchNorm2d(channels_out),
    ]
    return Layers(*layers, *([nn.PReLU(channels_out)] if act else []))


def unit(channels_in, channels_out, groups, stride=2, residual=False):
    return Layers(
        conv_layers(channels_in, groups, 1),
        conv_layers(groups, groups, 3, stride, groups),
        conv_layers(groups, channels_out, 1, act=False),
        residual=residual,
    )


def repeat(count, channels, groups):
    return Layers(*[unit(channels, channels, groups, 1, True) for _ in range(count)])


class NumberedNet(nn.Module):
    def __init__(self, width=1, blocks=(1, 4, 6, 2)):
        super().__init__()
        narrow, wide = 64 * width, 128 * width
        self.layers = nn.ModuleList(
            [
                conv_layers(3, narrow, 3, 2),
                conv_layers(narrow, narrow, 3, 1, 64)
                if blocks[0] == 1
                else repeat(blocks[0], narrow, 128),
                unit(narrow, narrow, 128),
                repeat(blocks[1], narrow, 128),
                unit(narrow, wide, 256),
                repeat(blocks[2], wide, 256),
                unit(wide, wide, 512),
                repeat(blocks[3], wide, 256),
            ]
        )
        self.conv_sep = conv_layers(wide, 512, 1)
        self.features = Layers(
            conv_layers(512, 512, 7, groups=512, act=False),
            nn.Flatten(),
            nn.Linear(512, 512, bias=False),
            nn.BatchNorm1d(512),
        )

    def stages(self, x):
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return [*maps[1::2], self.conv_sep(x)]

    def head(self, x):
        return self.features(x)

    def forward(self, x):
        return self.head(self.stages(x)[-1])
