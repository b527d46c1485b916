"""Writes the bundles `cheap` and `cheap-int8`, `cheap-dynamic.onnx` and `endless.onnx`, beside this file: `python make_cheap.py`, with the packages of
models/training/pyproject.toml.

One convolution of the whole window with fixed weights and a sigmoid: a few kilobytes that answer in microseconds, give another value for
another slice, and the same bits for a slice in every batch. The values mean nothing. `cheap-int8` is the same network quantised with fixed
ranges, its manifest in format 2 where that of `cheap` stays in format 1. `cheap-dynamic.onnx` takes its ranges from the batch, so that a
slice's value depends on its neighbours: no bundle may hold it. `endless.onnx` halves its answer for some centuries before it gives it.
"""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

HERE = Path(__file__).parent
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


def endless() -> onnx.ModelProto:
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)  # noqa: E731
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Mul", ["sum", "half"], ["less"])],
        "body",
        [value("step", TensorProto.INT64, []), value("on", TensorProto.BOOL, []), value("sum", TensorProto.FLOAT, ["slice"])],
        [value("still", TensorProto.BOOL, []), value("less", TensorProto.FLOAT, ["slice"])],
    )
    nodes = [
        helper.make_node("ReduceMean", ["slices"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Loop", ["steps", "begin", "mean"], ["probability"], body=body),
    ]
    constants = {"steps": np.array(2**62, np.int64), "begin": np.array(True), "half": np.array(0.5, np.float32)}
    graph = helper.make_graph(
        nodes,
        "endless",
        [value("slices", TensorProto.FLOAT, ["slice", 1, EDGE, EDGE])],
        [value("probability", TensorProto.FLOAT, ["slice"])],
        [numpy_helper.from_array(number, name) for name, number in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


class Images(CalibrationDataReader):
    """Images from which the fixed ranges are taken."""

    def __init__(self, images: np.ndarray) -> None:
        self.left = iter(images)

    def get_next(self) -> dict | None:
        image = next(self.left, None)
        return None if image is None else {"slices": as_input(image[np.newaxis])}


def as_input(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / np.float32(255)


def alone(model: Path, images: np.ndarray) -> np.ndarray:
    """The value of each image in a batch of its own, which every other batch must give too."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def run(batch: np.ndarray) -> np.ndarray:
        return session.run(["probability"], {"slices": as_input(batch)})[0]

    values = np.concatenate([run(images[index : index + 1]) for index in range(len(images))])
    for size in (2, 7, 16, 64):
        batched = np.concatenate([run(images[start : start + size]) for start in range(0, len(images), size)])
        assert np.array_equal(values, batched), f"{model}: batches of {size} give other bits"
    return values


def write(name: str, images: np.ndarray, manifest: str) -> None:
    folder = HERE / name
    model = folder / "model.onnx"
    values = alone(model, images)
    (folder / "reference.u8").write_bytes(images[:REFERENCE_SLICES].tobytes())
    text = manifest.format(
        sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        edge=EDGE,
        slices=REFERENCE_SLICES,
        expected=", ".join(f"{value:.7f}" for value in values[:REFERENCE_SLICES]),
    )
    (folder / "bundle.toml").write_text(text)
    print(text, values.min(), values.max(), sep="\n")


def main() -> None:
    images = np.random.default_rng(2).integers(0, 256, (64, 1, EDGE, EDGE), dtype=np.uint8)
    for name in ("cheap", "cheap-int8"):
        (HERE / name).mkdir(exist_ok=True)
    onnx.save(network(), HERE / "cheap/model.onnx")
    write("cheap", images, MANIFEST)
    onnx.save(endless(), HERE / "endless.onnx")
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain.onnx"
        onnx.save(network(), plain)
        int8 = {"quant_format": QuantFormat.QDQ, "activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(plain, HERE / "cheap-int8/model.onnx", Images(images), per_channel=True, **int8)
        quantize_dynamic(plain, HERE / "cheap-dynamic.onnx", weight_type=QuantType.QUInt8)
    changes = {
        "format = 1": "format = 2",
        'name = "cheap"': 'name = "cheap-int8"',
        'dtype = "float32"': 'dtype = "float32"\nprecision = "int8"',
        "[calibration]\nscale = 1.0\nshift = 0.0": '[calibration]\nmethod = "identity"',
        # One step of the eight bits.
        "tolerance = 1e-5": "tolerance = 0.004",
    }
    manifest = MANIFEST
    for old, new in changes.items():
        assert old in manifest, old
        manifest = manifest.replace(old, new)
    write("cheap-int8", images, manifest)


if __name__ == "__main__":
    main()
