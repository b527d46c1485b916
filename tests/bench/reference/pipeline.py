"""The plain Python pipeline that `bolus label` is measured against.

A folder of CT series goes through pydicom with its codec plug-ins, SimpleITK's linear resampling, onnxruntime and
pyarrow, by the same bundle. One JSON object on standard output gives the label of each series and the seconds of each
stage; importing the libraries is not counted in any stage.
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import SimpleITK as sitk

from bundle import Bundle, Spec

BATCH = 32
# Slices further from an even raster than this cannot be given to SimpleITK as one image.
EVEN_MM = 0.05


class Stages:
    """Adds up the seconds of each stage."""

    def __init__(self):
        self.seconds = {"read_decode": 0.0, "preprocess": 0.0, "load": 0.0, "inference": 0.0, "write": 0.0}

    def run(self, stage, function, *arguments):
        """Calls `function` and adds its time to `stage`."""
        begin = perf_counter()
        result = function(*arguments)
        self.seconds[stage] += perf_counter() - begin
        return result


def files_of(folder: Path) -> list[Path]:
    """Every file below `folder`."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def sort_slices(datasets: list[pydicom.Dataset]) -> tuple[list[pydicom.Dataset], np.ndarray]:
    """Orders slices from caudal to cranial by their position along the normal; gives the positions in mm too."""
    orientation = np.array(datasets[0].ImageOrientationPatient, dtype=float)
    normal = np.cross(orientation[:3], orientation[3:])
    normal *= np.sign(normal[2])
    keyed = [(float(np.dot(dataset.ImagePositionPatient, normal)), dataset) for dataset in datasets]
    keyed.sort(key=lambda pair: pair[0])
    return [dataset for _, dataset in keyed], np.array([position for position, _ in keyed])


def by_series(datasets: list[pydicom.Dataset]) -> list[list[pydicom.Dataset]]:
    """Groups the slices by Series Instance UID."""
    series = {}
    for dataset in datasets:
        series.setdefault(str(dataset.SeriesInstanceUID), []).append(dataset)
    return list(series.values())


def read_all(folder: Path) -> list[list[pydicom.Dataset]]:
    """Reads and decodes every file, and groups them by series."""
    datasets = [pydicom.dcmread(path) for path in files_of(folder)]
    for dataset in datasets:
        dataset.pixel_array
    return by_series(datasets)


def read_needed(folder: Path, spec: Spec) -> list[list[pydicom.Dataset]]:
    """Reads every header, but decodes only the slices that the slab is interpolated from."""
    headers = []
    for path in files_of(folder):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        header.source_path = path
        headers.append(header)
    return [read_slab(series, spec) for series in by_series(headers)]


def read_slab(headers: list[pydicom.Dataset], spec: Spec) -> list[pydicom.Dataset]:
    """Replaces the headers of the needed slices by the decoded files; the others keep the place of their slice."""
    headers, positions = sort_slices(headers)
    spacing = even_spacing(positions)
    slab = spec.slab(resampled_depth(positions, spacing, spec))
    low = math.floor(slab.start * spec.spacing_mm[0] / spacing)
    high = math.ceil((slab.stop - 1) * spec.spacing_mm[0] / spacing)
    for index in range(max(low, 0), min(high + 1, len(headers))):
        headers[index] = pydicom.dcmread(headers[index].source_path)
        headers[index].pixel_array
    return headers


def even_spacing(positions: np.ndarray) -> float:
    """The distance of neighbouring slices in mm, which must be the same throughout."""
    gaps = np.diff(positions)
    if np.ptp(gaps) > EVEN_MM:
        raise ValueError("SimpleITK needs evenly spaced slices")
    return float(np.median(gaps))


def resampled_depth(positions: np.ndarray, spacing: float, spec: Spec) -> int:
    """How many slices the resampled series has."""
    return math.floor((positions[-1] - positions[0] + spacing) / spec.spacing_mm[0] + 0.5)


def volume_hu(datasets: list[pydicom.Dataset], fill_hu: float) -> np.ndarray:
    """The decoded slices as one volume of HU, [z, y, x], x to the left and y to the back."""
    volume = np.empty((len(datasets), datasets[0].Rows, datasets[0].Columns), dtype=np.float32)
    for out, dataset in zip(volume, datasets):
        stored = dataset.pixel_array
        np.multiply(stored, np.float32(dataset.RescaleSlope), out=out)
        out += np.float32(dataset.RescaleIntercept)
        if "PixelPaddingValue" in dataset:
            out[stored == dataset.PixelPaddingValue] = fill_hu
    orientation = datasets[0].ImageOrientationPatient
    return volume[:, :: -1 if orientation[4] < 0 else 1, :: -1 if orientation[0] < 0 else 1]


def preprocess(datasets: list[pydicom.Dataset], spec: Spec) -> np.ndarray:
    """The scored slab of one series, [slice, row, column], 0..1."""
    datasets, positions = sort_slices(datasets)
    spacing = even_spacing(positions)
    depth = resampled_depth(positions, spacing, spec)
    slab = spec.slab(depth)
    rows, columns = map(float, datasets[0].PixelSpacing)
    first = next(index for index, dataset in enumerate(datasets) if "PixelData" in dataset)
    decoded = [dataset for dataset in datasets if "PixelData" in dataset]

    image = sitk.GetImageFromArray(volume_hu(decoded, spec.fill_hu))
    image.SetSpacing((columns, rows, spacing))
    image.SetOrigin((0.0, 0.0, first * spacing))

    # The part of slab and window that lies in the resampled series, [z, y, x]; the rest is filled.
    new = spec.spacing_mm
    lengths = [depth] + [math.floor(n * s / step + 0.5) for n, s, step in zip(image.GetSize()[1::-1], (rows, columns), new[1:])]
    starts = [slab.start] + [n // 2 - crop // 2 for n, crop in zip(lengths[1:], spec.crop[1:])]
    sizes = [len(slab), *spec.crop[1:]]
    begin = [max(0, start) for start in starts]
    end = [min(length, start + size) for length, start, size in zip(lengths, starts, sizes)]
    shape = [max(0, stop - start) for start, stop in zip(begin, end)]
    result = np.full(sizes, spec.fill_hu, dtype=np.float32)
    if min(shape) > 0:
        grid = sitk.ResampleImageFilter()
        grid.SetInterpolator(sitk.sitkLinear)
        grid.SetDefaultPixelValue(spec.fill_hu)
        grid.SetOutputSpacing(new[::-1])
        grid.SetOutputOrigin([start * step for start, step in zip(begin, new)][::-1])
        grid.SetSize(shape[::-1])
        place = tuple(slice(b - s, b - s + n) for b, s, n in zip(begin, starts, shape))
        result[place] = sitk.GetArrayFromImage(grid.Execute(image))
    return scale(result, spec)


def scale(hu: np.ndarray, spec: Spec) -> np.ndarray:
    """HU to 0..1: ceiling, clip (which covers the floor), then from the clip range or the slab's own."""
    hu[hu > spec.ceiling_hu] = spec.above_ceiling_hu
    np.clip(hu, max(spec.clip_hu[0], spec.floor_hu), spec.clip_hu[1], out=hu)
    low, high = spec.clip_hu if spec.scale == "clip" else (hu.min(), hu.max())
    return (hu - low) / (high - low) if high > low else np.zeros_like(hu)


def load_network(bundle: Bundle, threads: int):
    """An onnxruntime session on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(bundle.network, options, providers=["CPUExecutionProvider"])


def infer(session, network: dict, slab: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """The probability of each slice."""
    axis = 1 if network["layout"] == "nchw" else 3
    slab = slab.astype(network["dtype"])
    scores = []
    for begin in range(0, len(slab), batch):
        tensor = np.repeat(np.expand_dims(slab[begin : begin + batch], axis), network["channels"], axis=axis)
        scores.append(session.run([network["output"]], {network["input"]: tensor})[0].reshape(-1))
    return np.concatenate(scores).astype(np.float32)


def decide(scores: np.ndarray, manifest: dict) -> tuple[float, str]:
    """The calibrated probability of the series and its class."""
    decision, calibration = manifest["decision"], manifest["calibration"]
    mean = min(max(float(scores.mean(dtype=np.float64)), 1e-12), 1 - 1e-12)
    probability = calibrate(mean, calibration)
    low, high = decision["indeterminate"]
    if low <= probability <= high:
        return probability, "indeterminate"
    return probability, "enhanced" if probability > decision["scan_threshold"] else "native"


def calibrate(mean: float, calibration: dict) -> float:
    """The manifest's `[calibration]`; format 1 has the two numbers of Platt's alone."""
    method = calibration.get("method", "platt")
    if method == "identity":
        return mean
    if method == "isotonic":
        return float(np.interp(mean, calibration["raw"], calibration["calibrated"]))
    logit = math.log(mean / (1 - mean))
    return 1 / (1 + math.exp(-(calibration["scale"] * logit + calibration["shift"])))


def write(rows: list[dict], path: Path) -> None:
    """One Parquet file with a row for each series."""
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")


def label(folder: Path, bundle: Bundle, arguments: argparse.Namespace, stages: Stages) -> list[dict]:
    """Labels every series below `folder`."""
    session = None
    if not arguments.skip_inference:
        session = stages.run("load", load_network, bundle, arguments.threads)
    reader = (read_needed, folder, bundle.spec) if arguments.needed_only else (read_all, folder)
    rows = []
    for datasets in stages.run("read_decode", *reader):
        slab = stages.run("preprocess", preprocess, datasets, bundle.spec)
        if arguments.dump_tensor:
            np.save(arguments.dump_tensor, slab)
        scores = np.zeros(len(slab), dtype=np.float32)
        if session is not None:
            scores = stages.run("inference", infer, session, bundle.manifest["network"], slab, arguments.batch)
        probability, predicted = decide(scores, bundle.manifest)
        rows.append(
            {
                "series_instance_uid": str(datasets[0].SeriesInstanceUID),
                "probability": probability,
                "predicted_class": predicted,
                "slice_probabilities": scores.tolist(),
            }
        )
    stages.run("write", write, rows, arguments.output)
    return rows


def main() -> None:
    """Parses the arguments, runs, prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bundle", type=Path, required=True, help="folder with bundle.toml")
    parser.add_argument("--output", type=Path, required=True, help="Parquet file to write")
    parser.add_argument("--needed-only", action="store_true", help="decode only the slices that the slab needs")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of one onnxruntime operator")
    parser.add_argument("--batch", type=int, default=BATCH, help="slices in one call of the network")
    parser.add_argument("--skip-inference", action="store_true", help="everything but the network")
    parser.add_argument("--dump-tensor", type=Path, help="also save the slab of the last series as .npy")
    arguments = parser.parse_args()

    stages = Stages()
    begin = perf_counter()
    rows = label(arguments.folder, Bundle.load(arguments.bundle), arguments, stages)
    report = {"series": rows, "seconds": stages.seconds, "elapsed_seconds": perf_counter() - begin}
    json.dump(report, sys.stdout)
    print()


if __name__ == "__main__":
    main()
