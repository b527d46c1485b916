"""The networks that are compared, all `[n, 3, h, w]` in 0..1 to `[n]` logits.

Five are those of Ye et al. 2022 (Radiology: Artificial Intelligence 4(3) e210285) in the shapes of their published
code: a simple CNN, InceptionV3, ResNet101V2, the same with its body frozen, EfficientNetB4. `lite` is a B4 with a
quarter of the channels and fewer blocks. Every one ends in dense layers that are 1 x 1 convolutions, so that a slice's
score does not depend on its company in a batch.

A whole B4 cannot be trained from nothing on a few CPU cores within an hour; `grow` plants a trained `lite` into it in
such a way that the whole computes the very same function, and training goes on from there.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torchvision.models import inception_v3
from torchvision.models.efficientnet import EfficientNet, MBConvConfig

PIXELS = 192

# expand ratio, kernel, stride, input channels, output channels, blocks: EfficientNetB4
PLAN = (
    (1, 3, 1, 48, 24, 2),
    (6, 3, 2, 24, 32, 4),
    (6, 5, 2, 32, 56, 4),
    (6, 3, 2, 56, 112, 6),
    (6, 5, 1, 112, 160, 6),
    (6, 5, 2, 160, 272, 8),
    (6, 3, 1, 272, 448, 2),
)
SHALLOW = (1, 2, 2, 2, 2, 3, 1)


def head(channels: int, dropout: float = 0.3) -> nn.Sequential:
    """The published head: dropout, dense 1000 ReLU, dropout, dense 1. Two of the networks have it without dropout."""
    out = nn.Conv2d(1000, 1, 1)
    nn.init.zeros_(out.bias)
    return nn.Sequential(nn.Dropout(dropout), nn.Conv2d(channels, 1000, 1), nn.ReLU(), nn.Dropout(dropout), out)


class Pooled(nn.Module):
    """A body of feature maps, global average pool and the published head."""

    def __init__(self, body: nn.Module, channels: int, dropout: float = 0.3):
        super().__init__()
        self.body, self.head = body, head(channels, dropout)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.body(x * 2 - 1))).reshape(-1)

    def freeze_body(self) -> None:
        """Leave the head alone to learn."""
        self.body.requires_grad_(False)


class SimpleCnn(nn.Module):
    """Four convolutions and three dense layers; the first dense layer ties it to 192 x 192."""

    def __init__(self) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.05)
        conv = lambda i, o, size=3: [nn.Conv2d(i, o, size), nn.ReLU()]  # noqa: E731
        self.body = nn.Sequential(
            *conv(3, 16), norm(16), nn.MaxPool2d(2), norm(16),
            *conv(16, 64), nn.MaxPool2d(2), norm(64),
            *conv(64, 128), nn.MaxPool2d(2), norm(128),
            *conv(128, 128), nn.MaxPool2d(2),
        )  # fmt: skip
        # One batch norm a flattened value, as published; a dense layer over the map is a convolution of its size.
        self.flat = nn.BatchNorm1d(12800, eps=1e-3, momentum=0.05)
        self.dense = nn.Sequential(
            *conv(128, 256, 10), nn.Dropout(0.3), norm(256),
            *conv(256, 256, 1), nn.Dropout(0.3), nn.Conv2d(256, 1, 1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.flat(self.body(x).flatten(1)).view(-1, 128, 10, 10)).reshape(-1)


class _Bottleneck(nn.Module):
    """A pre-activation bottleneck as in Keras' ResNetV2, whose stride lies in the last block of a stack."""

    def __init__(self, channels: int, width: int, stride: int, project: bool):
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=1.001e-5, momentum=0.03)
        self.before = nn.Sequential(norm(channels), nn.ReLU())
        self.project = nn.Conv2d(channels, 4 * width, 1, stride) if project else None
        self.pool = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False), norm(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), norm(width), nn.ReLU(),
            nn.Conv2d(width, 4 * width, 1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.before(x)
        return (self.project(y) if self.project else self.pool(x)) + self.inner(y)


def resnet101v2_body() -> nn.Sequential:
    """The body of Keras' ResNet101V2."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for width, blocks, stride in ((64, 3, 2), (128, 4, 2), (256, 23, 2), (512, 3, 1)):
        for i in range(blocks):
            layers.append(_Bottleneck(channels, width, stride if i == blocks - 1 else 1, i == 0))
            channels = 4 * width
    return nn.Sequential(*layers, nn.BatchNorm2d(2048, eps=1.001e-5, momentum=0.03), nn.ReLU())


def inception_body() -> nn.Module:
    """InceptionV3 up to its last feature maps."""
    names = (
        "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2 Mixed_5b Mixed_5c Mixed_5d "
        "Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c"
    )
    whole = inception_v3(weights=None, aux_logits=False, init_weights=False)
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.03
    return nn.Sequential(*(getattr(whole, name) for name in names.split()))


class _Config(MBConvConfig):
    """A block's numbers taken as they stand, without rounding channels to eight."""

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        return int(channels * width_mult)


def efficientnet(narrow: int = 1, depths: tuple[int, ...] | None = None) -> Pooled:
    """EfficientNetB4 with the published head, or a sibling with `1 / narrow` of the channels and `depths` blocks a stage."""
    depths = depths or tuple(row[5] for row in PLAN)
    plan = [_Config(e, k, s, i // narrow, o // narrow, d, 1.0, 1.0) for (e, k, s, i, o, _), d in zip(PLAN, depths, strict=True)]
    norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03)
    body = EfficientNet(plan, dropout=0.0, stochastic_depth_prob=0.0, last_channel=1792 // narrow, norm_layer=norm).features
    return Pooled(body, 1792 // narrow)


def _frozen_resnet() -> Pooled:
    net = Pooled(resnet101v2_body(), 2048, dropout=0.0)
    net.freeze_body()
    return net


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "simple-cnn": SimpleCnn,
    "inception-v3": lambda: Pooled(inception_body(), 2048),
    "resnet101-v2": lambda: Pooled(resnet101v2_body(), 2048, dropout=0.0),
    "resnet101-v2-frozen": _frozen_resnet,
    "efficientnet-b4": efficientnet,
    "lite": lambda: efficientnet(4, SHALLOW),
}
"""Names to constructors; `lite` is ours, the others are published."""


def parameters(net: nn.Module) -> int:
    """Parameters as Keras counts them: weights and the moving statistics of the batch norms."""
    statistics = sum(b.numel() for name, b in net.named_buffers() if name.rsplit(".", 1)[-1] in ("running_mean", "running_var"))
    return statistics + sum(p.numel() for p in net.parameters())


def _plant(wide: torch.Tensor, thin: torch.Tensor) -> None:
    """Put a tensor into the corner of a wider one; what it outputs does not depend on the new inputs."""
    wide[: thin.shape[0]] = 0
    wide[tuple(slice(n) for n in thin.shape)] = thin


@torch.no_grad()
def grow(thin: Pooled) -> Pooled:
    """The whole B4 that computes what the `lite` network `thin` computes."""
    net = efficientnet()
    have, target = thin.state_dict(), net.state_dict()
    for stage in range(1, 8):
        for i in range(len(thin.body[stage]), len(net.body[stage])):
            nn.init.zeros_(net.body[stage][i].block[-1][1].weight)
    for name, value in have.items():
        if value.dim() == 0:
            target[name].copy_(value)
        else:
            _plant(target[name], value)
    return net
