"""A float32 ONNX network to int8 for CPUs: `python -m contrast.quantise model.onnx int8.onnx --data EXPORT`.

Static quantisation: the ranges of the activations are taken from exported training tensors, so that a slice's score
depends on nothing but the slice. Weights have a scale a channel and seven bits: processors without VNNI add two products
in 16 bits, which eight-bit weights overflow.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from .export import run, session
from .shards import Shards


class Reader(CalibrationDataReader):
    """Batches of one slice each, so that memory stays small."""

    def __init__(self, images: np.ndarray):
        self.images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self.images, None)
        return None if image is None else {"slices": np.repeat(image[None, None], 3, 1).astype(np.float32)}


def quantise(source: Path, target: Path, images: np.ndarray, spare: list[str]) -> None:
    """Write `target`; nodes whose names begin with one of `spare` stay float32, and so do batch norms that no convolution took in:
    the ranges of their channels differ too much for the one scale that ONNX gives them."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(str(prepared)).graph.node
        quantize_static(
            str(prepared), str(target), Reader(images),
            quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=[n.name for n in nodes if n.op_type == "BatchNormalization" or n.name.startswith(tuple(spare))],
        )  # fmt: skip


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("source", type=Path)
    args.add_argument("target", type=Path)
    args.add_argument("--data", type=Path, nargs="+", required=True, help="exports to take ranges from: training tensors")
    args.add_argument("--slices", type=int, default=200)
    args.add_argument("--spare", nargs="*", default=[], help="nodes whose names begin so stay float32")
    a = args.parse_args()
    data = Shards(a.data)
    rows = np.random.default_rng(1).permutation(len(data))
    images = data.batch(rows[: a.slices])[0][:, 0].numpy()
    quantise(a.source, a.target, images, a.spare)
    held, labels = data.batch(rows[a.slices : 2 * a.slices])
    before, after = (run(session(path), held[:, 0].numpy()) for path in (a.source, a.target))
    right = [float(((p >= 0.5) == (labels.numpy() > 0.5)).mean()) for p in (before, after)]
    size = a.target.stat().st_size / 1e6
    print(f"{a.target}: {size:.1f} MB; on {len(held)} slices the mean difference is {np.abs(before - after).mean():.4f}, "
          f"{(np.sign(before - 0.5) == np.sign(after - 0.5)).mean():.3f} of the classes are equal, right {right[0]:.3f} before and {right[1]:.3f} after")


if __name__ == "__main__":
    main()
