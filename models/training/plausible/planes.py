"""Writes planes for the example `plane_figures` of bolus-preprocess: `python -m plausible.planes real|others|phantoms …`.

    real FOLDER        of a folder whose manifest.csv says path, set and patient: slices, runs of eight slices, whole series, and the
                       series as other scanners and patients would have them (`variants.py`). These may be fitted on.
    others FOLDER…     slices, runs and series of any folders of axial CT: to judge a table by; `fit.py` fits on none of them.
    phantoms           slices and series of synthetic patients whose seeds no set of `phantom.series` uses.

A plane is 192 x 192 pixels of 1 mm about the middle of the image, in HU, NaN where the image does not reach. JPEG-LS is read by
pyjpegls, which the environment of the tests has (`tests/bench/requirements.txt`).
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import pydicom
from scipy.ndimage import map_coordinates

from .variants import VARIANTS

EDGE = 192
MEASURED = 24
"""Planes of a series that are measured at most, as `plausible::is_measured` takes them."""
RUN = 8
AIR_HU = -1024
PHANTOM_SETS = ("hn-train", "hn-hold", "torso-train", "torso-hold")
PHANTOM_SEEDS = range(20_000, 20_300)
"""Beside the first seed of each set; the sets themselves end before."""
PHANTOM_LEVELS = 5


@dataclass
class Series:
    """Planes that are judged together."""

    kind: str
    patient: str
    name: str
    planes: np.ndarray
    """HU, [plane, EDGE, EDGE]."""
    source_mm: float
    """The coarser distance between pixels of the image."""

    def write(self, file) -> None:
        count, rows, columns = self.planes.shape
        label = [text.replace(",", " ").replace('"', " ") for text in (self.kind, self.patient, self.name)]
        file.write(("\t".join([*label, str(count), str(rows), str(columns), "1", f"{self.source_mm:.4f}"]) + "\n").encode())
        file.write(np.ascontiguousarray(self.planes, "<f4").tobytes())


def resample(hu: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """The plane of an image, linear between its pixels."""
    at = [(np.arange(EDGE) - (EDGE - 1) / 2) / mm + (size - 1) / 2 for mm, size in zip(spacing, hu.shape, strict=True)]
    plane = map_coordinates(hu.astype(np.float32), np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
    inside = [(place >= 0) & (place <= size - 1) for place, size in zip(at, hu.shape, strict=True)]
    plane[~np.outer(*inside)] = np.nan
    return plane


def read(path: Path) -> tuple[float, np.ndarray, float]:
    """Height in mm, plane and coarser pixel spacing of an axial CT image; ValueError where it is none."""
    d = pydicom.dcmread(path, force=True)
    if d.get("Modality") != "CT" or "PixelData" not in d or "PixelSpacing" not in d or d.get("NumberOfFrames", 1) != 1:
        raise ValueError("no single CT image")
    across = np.cross(*np.array(d.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0]), float).reshape(2, 3))
    if abs(across[2]) < 0.85 or "LOCALIZER" in d.get("ImageType", []):
        raise ValueError("not axial")
    stored = d.pixel_array
    hu = stored * float(d.get("RescaleSlope", 1)) + float(d.get("RescaleIntercept", 0))
    if "PixelPaddingValue" in d:
        hu[stored == d.PixelPaddingValue] = AIR_HU
    spacing = tuple(map(float, d.PixelSpacing))
    return float(d.get("ImagePositionPatient", [0, 0, 0])[2]), resample(hu, spacing), max(spacing)


def images(paths: Iterable[Path]) -> tuple[np.ndarray, float]:
    """The planes of a series from below upwards; what is no axial CT is told and left out."""
    found = []
    for path in paths:
        try:
            found.append(read(path))
        except Exception as error:  # whatever a decoder makes of a broken file
            print(f"{path}: left out: {error}", file=sys.stderr)
    found.sort(key=lambda one: one[0])
    return np.array([plane for _, plane, _ in found]).reshape(-1, EDGE, EDGE), max((mm for *_, mm in found), default=0.0)


def measured(count: int) -> slice:
    """Which planes of a series are measured."""
    return slice(None, None, max(1, -(-count // MEASURED)))


def parts(origin: str, patient: str, name: str, planes: np.ndarray, source_mm: float) -> Iterator[Series]:
    """A series slice by slice, in runs, and whole; `origin` goes before the kind."""
    for place in range(len(planes)):
        yield Series(origin + "slice", patient, f"{name}/{place}", planes[place : place + 1], source_mm)
    for start in range(0, len(planes) - RUN + 1, RUN // 2):
        yield Series(origin + "run", patient, f"{name}/{start}", planes[start : start + RUN], source_mm)
    if len(planes) > 1:
        yield Series(origin + "series", patient, name, planes[measured(len(planes))], source_mm)


def real(folder: Path) -> Iterator[Series]:
    """Everything of a folder that may be fitted on."""
    with (folder / "manifest.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["path"])
    for name, of_folder in groupby((row for row in rows if row["set"] == "series"), key=lambda row: Path(row["path"]).parent):
        of_folder = list(of_folder)
        planes, source_mm = images(folder / row["path"] for row in of_folder)
        patient = of_folder[0]["patient"]
        yield from parts("", patient, name.name, planes, source_mm)
        for number, (variant, change) in enumerate(VARIANTS.items()):
            rng = np.random.default_rng([number, len(planes)])
            changed = change(planes[measured(len(planes))], rng)
            yield Series(f"variant {variant}", patient, name.name, changed, source_mm)
    for row in rows:
        if row["set"] == "slices":
            yield from parts("", row["patient"], row["path"], *images([folder / row["path"]]))


def others(folders: Iterable[Path]) -> Iterator[Series]:
    """What any folders hold, to judge by; what has one series UID within a folder is a series, and each folder a patient."""
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        for (inner, series), of_series in groupby(sorted(paths, key=series_key), key=series_key):
            patient = str(Path(inner).relative_to(folder.parent))
            yield from parts("other ", patient, f"{patient}/{series}", *images(of_series))


def series_key(path: Path) -> tuple[str, str]:
    """Folder and series UID of a file; an empty one where it has none."""
    try:
        return str(path.parent), str(pydicom.dcmread(path, force=True, stop_before_pixels=True).get("SeriesInstanceUID", ""))
    except Exception:  # no DICOM file: `images` tells
        return str(path.parent), ""


def phantom(job: tuple[str, int]) -> list[Series]:
    """One synthetic patient at levels spread over the scan."""
    from phantom.series import SETS, plan

    name, offset = job
    which = SETS[name]
    seed = which.first_seed + offset
    p = plan(seed, which)
    spacing, planes = round(p.scan.spacing, 4), []
    for place in np.linspace(0, len(p.levels) - 1, PHANTOM_LEVELS).round().astype(int):
        level = float(p.levels[place])
        hu = np.rint(np.clip(p.scan.slice(level, p.step, p.scan.thick(level, p.step)), -1024, 3071))
        planes.append(resample(hu, (spacing, spacing)))
    return list(parts("phantom ", str(seed), f"{name}/{seed}", np.array(planes), spacing))


def phantoms(jobs: int) -> Iterator[Series]:
    """All synthetic patients."""
    with Pool(jobs) as pool:
        for of_patient in pool.imap(phantom, [(name, offset) for name in PHANTOM_SETS for offset in PHANTOM_SEEDS]):
            yield from of_patient


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("what", choices=("real", "others", "phantoms"))
    args.add_argument("folders", type=Path, nargs="*")
    args.add_argument("--jobs", type=int, default=1, help="processes that draw phantoms")
    a = args.parse_args()
    if (a.what == "phantoms") != (not a.folders) or a.what == "real" and len(a.folders) != 1:
        args.error("real takes one folder, others takes folders, phantoms none")
    series = {"real": lambda: real(a.folders[0]), "others": lambda: others(a.folders), "phantoms": lambda: phantoms(a.jobs)}[a.what]()
    for one in series:
        if len(one.planes):
            one.write(sys.stdout.buffer)


if __name__ == "__main__":
    main()
