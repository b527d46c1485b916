"""The network: an EfficientNetB4 body with the published head, and its growth from a narrow, shallow sibling.

A whole B4 cannot be trained from nothing in minutes on two CPU cores. So a sibling of the same plan with
`1 / narrow` of the channels and fewer blocks a stage is trained first, and then planted into the whole network in
such a way that the whole computes the very same function: channels of the sibling do not look at the new ones, and
new residual blocks start as the identity. Training can then go on with the whole network (a stage `whole:...`).
"""

from functools import partial

import torch
from torch import nn
from torchvision.models.efficientnet import EfficientNet, MBConvConfig

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


class _Config(MBConvConfig):
    """A block's numbers taken as they stand, without rounding channels to eight."""

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        return int(channels * width_mult)


class TorsoB4(nn.Module):
    """[n, 3, h, w] in 0..1 to [n] logits: B4 body, global average pool, dropout 0.3, 1000 ReLU, dropout 0.3, 1."""

    def __init__(self, narrow: int = 1, depths: tuple[int, ...] | None = None) -> None:
        super().__init__()
        depths = depths or tuple(row[5] for row in PLAN)
        plan = [_Config(e, k, s, i // narrow, o // narrow, d, 1.0, 1.0) for (e, k, s, i, o, _), d in zip(PLAN, depths, strict=True)]
        norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03)
        body = EfficientNet(plan, dropout=0.0, stochastic_depth_prob=0.0, last_channel=1792 // narrow, norm_layer=norm)
        self.features = body.features
        self.hidden = nn.Conv2d(1792 // narrow, 1000, 1)
        self.out = nn.Conv2d(1000, 1, 1)
        nn.init.zeros_(self.out.bias)
        self.drop, self.act = nn.Dropout(0.3), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x * 2 - 1).mean((2, 3), keepdim=True)
        return self.out(self.drop(self.act(self.hidden(self.drop(x))))).flatten()


def _plant(wide: torch.Tensor, thin: torch.Tensor) -> None:
    """Put a tensor into the corner of a wider one; what it outputs does not depend on the new inputs."""
    rows = thin.shape[0]
    wide[:rows] = 0
    wide[tuple(slice(n) for n in thin.shape)] = thin


@torch.no_grad()
def grow(thin: TorsoB4) -> TorsoB4:
    """The whole network that computes what `thin` computes."""
    net = TorsoB4()
    have, target = thin.state_dict(), net.state_dict()
    for stage in range(1, 8):
        for i in range(len(thin.features[stage]), len(net.features[stage])):
            nn.init.zeros_(net.features[stage][i].block[-1][1].weight)
    for name, value in have.items():
        if value.dim() == 0:
            target[name].copy_(value)
        else:
            _plant(target[name], value)
    return net
