"""Files that Keras itself wrote, converted: the same probabilities, a bundle that loads, and a word for what is refused."""

import copy
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

import h5py
import numpy as np
import onnx
import onnxruntime

from import_keras import Refused, graph, keras_file
from import_keras.bundle import PARTS, Origin, convert

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
KERAS = ("keras-2", "keras-3")


def setUpModule() -> None:
    global folder
    folder = Path(tempfile.mkdtemp(prefix="import-keras-"))
    written = subprocess.run([sys.executable, HERE / "keras_files.py", folder], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if written.returncode:
        raise RuntimeError(written.stdout)


def tearDownModule() -> None:
    shutil.rmtree(folder)


def score(model: onnx.ModelProto, slices: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([graph.OUTPUT], {graph.INPUT: slices})[0]


class Conversion(unittest.TestCase):
    def test_probabilities_are_those_of_keras_in_every_batch(self):
        for version in KERAS:
            with self.subTest(version):
                slices = np.load(folder / version / "inputs.npy").transpose(0, 3, 1, 2)
                wanted = np.load(folder / version / "probabilities.npy")
                self.assertGreater(np.ptp(wanted), 0.2, "the files' networks tell slices apart")
                model = graph.build(keras_file.read(folder / version / "flat.h5"))
                together = score(model, slices)
                np.testing.assert_allclose(together, wanted, rtol=0, atol=1e-4)
                alone = np.concatenate([score(model, slices[i : i + 1]) for i in (0, 3, 7)])
                self.assertEqual(alone.tobytes(), together[[0, 3, 7]].tobytes())

    def test_a_body_called_as_one_layer_gives_the_same_network(self):
        for version in KERAS:
            with self.subTest(version):
                flat, nested = (graph.build(keras_file.read(folder / version / file)) for file in ("flat.h5", "nested.h5"))
                self.assertEqual(flat.SerializeToString(deterministic=True), nested.SerializeToString(deterministic=True))

    def test_half_precision_halves_the_file_and_little_else(self):
        network = keras_file.read(folder / "keras-2" / "flat.h5")
        slices = np.load(folder / "keras-2" / "inputs.npy").transpose(0, 3, 1, 2)
        half = graph.build(network, half=True)
        self.assertLess(half.ByteSize(), 0.51 * graph.build(network).ByteSize())
        np.testing.assert_allclose(score(half, slices), np.load(folder / "keras-2" / "probabilities.npy"), rtol=0, atol=0.05)


class Bundle(unittest.TestCase):
    def test_the_command_writes_a_bundle_that_bolus_labels_with(self):
        for body_part, version, kept in (("head-neck", "keras-2", [17, 82]), ("chest", "keras-3", [50, 119])):
            with self.subTest(body_part):
                out = folder / "bundles"
                command = [sys.executable, "-m", "import_keras", folder / version / "flat.h5", "--body-part", body_part, "--out", out]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                again = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
                self.assertEqual(again.returncode, 1)
                self.assertIn("is there already", again.stderr)
                bundle = out / f"deepcontrast-{body_part}"
                self.assertEqual({file.name for file in bundle.iterdir()}, {"bundle.toml", "model.onnx", "reference.u8", "card.md"})
                manifest = tomllib.loads((bundle / "bundle.toml").read_text())
                self.assertEqual(manifest["preprocessing"]["kept_slices"], kept)
                card = (bundle / "card.md").read_text()
                self.assertIn("do not redistribute", card)
                self.assertNotIn("@", card)
        # The reference in the manifest is checked by the program itself, so what it labels with, it has loaded and found right.
        self.label(out / "deepcontrast-chest", 70)

    def label(self, bundle: Path, slices: int) -> None:
        program = os.environ.get("BOLUS_PROGRAM")
        if not program:
            self.assertNotEqual(os.environ.get("BOLUS_TEST_REQUIRE"), "1", "BOLUS_PROGRAM names no bolus: run infra/test")
            self.skipTest("BOLUS_PROGRAM names no bolus to label with")
        series = CHECKOUT / "tests/data/series/chest-noncontrast-every10th"
        command = [program, "label", series, "--model", bundle, "--lake", folder / "lake", "--json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        row = json.loads(done.stdout.splitlines()[0])
        self.assertEqual((row["status"], row["slices_scored"]), ("labelled", slices))

    def test_a_published_file_for_another_body_part_is_refused(self):
        file = folder / "git-object"
        file.write_bytes(b"x")
        published = subprocess.run(["git", "hash-object", file], check=True, stdout=subprocess.PIPE, text=True).stdout
        known = dict(PARTS)
        try:
            PARTS["chest"] = dataclasses.replace(PARTS["chest"], git_id=published[:8])
            self.assertIn("begins like that", Origin.of(file, PARTS["chest"]).statement)
            with self.assertRaisesRegex(Refused, "use --body-part chest"):
                Origin.of(file, PARTS["head-neck"])
        finally:
            PARTS.update(known)


class Refusals(unittest.TestCase):
    def config(self, version: str) -> dict:
        with h5py.File(folder / version / "flat.h5") as file:
            return json.loads(keras_file.text(file.attrs["model_config"]))

    def refused(self, config: dict, pattern: str) -> None:
        with self.assertRaisesRegex(Refused, pattern):
            keras_file.match(keras_file.flatten(config))

    def test_another_architecture_is_refused_by_the_layer(self):
        for version in KERAS:
            whole = self.config(version)
            for name, key, value, pattern in (
                ("block4a_dwconv", "strides", [1, 1], r"block4a_dwconv: strides is \[1, 1\]; expected \[2, 2\]"),
                ("block3a_dwconv_pad", "padding", [[2, 2], [2, 2]], "block3a_dwconv_pad: padding"),
                ("top_activation", "activation", "relu", "top_activation: activation is relu; expected swish"),
                ("stem_bn", "epsilon", 1e-5, "stem_bn: epsilon"),
                ("dense", "units", 512, "dense: units is 512; expected 1000"),
                ("block6h_se_reduce", "dtype", {"config": {"name": "mixed_float16"}}, "block6h_se_reduce: computes in mixed_float16"),
            ):
                with self.subTest(version, layer=name):
                    config = copy.deepcopy(whole)
                    next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == name)["config"][key] = value
                    self.refused(config, pattern)
            layers = {layer["config"]["name"]: layer for layer in whole["config"]["layers"]}
            with self.subTest(version, case="a missing layer"):
                config = copy.deepcopy(whole)
                config["config"]["layers"].remove(layers["block7b_add"])
                self.refused(config, "block7b_add: not in the file")
            with self.subTest(version, case="one layer more"):
                config = copy.deepcopy(whole)
                config["config"]["layers"].append(copy.deepcopy(layers["dense"]))
                config["config"]["layers"][-1]["config"]["name"] = "further"
                self.refused(config, "further: not in the published network")
            with self.subTest(version, case="other wiring"):
                config = copy.deepcopy(whole)
                wrong = next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == "block5b_add")
                wrong["inbound_nodes"] = layers["block5c_add"]["inbound_nodes"]
                self.refused(config, "block5b_add: takes block5c_drop, block5b_add; expected block5b_drop, block5a_project_bn")

    def test_tensors_that_lack_or_do_not_fit_are_refused_by_name(self):
        network = keras_file.read(folder / "keras-2" / "flat.h5")
        names = {layer.name: layer.name for layer in network.layers}
        wide = np.zeros((1, 1, 448, 1280), np.float32)
        for path, value, pattern in (
            ("block2b_bn/block2b_bn/gamma:0", None, "block2b_bn: tensor gamma is not in the file"),
            ("top_conv/top_conv/kernel:0", wide, r"top_conv: tensor kernel has the shape \[1, 1, 448, 1280\]; expected \[1, 1, 448, 1792\]"),
            ("out/out/bias:0", np.float32([np.nan]), "out: tensor bias holds something else than finite numbers"),
            ("top_conv/top_conv/bias:0", np.zeros(1792), "top_conv: tensor bias is not in the published network"),
            ("other/other/kernel:0", np.zeros(1), "other: has tensors and is not in the published network"),
        ):
            with self.subTest(path), h5py.File("memory", "w", driver="core", backing_store=False) as file:
                for layer in network.layers:
                    for name, tensor in network.weights[layer.name].items():
                        file[f"{layer.name}/{layer.name}/{name}:0"] = tensor
                file.pop(path, None)
                if value is not None:
                    file[path] = value
                with self.assertRaisesRegex(Refused, pattern):
                    keras_file.tensors(file, network.layers, names)

    def test_what_is_no_whole_model_is_refused(self):
        junk = folder / "junk.h5"
        junk.write_bytes(b"no HDF5")
        with self.assertRaisesRegex(Refused, "cannot be read as HDF5"):
            convert(junk, PARTS["chest"], folder / "none", half=False)
        with h5py.File(folder / "weights.h5", "w") as file:
            file["stem_conv/kernel:0"] = np.zeros(1)
        with self.assertRaisesRegex(Refused, "holds no whole Keras model"):
            convert(folder / "weights.h5", PARTS["chest"], folder / "none", half=False)
        self.assertFalse((folder / "none").exists())


if __name__ == "__main__":
    unittest.main()
