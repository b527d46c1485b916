"""Reads what `bolus export-tensors` wrote: float16 shards `[n, rows, columns]` in 0..1 and their index."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch


@dataclass
class Slice:
    """Where one slice lies and what is known of it."""

    shard: str
    row: int
    series: str
    patient: str
    label: float


class Shards:
    """One finished export, or several; slices are read from disk as they are asked for."""

    def __init__(self, folders: list[Path], split: str | None = None):
        self.slices: list[Slice] = []
        self._arrays: dict[str, np.ndarray] = {}
        for folder in folders:
            if not (folder / "export.json").exists():
                raise SystemExit(f"{folder} is no finished export: run `bolus export-tensors --out {folder} …` again")
            self.spec = json.loads((folder / "export.json").read_text())
            with (folder / "index.csv").open(newline="") as file:
                for row in csv.DictReader(file):
                    if row["contrast"] == "" or (split and row["split"] != split):
                        continue
                    path = str(folder / f"shard-{int(row['shard']):05}.npy")
                    patient = row["patient"] or row["series_uid"]
                    self.slices.append(Slice(path, int(row["row"]), row["series_uid"], patient, float(row["contrast"])))
        if not self.slices:
            raise SystemExit(f"no labelled slices{f' of split {split}' if split else ''} in {', '.join(map(str, folders))}")

    def __len__(self) -> int:
        return len(self.slices)

    @property
    def patients(self) -> set[str]:
        return {s.patient for s in self.slices}

    @property
    def labels(self) -> np.ndarray:
        return np.array([s.label for s in self.slices])

    def batch(self, rows) -> tuple[torch.Tensor, torch.Tensor]:
        """Slices as `[n, 1, rows, columns]` float32 with their labels."""
        chosen = [self.slices[int(i)] for i in rows]
        images = np.stack([self._array(s.shard)[s.row] for s in chosen])
        return torch.from_numpy(images)[:, None].float(), torch.tensor([s.label for s in chosen])

    def _array(self, path: str) -> np.ndarray:
        if path not in self._arrays:
            self._arrays[path] = np.load(path, mmap_mode="r")
        return self._arrays[path]


def check_leakage(train: Shards, held: Shards) -> None:
    """Splits are by patient: no one may stand on both sides."""
    shared = train.patients & held.patients
    if shared:
        raise SystemExit(f"{len(shared)} patients stand in training and in validation, such as {sorted(shared)[0]!r}: split by patient")
