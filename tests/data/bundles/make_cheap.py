"""Writes the bundle `cheap` beside this file: `python make_cheap.py`, with the packages of models/training/pyproject.toml.

One convolution of the whole window with fixed weights and a sigmoid: a few kilobytes that answer in microseconds, give another value for
another slice, and the same bits for a slice in every batch. The values mean nothing.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent / "cheap"
EDGE, REFERENCE_SLICES = 32, 3

MANIFEST = """\
format = 1
name = "cheap"
version = "0.1.0"
licence = "Apache-2.0"
intended_use = "Tests of the software only: its labels mean nothing."
body_parts = ["head-neck", "chest", "abdomen", "pelvis", "extremity"]

[network]
file = "model.onnx"
sha256 = "{sha256}"
input = "slices"
layout = "nchw"
dtype = "float32"
channels = 1
output = "probability"

[preprocessing]
spacing_mm = [5.0, 10.0, 10.0]
alignment = "centre"
crop = [8, {edge}, {edge}]
kept_slices = [0, 7]
short_series = "slide"
fill_hu = -1024.0
floor_hu = -1024.0
ceiling_hu = 700.0
above_ceiling_hu = 0.0
clip_hu = [-200.0, 200.0]
scale = "min-max"
gantry_tilt = "shear-back"
axial_tolerance_deg = 20.0
min_slices = 4
max_slice_spacing_mm = 12.5
allow_derived = false

[decision]
slice_threshold = 0.5
aggregation = "mean"
scan_threshold = 0.5
indeterminate = [0.4, 0.6]

[calibration]
scale = 1.0
shift = 0.0
fitted_on = "nothing: identity"

[reference]
input = "reference.u8"
slices = {slices}
expected = [{expected}]
tolerance = 1e-5

[training]
statement = "Not trained: fixed weights, for tests of the software only."
"""


def network() -> onnx.ModelProto:
    weights = np.random.default_rng(1).normal(0, 3 / EDGE, (1, 1, EDGE, EDGE))
    # Of sum nought, so that brightness alone does not drive the sigmoid to its ends.
    weights = (weights - weights.mean()).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["slices", "weights"], ["sum"], kernel_shape=[EDGE, EDGE]),
        helper.make_node("Sigmoid", ["sum"], ["sigmoid"]),
        helper.make_node("Reshape", ["sigmoid", "shape"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "cheap",
        [helper.make_tensor_value_info("slices", TensorProto.FLOAT, ["slice", 1, EDGE, EDGE])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["slice"])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([-1], np.int64), "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    onnx.save(network(), FOLDER / "model.onnx")
    images = np.random.default_rng(2).integers(0, 256, (64, 1, EDGE, EDGE), dtype=np.uint8)
    reference = images[:REFERENCE_SLICES]
    (FOLDER / "reference.u8").write_bytes(reference.tobytes())
    session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"])

    def run(batch: np.ndarray) -> np.ndarray:
        return session.run(["probability"], {"slices": batch.astype(np.float32) / np.float32(255)})[0]

    alone = np.concatenate([run(images[index : index + 1]) for index in range(len(images))])
    for size in (2, 7, 16, 64):
        batched = np.concatenate([run(images[start : start + size]) for start in range(0, len(images), size)])
        assert np.array_equal(alone, batched), f"batches of {size} give other bits"
    text = MANIFEST.format(
        sha256=hashlib.sha256((FOLDER / "model.onnx").read_bytes()).hexdigest(),
        edge=EDGE,
        slices=REFERENCE_SLICES,
        expected=", ".join(f"{value:.7f}" for value in alone[:REFERENCE_SLICES]),
    )
    (FOLDER / "bundle.toml").write_text(text)
    print(text, alone.min(), alone.max(), sep="\n")


if __name__ == "__main__":
    main()
