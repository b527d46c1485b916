"""Checks an exported model: `python -m phantom.check MODEL.onnx`.

A slice must give bit-identical results in every batch size and position. Also prints load time, throughput and peak memory.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

BATCHES = (1, 2, 7, 16, 32)
COUNT = 40


def _session(path: str, threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, time.perf_counter() - started


def invariance(path: str, threads: int) -> bool:
    """Whether 40 slices score the same bits in all batches and orders."""
    session, _ = _session(path, threads)
    rng = np.random.default_rng(5)
    x = rng.random((COUNT, 3, 192, 192), dtype=np.float32)
    x[::2] = np.round(x[::2] * 255) / 255 * (x[::2, :1] > 0.5)
    run = lambda rows, size: np.concatenate([session.run(None, {"slices": x[rows[i : i + size]]})[0] for i in range(0, len(rows), size)])  # noqa: E731
    base = run(np.arange(COUNT), 1)
    same = True
    for size in BATCHES:
        rows = rng.permutation(COUNT)
        same &= bool(np.array_equal(run(rows, size).view(np.uint32), base[rows].view(np.uint32)))
    return same


def _measure(path: str, threads: int, batch: int) -> None:
    """One process for one batch size, so that its peak memory is its own."""
    session, load = _session(path, threads)
    x = np.random.default_rng(0).random((batch, 3, 192, 192), dtype=np.float32)
    session.run(None, {"slices": x})
    rounds, started = max(2, 64 // batch), time.perf_counter()
    for _ in range(rounds):
        session.run(None, {"slices": x})
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"batch": batch, "load_s": round(load, 3), "slices_per_s": round(rounds * batch / seconds, 1), "peak_rss_mib": round(peak)}))


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("model")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--measure", type=int)
    a = args.parse_args()
    if a.measure:
        _measure(a.model, a.threads, a.measure)
        return
    print("bit-identical in all batches and orders:", {t: invariance(a.model, t) for t in (1, a.threads)})
    for batch in (1, 8, 16, 32):
        subprocess.run([sys.executable, "-m", "phantom.check", a.model, "--threads", str(a.threads), "--measure", str(batch)], check=True)


if __name__ == "__main__":
    main()
