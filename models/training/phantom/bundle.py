"""Writes `bundle.toml` and `reference.u8` beside a model: `python -m phantom.bundle FOLDER`."""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnxruntime

from .acquisition import Scan, to_bytes
from .judge import probabilities

REFERENCE = ((50_000_000, 0.6), (50_000_001, 0.6), (50_000_003, 1.4))
TEMPLATE = Path(__file__).with_name("bundle.toml.in")


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("folder", type=Path)
    a = args.parse_args()
    model = a.folder / "model.onnx"
    images = np.stack([to_bytes(Scan(seed, bool(seed % 2)).slice(z, np.random.default_rng(seed))) for seed, z in REFERENCE])
    (a.folder / "reference.u8").write_bytes(images.tobytes())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    expected = probabilities(session, images.astype(np.float32) / np.float32(255))
    text = TEMPLATE.read_text()
    text = text.replace("@SHA256@", hashlib.sha256(model.read_bytes()).hexdigest())
    text = text.replace("@SLICES@", str(len(images))).replace("@EXPECTED@", ", ".join(f"{v:.6f}" for v in expected))
    (a.folder / "bundle.toml").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
