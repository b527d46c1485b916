"""A training configuration: TOML, checked before anything is read, with overrides from the command line."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).with_name("configs")


@dataclass
class Stage:
    """One stretch of training at one resolution. `steps` or `epochs`; early stopping ends it sooner."""

    pixels: int
    batch: int
    rate: float
    steps: int = 0
    epochs: int = 0


@dataclass
class Config:
    """Everything that decides a run but the data and the seed."""

    optimiser: str
    schedule: str
    stages: list[Stage]
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    average: float = 0.0
    mixed_precision: bool = False
    patience: int = 0
    evaluate_every: int = 250
    restore_best: bool = False
    clip_norm: float = 0.0
    augmentation: dict[str, Any] = field(default_factory=dict)


CHOICES = {"optimiser": ("adam", "adamw"), "schedule": ("constant", "cosine", "one-cycle")}


def load(name: str, overrides: list[str]) -> Config:
    """The config of a file, or of that name beside this module; `overrides` are `key=value` in TOML, such as `stages=[{…}]`."""
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"
    if not path.exists():
        raise SystemExit(f"no configuration {name}: have {', '.join(sorted(p.stem for p in CONFIGS.glob('*.toml')))}, or name a .toml file")
    raw = tomllib.loads(path.read_text()) | tomllib.loads("\n".join(overrides))
    unknown = set(raw) - {f.name for f in fields(Config)}
    if unknown:
        raise SystemExit(f"{path}: unknown keys {', '.join(sorted(unknown))}")
    try:
        raw["stages"] = [Stage(**stage) for stage in raw["stages"]]
        config = Config(**raw)
    except (TypeError, KeyError) as error:
        raise SystemExit(f"{path}: {error}") from error
    for key, allowed in CHOICES.items():
        if getattr(config, key) not in allowed:
            raise SystemExit(f"{path}: {key} is {getattr(config, key)!r}, expected one of {', '.join(allowed)}")
    for stage in config.stages:
        if (stage.steps > 0) == (stage.epochs > 0):
            raise SystemExit(f"{path}: a stage needs either steps or epochs")
    return config
