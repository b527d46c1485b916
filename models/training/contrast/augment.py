"""Augmentation of slice batches `[n, 1, h, w]` in 0..1, by a config's `[augmentation]`."""

import torch
from torch.nn import functional as F


def augment(x: torch.Tensor, how: dict, generator: torch.Generator) -> torch.Tensor:
    """Rotation, shift, zoom, mirror; then blur, gain, offset and noise of random grain inside the body, as scanners differ.

    Missing keys do nothing.
    """
    n = x.shape[0]
    signed = lambda *shape: torch.rand(*shape, generator=generator) * 2 - 1  # noqa: E731
    angle = signed(n) * how.get("rotation_deg", 0.0) * torch.pi / 180
    zoom, shift = 1 + signed(n) * how.get("zoom", 0.0), 2 * how.get("shift", 0.0)
    mirror = torch.sign(signed(n)) if how.get("mirror") else torch.ones(n)
    theta = torch.stack(
        [zoom * torch.cos(angle) * mirror, -zoom * torch.sin(angle), signed(n) * shift,
         zoom * torch.sin(angle) * mirror, zoom * torch.cos(angle), signed(n) * shift], 1).view(n, 2, 3)  # fmt: skip
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode=how.get("fill", "zeros"), align_corners=False)
    gain, offset, noise = how.get("gain", 0.0), how.get("offset", 0.0), how.get("noise", 0.0)
    if not (gain or offset or noise):
        return x
    if how.get("blur"):
        mix = torch.rand(n, 1, 1, 1, generator=generator) * (torch.rand(n, 1, 1, 1, generator=generator) < how["blur"])
        x = x + mix * (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
    body = (x > 0.02) & (x < 0.98)
    changed = x * (1 + signed(n, 1, 1, 1) * gain) + signed(n, 1, 1, 1) * offset
    strength = torch.rand(n, 1, 1, 1, generator=generator).square() * noise
    return torch.where(body, changed + grain(x.shape, how.get("grain", 1.0), generator) * strength, x).clamp(0, 1)


def grain(shape: torch.Size, coarsest: float, generator: torch.Generator) -> torch.Tensor:
    """Noise of unit variance whose grain is up to `coarsest` pixels, the same for a batch: coarse noise resembles vessels."""
    size = 1 + (coarsest - 1) * float(torch.rand(1, generator=generator))
    small = [max(2, int(edge / size)) for edge in shape[-2:]]
    field = torch.randn(*shape[:2], *small, generator=generator)
    field = F.interpolate(field, size=shape[-2:], mode="bicubic", align_corners=False)
    return field / field.std(dim=(2, 3), keepdim=True).clamp_min(1e-6)


def resize(x: torch.Tensor, pixels: int) -> torch.Tensor:
    """The slices at a stage's resolution, by area."""
    return x if pixels == x.shape[-1] else F.interpolate(x, size=(pixels, pixels), mode="area")
