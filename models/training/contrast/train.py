"""Trains a network on exported tensors: `python -m contrast.train NETWORK --data DIR … --out DIR --config better`.

A run that was stopped goes on from its last checkpoint; the same seed gives the same run on one kind of device. The
network goes to network.pt, figures to metrics.json and curves.png.
"""

import argparse
import copy
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from . import config as configuration
from .augment import augment, resize
from .curves import draw
from .networks import NETWORKS, Pooled, grow
from .shards import Shards, check_leakage


def to_input(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Grey to three channels, on the device."""
    return x.to(device, non_blocking=True).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve by mid-ranks; none where one class is missing."""
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = labels > 0.5
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else None


@torch.no_grad()
def score(net: nn.Module, held: Shards, rows: np.ndarray, pixels: int, device: torch.device) -> np.ndarray:
    """Logits of the slices `rows`."""
    net.eval()
    parts = [net(to_input(resize(held.batch(rows[i : i + 32])[0], pixels), device)).float().cpu() for i in range(0, len(rows), 32)]
    return torch.cat(parts).numpy()


def validate(net: nn.Module, held: Shards, limit: int, pixels: int, device: torch.device) -> dict[str, float | None]:
    """Slice AUC, accuracy and loss on at most `limit` slices, the same each time."""
    rows = np.random.default_rng(0).permutation(len(held))[:limit]
    logits, labels = score(net, held, rows, pixels, device), held.labels[rows]
    loss = F.binary_cross_entropy_with_logits(torch.from_numpy(logits), torch.from_numpy(labels).float())
    return {"auc": auc(labels, logits), "accuracy": float(((logits > 0) == (labels > 0.5)).mean()), "validation_loss": float(loss)}


class Average:
    """Exponential moving average of weights and batch-norm statistics; decay 0 follows the network itself."""

    def __init__(self, net: nn.Module, decay: float):
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


def optimiser_of(config: configuration.Config, net: nn.Module, rate: float) -> torch.optim.Optimizer:
    """The config's optimiser; weights alone decay, not biases and norms."""
    trained = [p for p in net.parameters() if p.requires_grad]
    if config.optimiser == "adam":
        return torch.optim.Adam(trained, lr=rate)
    groups = [{"params": [p for p in trained if p.dim() > 1], "weight_decay": config.weight_decay},
              {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0}]  # fmt: skip
    return torch.optim.AdamW(groups, lr=rate)


def schedule_of(config: configuration.Config, optimiser: torch.optim.Optimizer, rate: float, steps: int):
    """The rate over `steps`."""
    if config.schedule == "one-cycle":
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.2)
    if config.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    return torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)


class Run:
    """One training run: the network, its average and what has been logged."""

    def __init__(self, net: nn.Module, config: configuration.Config, train: Shards, held: Shards, a: argparse.Namespace):
        self.config, self.train, self.held, self.a = config, train, held, a
        self.device = torch.device("cuda" if a.device == "auto" and torch.cuda.is_available() else "cpu" if a.device == "auto" else a.device)
        self.net = net.to(self.device, memory_format=torch.channels_last)
        self.log: list[dict] = []
        saved = a.out / "checkpoint.pt"
        self.resume = torch.load(saved, map_location=self.device) if saved.exists() else None
        if self.resume:
            self.log = self.resume["log"]

    def stage(self, index: int, stage: configuration.Stage) -> None:
        """One stage; the averaged (and with `restore_best` the best) network is the next one's start."""
        steps = stage.steps or stage.epochs * -(-len(self.train) // stage.batch)
        every = self.config.evaluate_every or -(-len(self.train) // stage.batch)
        optimiser = optimiser_of(self.config, self.net, stage.rate)
        schedule = schedule_of(self.config, optimiser, stage.rate, steps)
        average, first, best = Average(self.net, self.config.average), 0, {"loss": float("inf"), "since": 0, "state": None}
        if self.resume and self.resume["stage"] == index:
            first = self._restore(average, optimiser, schedule, best)
        scaler = torch.amp.GradScaler(enabled=self.config.mixed_precision and self.device.type == "cuda")
        bar = tqdm(range(first, steps), initial=first, total=steps, desc=f"stage {index + 1}, {stage.pixels} px", disable=None)
        started, losses = time.time(), []
        for step in bar:
            losses.append(self._step(index, step, stage, optimiser, scaler))
            schedule.step()
            average.update(self.net)
            last = step == steps - 1
            if step % 50 == 49 or last:
                row = {"stage": index, "step": step + 1, "loss": float(np.mean(losses)), "seconds": round(time.time() - started, 1)}
                losses = []
                bar.set_postfix(loss=f"{row['loss']:.3f}")
                self.log.append(row)
                print(json.dumps(row), file=self.a.stream, flush=True)
            if step % every == every - 1 or last:
                stop = self._evaluate(index, step, stage, average, best)
                self._save(index, step, average, optimiser, schedule, best)
                if stop:
                    break
        if best["state"] is not None:
            average.net.load_state_dict(best["state"])
        self.net.load_state_dict(average.net.state_dict())

    def _step(self, index: int, step: int, stage: configuration.Stage, optimiser, scaler) -> float:
        seed = self.a.seed + index * 10_000_000 + step
        rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        x, y = self.train.batch(rng.integers(len(self.train), size=stage.batch))
        x, y = to_input(augment(resize(x, stage.pixels), self.config.augmentation, generator), self.device), y.to(self.device)
        smoothing = self.config.label_smoothing
        self.net.train()
        if isinstance(self.net, Pooled) and not next(self.net.body.parameters()).requires_grad:
            self.net.body.eval()
        with torch.autocast(self.device.type, enabled=scaler.is_enabled()):
            loss = F.binary_cross_entropy_with_logits(self.net(x), y * (1 - smoothing) + smoothing / 2)
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        if self.config.clip_norm:
            scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip_norm)
        scaler.step(optimiser)
        scaler.update()
        return loss.item()

    def _evaluate(self, index: int, step: int, stage: configuration.Stage, average: Average, best: dict) -> bool:
        """Logs the validation figures; true when the stage has not improved for `patience` evaluations."""
        figures = validate(average.net, self.held, self.a.validate_on, stage.pixels, self.device)
        self.log.append({"stage": index, "step": step + 1} | figures)
        print(json.dumps(self.log[-1]), file=self.a.stream, flush=True)
        if figures["validation_loss"] < best["loss"]:
            best.update(loss=figures["validation_loss"], since=0)
            best["state"] = copy.deepcopy(average.net.state_dict()) if self.config.restore_best else None
        else:
            best["since"] += 1
        return bool(self.config.patience) and best["since"] >= self.config.patience

    def _save(self, index: int, step: int, average: Average, optimiser, schedule, best: dict) -> None:
        state = {"stage": index, "step": step + 1, "log": self.log, "average": average.net.state_dict(), "best": best}
        state |= {"net": self.net.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
        torch.save(state, self.a.out / "checkpoint.tmp")
        (self.a.out / "checkpoint.tmp").rename(self.a.out / "checkpoint.pt")

    def _restore(self, average: Average, optimiser, schedule, best: dict) -> int:
        saved = self.resume
        self.net.load_state_dict(saved["net"])
        average.net.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        best.update(saved["best"])
        average.seen = saved["step"]
        return saved["step"]


def start(name: str, path: Path | None, body: Path | None) -> nn.Module:
    """A network, from another's weights where `path` is given: `efficientnet-b4` also takes a `lite` and grows it."""
    net = NETWORKS[name]()
    if path:
        state = torch.load(path, map_location="cpu")["network"]
        narrow = name == "efficientnet-b4" and state["head.1.weight"].shape[1] != 1792
        if narrow:
            lite = NETWORKS["lite"]()
            lite.load_state_dict(state)
            return grow(lite)
        net.load_state_dict(state)
    if body:
        state = torch.load(body, map_location="cpu")["network"]
        net.body.load_state_dict({k.removeprefix("body."): v for k, v in state.items() if k.startswith("body.")})
    return net


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("network", choices=NETWORKS)
    args.add_argument("--data", type=Path, nargs="+", required=True, help="exports of `bolus export-tensors` to train on")
    args.add_argument("--validation", type=Path, nargs="+", required=True, help="exports to validate on; patients may not be shared")
    args.add_argument("--split", action="store_true", help="take only rows of split `train` and `validation`")
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--config", default="published", help="published, published-finetune, better, or a .toml file")
    args.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="overrides of the configuration, in TOML")
    args.add_argument("--start", type=Path, help="network.pt to go on from: fine-tuning")
    args.add_argument("--body", type=Path, help="network.pt whose body to take, for a frozen body with a new head")
    args.add_argument("--device", default="auto")
    args.add_argument("--threads", type=int, default=0)
    args.add_argument("--seed", type=int, default=1234)
    args.add_argument("--validate-on", type=int, default=600, help="validation slices an evaluation looks at")
    a = args.parse_args()
    config = configuration.load(a.config, a.set)
    a.out.mkdir(parents=True, exist_ok=True)
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    train, held = Shards(a.data, "train" if a.split else None), Shards(a.validation, "validation" if a.split else None)
    check_leakage(train, held)
    with (a.out / "log.jsonl").open("a") as a.stream:
        run = Run(start(a.network, a.start, a.body), config, train, held, a)
        for index, stage in enumerate(config.stages):
            if not (run.resume and run.resume["stage"] > index):
                run.stage(index, stage)
                torch.save({"name": a.network, "network": run.net.state_dict()}, a.out / f"stage-{index + 1}.pt")
            elif (a.out / f"stage-{index + 1}.pt").exists():
                run.net.load_state_dict(torch.load(a.out / f"stage-{index + 1}.pt")["network"])
    torch.save({"name": a.network, "network": run.net.state_dict()}, a.out / "network.pt")
    about = {"network": a.network, "config": dataclasses.asdict(config), "seed": a.seed, "train_slices": len(train), "log": run.log}
    (a.out / "metrics.json").write_text(json.dumps(about, indent=1))
    draw(run.log, a.out / "curves.png", a.network)


if __name__ == "__main__":
    main()
