"""Checks the golden oracle against SimpleITK, and the golden files against the oracle.

    python -m unittest discover -s tests/golden -p 'test_*.py'
"""

import gzip
import hashlib
import json
import sys
import unittest
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_golden  # noqa: E402
import preprocess  # noqa: E402  (make_golden adds its folder to the path)
import pipeline  # noqa: E402
from bundle import Spec  # noqa: E402


def real_series(name: str):
    """The slices of one real series."""
    return preprocess.read_series(make_golden.DATA / "series" / name)


class AgainstSimpleItk(unittest.TestCase):
    """The trilinear part, on evenly spaced real series, where SimpleITK is defined."""

    def check(self, name: str):
        spec = Spec()
        volume, positions, ordered = preprocess.oriented(real_series(name), spec)
        rows, columns = ordered[0].pixel_spacing
        spacing = float(np.median(np.diff(positions)))
        image = sitk.GetImageFromArray(np.ascontiguousarray(volume))
        image.SetSpacing((columns, rows, spacing))
        lengths = [round((positions[-1] - positions[0] + spacing) / 3.0), round(volume.shape[1] * rows), round(volume.shape[2] * columns)]
        whole = sitk.GetArrayFromImage(
            sitk.Resample(image, lengths[::-1], sitk.Transform(), sitk.sitkLinear, (0, 0, 0), (1, 1, 3), np.eye(3).ravel().tolist(), spec.fill_hu)
        )
        slab = spec.slab(lengths[0])
        start_y, start_x = lengths[1] // 2 - 96, lengths[2] // 2 - 96
        expected = whole[slab.start : slab.stop, start_y : start_y + 192, start_x : start_x + 192]
        found, _ = preprocess.resample_slab(volume, positions, (rows, columns), spec)
        self.assertEqual(found.shape, expected.shape)
        self.assertLess(np.abs(found - expected).max(), 1e-6)

    def test_chest(self):
        self.check("chest-noncontrast-every10th")

    def test_abdomen(self):
        self.check("totalsegmentator-abdomen-contrast")


class Pipeline(unittest.TestCase):
    """The benchmark's pipeline makes the oracle's tensor."""

    def test_agrees_with_oracle(self):
        for name in make_golden.REAL:
            for short_series in ("slide", "pad"):
                with self.subTest(name=name, short_series=short_series):
                    spec = Spec(short_series=short_series)
                    scored = preprocess.preprocess(real_series(name), spec)
                    folder = make_golden.DATA / "series" / name
                    datasets = [pipeline.pydicom.dcmread(path) for path in pipeline.files_of(folder)]
                    found = pipeline.preprocess(datasets, spec)
                    far = np.abs(scored.hu - spec.ceiling_hu) > make_golden.NEAR_CEILING_HU
                    self.assertLess(np.abs(found - scored.tensor)[far].max(), 1e-4)

    def test_needed_slices_give_the_same(self):
        folder = make_golden.DATA / "series" / "chest-noncontrast-every10th"
        whole = pipeline.preprocess(pipeline.read_all(folder)[0], Spec())
        needed = pipeline.read_needed(folder, Spec())[0]
        self.assertLess(sum("PixelData" in dataset for dataset in needed), len(needed))
        np.testing.assert_allclose(pipeline.preprocess(needed, Spec()), whole, atol=1e-5)


class Oracle(unittest.TestCase):
    """Small cases that can be checked by hand."""

    def test_slab(self):
        published = Spec()
        self.assertEqual(published.slab(93), range(3, 73))
        self.assertEqual(published.slab(80), range(0, 70))
        self.assertEqual(published.slab(13), range(0, 13))
        self.assertEqual(Spec(short_series="pad").slab(140), range(50, 120))
        self.assertEqual(Spec(short_series="pad").slab(80), range(-10, 60))

    def test_edge_takes_its_value_for_half_a_spacing(self):
        low, high, weight, inside = preprocess.interpolation(np.array([0.0, 2.0, 5.0]), 1.0, np.array([-1.0, -1.1, 3.5, 6.0, 6.1]))
        self.assertEqual(inside.tolist(), [True, False, True, True, False])
        centres = np.array([10.0, 20.0, 40.0])
        found = centres[low] * (1 - weight) + centres[high] * weight
        self.assertEqual(found[[0, 2, 3]].tolist(), [10.0, 30.0, 40.0])

    def test_values(self):
        hu = np.array([-3000.0, -200.0, 0.0, 200.0, 700.0, 700.5])
        self.assertEqual(preprocess.values(hu, Spec()).tolist(), [0.0, 0.0, 0.5, 1.0, 1.0, 0.5])
        self.assertEqual(preprocess.values(np.full(4, 30.0), Spec()).tolist(), [0.0] * 4)


class GoldenFiles(unittest.TestCase):
    """The files in the repository are what the oracle makes."""

    def test_files(self):
        for path in sorted(make_golden.HERE.glob("*.u16.gz")):
            header_path = path.with_name(path.name.removesuffix(".u16.gz") + ".json")
            with self.subTest(name=header_path.stem):
                header = json.loads(header_path.read_text())
                raw = gzip.decompress(path.read_bytes())
                self.assertEqual(hashlib.sha256(raw).hexdigest(), header["sha256_raw"])
                spec = Spec(**{key: tuple(value) if isinstance(value, list) else value for key, value in header["spec"].items()})
                name = header_path.stem
                if name in make_golden.REAL:
                    slices = real_series(name)
                else:
                    text = (make_golden.HERE / f"{name}.input.json").read_text()
                    slices = [self.slice_of(row) for row in json.loads(text)["slices"]]
                expected = preprocess.preprocess(slices, spec).tensor
                stored = np.frombuffer(raw, "<u2").reshape(header["shape"]) / 65535.0
                np.testing.assert_allclose(stored, expected, atol=1e-5)

    @staticmethod
    def slice_of(row: dict) -> preprocess.Slice:
        """A slice of a `.input.json` file."""
        shape = row.pop("rows"), row.pop("columns")
        return preprocess.Slice(**{**row, "stored": np.array(row["stored"]).reshape(shape), "padding": tuple(row["padding"])})


if __name__ == "__main__":
    unittest.main()
