"""Vision transformers in PyTorch under the names of insightface and CVLface."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x):
        batch, count, width = x.shape
        query, key, value = (
            part.reshape(batch, count, self.heads, -1).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        logits = query @ key.transpose(2, 3) / (width / self.heads) ** 0.5
        mixed = torch.softmax(logits, -1) @ value
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, width))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.relu = nn.ReLU6()

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = Mlp(width, hidden)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, patch, width):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    def __init__(
        self,
        *,
        patch=9,
        width=512,
        depth=12,
        heads=8,
        mlp_ratio=4,
        gated=False,
        mask_token=True,
        embedding_size=512,
    ):
        super().__init__()
        self.grid = 112 // patch
        count = self.grid**2
        self.pos_embed = nn.Parameter(torch.zeros(1, count, width))
        if mask_token:
            self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embed = PatchEmbed(patch, width)
        self.blocks = nn.ModuleList(
            [Block(width, heads, mlp_ratio * width) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Sequential(
            nn.Linear(count * width, width, bias=False),
            nn.BatchNorm1d(width, eps=2e-5),
            nn.Linear(width, embedding_size, bias=False),
            nn.BatchNorm1d(embedding_size, eps=2e-5),
        )
        if gated:
            self.senet = nn.Sequential(
                nn.Linear(count * width, count, bias=False),
                nn.ReLU(),
                nn.Linear(count, count, bias=False),
                nn.Sigmoid(),
            )

    def stages(self, x):
        tokens = self.patch_embed(x) + self.pos_embed
        maps = []
        for block in self.blocks:
            tokens = block(tokens)
            maps.append(self._map(tokens))
        return [*maps, self._map(self.norm(tokens))]

    def _map(self, tokens):
        return tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid))

    def head(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        if hasattr(self, "senet"):
            tokens = tokens * self.senet(tokens.flatten(1))[:, :, None]
        return self.feature(tokens.flatten(1))

    def forward(self, x):
        return self.head(self.stages(x)[-1])
