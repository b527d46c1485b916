"""Writes the golden tensors: what tests/bench/reference/preprocess.py makes of real and synthetic series.

Run it from anywhere: `python tests/golden/make_golden.py`. It needs tests/bench/requirements.txt. The format is in
README.md beside this file. The outputs are kept in the repository; running it again must change nothing.
"""

import dataclasses
import gzip
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
sys.path.insert(0, str(HERE.parent / "bench" / "reference"))

from bundle import Spec  # noqa: E402
from preprocess import Scored, Slice, preprocess, read_series  # noqa: E402

REAL = {
    "chest-noncontrast-every10th": Spec(),
    "totalsegmentator-abdomen-contrast": Spec(),
}
# A voxel this near to the ceiling may fall on either side of it in another arithmetic: 200 HU against `above_ceiling_hu`.
NEAR_CEILING_HU = 0.01


def synthetic(orientation, gaps_mm, seed: int) -> list[Slice]:
    """A small series of 20 rows and 18 columns with the given orientation and slice distances, in a shuffled order."""
    rng = np.random.default_rng(seed)
    normal = np.cross(orientation[:3], orientation[3:])
    slices = []
    for index, along in enumerate(np.concatenate([[0.0], np.cumsum(gaps_mm)]) - 40.0):
        smooth = rng.integers(0, 10, (5, 6)).repeat(4, axis=0).repeat(3, axis=1) * 120
        stored = smooth + rng.integers(0, 300, (20, 18)) + 400
        stored[:2, :3] = 2400 + 100 * rng.integers(0, 3)  # above the ceiling
        stored[-3:, -4:] = -2000 if index % 2 else -1990  # padding pixels, one value and a range
        slope = 2.0 if index == 2 else 1.0  # one slice with a rescale of its own
        position = np.round(np.array([31.5, -12.25, 7.0]) + along * normal, 6)
        slices.append(
            Slice(stored, slope, -1024.0, (-2000, -1990), tuple(position.tolist()), orientation, (1.1, 0.9), f"2.25.{1000 + index}")
        )
    return [slices[index] for index in rng.permutation(len(slices))]


SYNTHETIC = {
    # Lying prone, slices tilted 8 degrees about the x axis, uneven distances; the slab reaches below the series.
    "synthetic-prone-oblique-pad": (
        (-1.0, 0.0, 0.0, 0.0, -0.990268, -0.139173),
        [3.0, 3.0, 5.0, 2.5, 3.5, 6.0],
        Spec(crop=(12, 24, 24), kept_slices=(1, 8), short_series="pad"),
    ),
    # Columns run to the front, so the normal points to the feet; the slab is moved because the series is short.
    "synthetic-mirrored-slide": (
        (1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
        [2.0, 3.0, 4.0, 3.0, 3.0, 2.0, 5.0],
        Spec(crop=(12, 16, 10), kept_slices=(1, 6), short_series="slide", spacing_mm=(3.0, 1.3, 0.7)),
    ),
    # The whole series is shorter than the slab: all of its slices are scored.
    "synthetic-short-slide": (
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        [2.5, 2.5, 2.5],
        Spec(crop=(12, 24, 14), kept_slices=(1, 8), short_series="slide"),
    ),
}


def write_input(name: str, slices: list[Slice]) -> None:
    """Writes a synthetic series as JSON."""
    rows = []
    for image in slices:
        row = dataclasses.asdict(image)
        row["stored"] = image.stored.ravel().tolist()
        row["rows"], row["columns"] = image.stored.shape
        rows.append(row)
    text = ",\n".join(json.dumps(row) for row in rows)
    (HERE / f"{name}.input.json").write_text(f'{{"slices": [\n{text}\n]}}\n')


def write_golden(name: str, source: str, spec: Spec, scored: Scored) -> None:
    """Writes `<name>.json` and `<name>.u16.gz`."""
    quantised = np.rint(scored.tensor * 65535.0).astype("<u2")
    raw = quantised.tobytes()
    (HERE / f"{name}.u16.gz").write_bytes(gzip.compress(raw, compresslevel=9, mtime=0))
    near = np.flatnonzero(np.abs(scored.hu - spec.ceiling_hu) < NEAR_CEILING_HU)
    header = {
        "source": source,
        "shape": list(quantised.shape),
        "axes": ["slice", "row", "column"],
        "spec": dataclasses.asdict(spec),
        "positions_mm": [round(position, 6) for position in scored.positions_mm],
        "nearest_sop_uids": scored.nearest,
        "near_ceiling": near.tolist(),
        "sha256_raw": hashlib.sha256(raw).hexdigest(),
    }
    (HERE / f"{name}.json").write_text(json.dumps(header, indent=1) + "\n")
    print(f"{name}: {quantised.shape}, {len(near)} voxels near the ceiling, mean {scored.tensor.mean():.4f}")


def main() -> None:
    """Writes every golden case."""
    for name, spec in REAL.items():
        write_golden(name, f"tests/data/series/{name}", spec, preprocess(read_series(DATA / "series" / name), spec))
    for seed, (name, (orientation, gaps, spec)) in enumerate(SYNTHETIC.items()):
        slices = synthetic(orientation, gaps, seed)
        write_input(name, slices)
        write_golden(name, f"tests/golden/{name}.input.json", spec, preprocess(slices, spec))


if __name__ == "__main__":
    main()
