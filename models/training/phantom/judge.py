"""Judges a bundle on real series, never used to train or select: `python -m phantom.judge MODEL.onnx DATA`."""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime

from .spec import read_series, tensor


def probabilities(session: onnxruntime.InferenceSession, grey: np.ndarray, batch: int = 16) -> np.ndarray:
    """Slice probabilities of [n, 192, 192] in 0..1."""
    parts = [session.run(None, {"slices": np.repeat(grey[i : i + batch, None], 3, 1)})[0] for i in range(0, len(grey), batch)]
    return np.concatenate(parts)


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("model", type=Path)
    args.add_argument("data", type=Path)
    args.add_argument("--json", type=Path)
    a = args.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(a.model), options, providers=["CPUExecutionProvider"])
    report = {}
    folders = sorted((a.data / "series").iterdir())
    singles = sorted((a.data / "slices-labelled").glob("*/*.dcm"))
    for name, paths in [(f.name, sorted(f.glob("*"))) for f in folders] + [(f"{p.parent.name}/{p.stem}", [p]) for p in singles]:
        grey = tensor(*read_series(paths))
        p = probabilities(session, grey)
        report[name] = [round(float(v), 3) for v in p]
        print(f"{name:48s} n={len(p):3d} mean={p.mean():.3f} min={p.min():.3f} max={p.max():.3f} positive={(p >= 0.5).mean():.2f}")
    if a.json:
        a.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
