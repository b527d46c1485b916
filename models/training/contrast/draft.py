"""What `bolus model pack` needs beside the network: `python -m contrast.draft NAME --spec chest --network lite --data EXPORT --out DIR`.

Writes draft.toml (the manifest without digests) and reference.u8: three exported slices of each class.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from .networks import NETWORKS
from .shards import Shards

SPECS = Path(__file__).with_name("specs")
TOLERANCE = {"float32": 1e-3, "int8": 2e-2, "float16": 1e-2}
STATEMENT = (
    "Trained from random weights on synthetic CT-like slices (models/training/phantom) alone; no image of a patient was trained on "
    "or used to choose the weights. Real series serve as a judge: see card.md."
)


def reference(data: Shards, each: int = 3) -> np.ndarray:
    """`each` native and enhanced slices as bytes `[slice, row, column]`."""
    labels = data.labels
    rows = [int(r) for kind in (0.0, 1.0) for r in np.linspace(0, (labels == kind).sum() - 1, each)]
    chosen = [int(np.flatnonzero(labels == (0.0 if i < each else 1.0))[r]) for i, r in enumerate(rows)]
    return np.round(data.batch(chosen)[0][:, 0].numpy() * 255).astype(np.uint8)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("name")
    args.add_argument("--version", default="0.3.0")
    args.add_argument("--spec", choices=[p.stem for p in SPECS.glob("*.toml")], required=True)
    args.add_argument("--network", choices=NETWORKS, required=True)
    args.add_argument("--precision", choices=TOLERANCE, default="float32")
    args.add_argument("--data", type=Path, nargs="+", required=True)
    args.add_argument("--out", type=Path, required=True)
    a = args.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "reference.u8").write_bytes(reference(Shards(a.data)).tobytes())
    spec = "\n".join(line for line in (SPECS / f"{a.spec}.toml").read_text().splitlines() if not line.startswith("#"))
    dtype = "float16" if a.precision == "float16" else "float32"
    head, sections = spec.split("\n[", 1)
    (a.out / "draft.toml").write_text(
        f'format = 2\nname = {json.dumps(a.name)}\nversion = {json.dumps(a.version)}\n{head.strip()}\n\n'
        f'[network]\nfile = "model.onnx"\ninput = "slices"\nlayout = "nchw"\ndtype = "{dtype}"\nprecision = "{a.precision}"\n'
        f'channels = 3\noutput = "probability"\n\n[{sections.strip()}\n\n'
        f'[calibration]\nmethod = "identity"\nfitted_on = "nothing yet"\n\n'
        f'[reference]\ninput = "reference.u8"\ntolerance = {TOLERANCE[a.precision]}\n\n'
        f'[training]\nstatement = {json.dumps(STATEMENT)}\n'
    )


if __name__ == "__main__":
    main()
