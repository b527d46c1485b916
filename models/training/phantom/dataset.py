"""Writes a bank of labelled slices: `python -m phantom.dataset OUT --scans N --first-seed S --slices K`."""

import argparse
import time
from pathlib import Path

import numpy as np

from .acquisition import Scan, to_bytes


PARTS = (0.55, 0.45, 0.0)


def make(seed: int, count: int, parts: tuple[float, ...] = PARTS) -> tuple[np.ndarray, np.ndarray, int]:
    """`count` slices of the synthetic scan with this seed: bytes, levels, label (odd seeds are enhanced).

    `parts` are the shares of chest, abdomen and pelvis.
    """
    rng = np.random.default_rng(seed)
    scan = Scan(seed, bool(seed % 2))
    part = int(rng.choice(3, p=parts))
    levels = rng.uniform(part, part + 1, count).astype(np.float32)
    return np.stack([to_bytes(scan.slice(float(z))) for z in levels]), levels, seed % 2


def contiguous(seed: int, count: int) -> tuple[np.ndarray, int]:
    """A series of `count` neighbouring slices of one patient over a random range of chest or abdomen."""
    rng = np.random.default_rng(seed)
    scan = Scan(seed, bool(seed % 2))
    base = 0.0 if rng.random() < 0.6 else 1.0
    low = base + rng.uniform(0, 0.4)
    high = min(base + 0.999, low + rng.uniform(0.4, 0.9))
    return np.stack([to_bytes(scan.slice(float(z))) for z in np.linspace(low, high, count)]), seed % 2


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("out", type=Path)
    args.add_argument("--scans", type=int, default=4000)
    args.add_argument("--first-seed", type=int, default=0)
    args.add_argument("--slices", type=int, default=3)
    args.add_argument("--parts", type=float, nargs=3, default=PARTS, help="shares of chest, abdomen, pelvis")
    a = args.parse_args()
    images = np.lib.format.open_memmap(a.out.with_suffix(".tmp"), "w+", np.uint8, (a.scans * a.slices, 192, 192))
    labels = np.zeros(a.scans * a.slices, np.uint8)
    started = time.time()
    for i in range(a.scans):
        block, _, label = make(a.first_seed + i, a.slices, tuple(a.parts))
        images[i * a.slices : (i + 1) * a.slices] = block
        labels[i * a.slices : (i + 1) * a.slices] = label
        if i % 500 == 499:
            print(f"{(i + 1) * a.slices} slices, {(i + 1) * a.slices / (time.time() - started):.0f} slices/s", flush=True)
    images.flush()
    np.save(a.out.with_name(a.out.stem + "-labels.npy"), labels)
    a.out.with_suffix(".tmp").rename(a.out)


if __name__ == "__main__":
    main()
