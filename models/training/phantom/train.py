"""Trains the network on banks of synthetic slices: `python -m phantom.train --banks DIR --out DIR`.

Stages run one after another, each `body:pixels:steps:batch:rate`; `thin` is the narrow sibling, `whole` the B4.
A run that was stopped goes on from its last checkpoint. Metrics go to metrics.json and curves.png in OUT.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .network import SHALLOW, TorsoB4, grow

STAGES = ("thin:96:480:32:3e-3", "thin:96:1000:32:2.5e-3", "thin:192:400:32:1e-3")


class Banks:
    """All banks `train-*.npy` of a folder."""

    def __init__(self, folder: Path):
        paths = [p for p in sorted(folder.glob("train-*.npy")) if not p.stem.endswith("-labels")]
        self.parts = [(np.load(p, mmap_mode="r"), np.load(p.with_name(p.stem + "-labels.npy"))) for p in paths]

    def batch(self, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Random slices as [n, 1, 192, 192] in 0..1 with their labels."""
        parts = self.parts
        lengths = np.array([len(labels) for _, labels in parts])
        which = rng.choice(len(parts), size, p=lengths / lengths.sum())
        at = [(parts[w], int(rng.integers(lengths[w]))) for w in which]
        images = torch.from_numpy(np.stack([part[0][i] for part, i in at]))
        return images[:, None].float() / 255, torch.tensor([float(part[1][i]) for part, i in at])


def augment(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Flips, shifts, rotation by up to 5 degrees, zoom, window jitter, noise and lost columns."""
    n = x.shape[0]
    u = lambda *s: torch.rand(*s, generator=g) * 2 - 1  # noqa: E731
    angle, zoom = u(n) * 0.09, 1 + u(n) * 0.1
    theta = torch.stack([zoom * torch.cos(angle) * torch.sign(u(n)), -zoom * torch.sin(angle), u(n) * 0.12,
                         zoom * torch.sin(angle), zoom * torch.cos(angle), u(n) * 0.12], 1).view(n, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    body = (x > 0.02) & (x < 0.98)
    jitter = x * (1 + u(n, 1, 1, 1) * 0.03) + u(n, 1, 1, 1) * 0.02
    noise = torch.randn(x.shape, generator=g) * (torch.rand(n, 1, 1, 1, generator=g) * 0.06).square() * 8
    return torch.where(body, jitter + noise, x).clamp(0, 1)


def resize(x: torch.Tensor, pixels: int) -> torch.Tensor:
    """The slices at the stage's resolution."""
    return x if pixels == x.shape[-1] else F.interpolate(x, size=(pixels, pixels), mode="area")


def to_input(x: torch.Tensor) -> torch.Tensor:
    """Grey to three channels."""
    return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve by ranks, ties by half."""
    order = np.argsort(scores, kind="mergesort")
    ranks = np.empty(len(scores))
    values, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ranks[order] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = labels > 0.5
    n, m = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


@torch.no_grad()
def score(net: nn.Module, images: np.ndarray, pixels: int, batch: int = 32) -> np.ndarray:
    """Logits of byte slices."""
    net.eval()
    batches = (torch.from_numpy(images[i : i + batch].copy())[:, None].float() / 255 for i in range(0, len(images), batch))
    parts = [net(to_input(resize(x, pixels))) for x in batches]
    return torch.cat(parts).float().numpy()


def validate(net: nn.Module, folder: Path, pixels: int, limit: int) -> dict[str, float]:
    path = folder / "val.npy"
    if not path.exists():
        return {}
    images, labels = np.load(path, mmap_mode="r")[:limit], np.load(folder / "val-labels.npy")[:limit]
    logits = score(net, images, pixels)
    return {"auc": auc(labels, logits), "accuracy": float(((logits > 0) == (labels > 0.5)).mean())}


class Average:
    """Exponential moving average of weights and batch-norm statistics."""

    def __init__(self, net: nn.Module, decay: float = 0.99):
        self.net, self.decay, self.seen = copy.deepcopy(net).eval(), decay, 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        self.seen += 1
        decay = min(self.decay, self.seen / (self.seen + 9))
        for mine, theirs in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def run_stage(stage: str, index: int, net, banks: Banks, a, log: list, resume: dict | None):
    """One stage with AdamW and a one-cycle rate; returns the averaged network."""
    _, pixels, steps, batch, rate = stage.split(":")
    pixels, steps, batch, rate = int(pixels), int(steps), int(batch), float(rate)
    net = net.to(memory_format=torch.channels_last)
    decay = [p for p in net.parameters() if p.dim() > 1]
    plain = [p for p in net.parameters() if p.dim() <= 1]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.2)
    average, first = Average(net), 0
    if resume:
        net.load_state_dict(resume["net"])
        average.net.load_state_dict(resume["average"])
        optimiser.load_state_dict(resume["optimiser"])
        schedule.load_state_dict(resume["schedule"])
        first = average.seen = resume["step"]
    started, loss_sum = time.time(), 0.0
    for step in range(first, steps):
        seed = a.seed + index * 1_000_000 + step
        rng, g = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        x, y = banks.batch(rng, batch)
        net.train()
        logits = net(to_input(augment(resize(x, pixels), g)))
        loss = F.binary_cross_entropy_with_logits(logits, y * 0.98 + 0.01)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        average.update(net)
        loss_sum += loss.item()
        if step % 50 == 49 or step == steps - 1:
            row = {"stage": stage, "step": step + 1, "loss": loss_sum / (step % 50 + 1), "seconds": round(time.time() - started, 1)}
            loss_sum = 0.0
            log.append(row)
            if step % 250 == 249 or step == steps - 1:
                row |= validate(average.net, a.banks, pixels, 400)
                state = {"stage": index, "step": step + 1, "log": log, "average": average.net.state_dict()}
                state |= {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
                torch.save(state, a.out / "checkpoint.tmp")
                (a.out / "checkpoint.tmp").rename(a.out / "checkpoint.pt")
            print(json.dumps(row), flush=True)
    return average.net


def draw_curves(log: list, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot([r["loss"] for r in log], label="training loss")
    held = [(i, 1 - r["auc"]) for i, r in enumerate(log) if "auc" in r]
    axes.plot([i for i, _ in held], [v for _, v in held], "o-", label="1 - AUC, validation slices")
    axes.set(xlabel="50 steps", yscale="log")
    axes.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--banks", type=Path, required=True)
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--stages", nargs="+", default=STAGES)
    args.add_argument("--start", type=Path, help="network.pt of an earlier run to go on from")
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--seed", type=int, default=1234)
    a = args.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    saved = a.out / "checkpoint.pt"
    resume = torch.load(saved) if saved.exists() else None
    log = resume["log"] if resume else []
    net = TorsoB4(4, SHALLOW)
    if a.start:
        state = torch.load(a.start)
        net = TorsoB4() if state["hidden.weight"].shape[1] == 1792 else net
        net.load_state_dict(state)
    banks = Banks(a.banks)
    for index, stage in enumerate(a.stages):
        if stage.startswith("whole") and net.hidden.in_channels != 1792:
            net = grow(net)
        if resume and resume["stage"] > index:
            continue
        here = resume if resume and resume["stage"] == index else None
        net = run_stage(stage, index, net, banks, a, log, here)
        torch.save(net.state_dict(), a.out / f"network-{index}.pt")
        torch.save(net.state_dict(), a.out / "network.pt")
        (a.out / "metrics.json").write_text(json.dumps(log, indent=1))
    draw_curves(log, a.out / "curves.png")


if __name__ == "__main__":
    main()
