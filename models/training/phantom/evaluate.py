"""Scores an exported model on unseen synthetic patients: `python -m phantom.evaluate MODEL.onnx --json OUT`."""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime

from .dataset import contiguous, make
from .judge import probabilities
from .train import auc

SLICES_FROM, SCANS_FROM, CALIBRATION_FROM = 20_000_000, 30_000_000, 40_000_000


def fit_calibration(logit: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """Platt scaling by Newton steps, targets smoothed as Platt does."""
    n, m = label.sum(), (1 - label).sum()
    target = np.where(label > 0.5, (n + 1) / (n + 2), 1 / (m + 2))
    design, w = np.stack([logit, np.ones_like(logit)], 1), np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ w))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.eye(2) * 1e-3
        w = w - np.linalg.solve(hessian, design.T @ (p - target) + 1e-3 * (w - np.array([1.0, 0.0])))
    return float(w[0]), float(w[1])


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("model", type=Path)
    args.add_argument("--json", type=Path, required=True)
    args.add_argument("--patients", type=int, default=400)
    args.add_argument("--scans", type=int, default=60)
    a = args.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(a.model), options, providers=["CPUExecutionProvider"])
    rows = []
    for i in range(a.patients):
        images, levels, label = make(SLICES_FROM + i, 2)
        rows += [(label, level, p) for level, p in zip(levels, probabilities(session, images.astype(np.float32) / 255), strict=True)]
    label, level, p = (np.array(v, float) for v in zip(*rows, strict=True))
    result = {"slices": len(p), "slice_auc": auc(label, p), "slice_accuracy": float(((p >= 0.5) == (label > 0.5)).mean())}
    for name, part in (("chest", level < 1), ("abdomen", (level >= 1) & (level < 2))):
        result |= {f"{name}_slices": int(part.sum()), f"{name}_slice_auc": auc(label[part], p[part])}
        result[f"{name}_slice_accuracy"] = float(((p[part] >= 0.5) == (label[part] > 0.5)).mean())
    means, truths = [], []
    for i in range(a.scans):
        images, truth = contiguous(SCANS_FROM + i, int(30 + 40 * (i * 0.618 % 1)) // 2)
        means.append(float(probabilities(session, images.astype(np.float32) / 255).mean()))
        truths.append(truth)
    scan, truth = np.array(means), np.array(truths)
    result |= {"scans": len(scan), "scan_auc": auc(truth, scan), "scan_accuracy": float(((scan > 0.5) == (truth > 0.5)).mean())}
    result |= {"scan_mean_native": float(scan[truth == 0].mean()), "scan_mean_enhanced": float(scan[truth == 1].mean())}
    clipped = np.clip(scan, 1e-6, 1 - 1e-6)
    result["platt_on_scans"] = fit_calibration(np.log(clipped / (1 - clipped)), truth.astype(float))
    result["scan_means"] = [[int(t), round(float(s), 3)] for t, s in zip(truth, scan, strict=True)]
    a.json.write_text(json.dumps(result, indent=1))
    print(json.dumps({k: v for k, v in result.items() if k != "scan_means"}, indent=1))


if __name__ == "__main__":
    main()
