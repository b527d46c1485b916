"""Writes labelled DICOM series of synthetic patients: `python -m phantom.series SET OUT` (see `SETS`).

OUT holds a folder a series, named by its seed, and `truth.csv` (series_uid, contrast, patient, body_part, split, site).
A series that is there is not drawn again, so a stopped run goes on. Odd seeds are enhanced, even ones native.

Training series are ten levels spread over the part and stored 3 mm apart with pixels of 1 mm: the network sees
slices one by one, and the preprocessing's resampling leaves these as they are.
Hold-out series are contiguous scans that carry no body part. Their settings (`style.HOLD`) are unseen in training:
another bank of noise textures, coarser kernels and more noise, calibration shifts up to 15 HU, stouter and larger
patients, denser native blood (to 68 HU), more and fainter late phases (blood of at least 95 HU), more devices,
other sites, pixels of 0.74 to 0.98 mm, thickness blending at 2.5 to 5 mm.
"""

import argparse
import csv
import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from tqdm import tqdm

from .acquisition import LEVEL_MM, Scan
from .style import CALIBRATION, HOLD, TRAIN, Style


@dataclass(frozen=True)
class Set:
    """One named set: which part, settings, seeds and split."""

    head_neck: bool
    style: Style
    first_seed: int
    scans: int
    split: str
    short: bool = False
    """Fewer slices, all 5 mm apart."""


SETS = {
    f"{part}-{name}": Set(part == "hn", style, base + offset, scans, split, short)
    for part, base in (("hn", 1_000_000), ("torso", 2_000_000))
    for name, style, offset, scans, split, short in (
        ("train", TRAIN, 0, 1800, "train", False),
        ("val", TRAIN, 100_000, 200, "validation", False),
        ("hold", HOLD, 200_000, 120, "test", False),
        ("hold-b", HOLD, 300_000, 200, "test", True),
        ("cal", CALIBRATION, 400_000, 100, "validation", True),
    )
}

CHANGED_HU = 15
"""A mask holds the pixels that contrast changed by more than this."""

_NECK = ((-60, 0, 0.12), (0, 45, 0.19), (45, 125, 0.38), (125, 165, 0.16), (165, 215, 0.1), (215, 250, 0.05))
_CHEST = ((-15, 0, 0.04), (0, 60, 0.26), (60, 115, 0.25), (115, 250, 0.40), (250, 275, 0.05))
_ABDOMEN = ((230, 250, 0.05), (250, 500, 0.70), (500, 750, 0.25))


def _spread(table, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` heights in nominal mm, one from each of as many equal shares of the table's weights."""
    edges = [table[0][0]] + [b for _, b, _ in table]
    shares = np.concatenate([[0], np.cumsum([w for *_, w in table])])
    return np.interp((np.arange(count) + rng.random(count)) / count * shares[-1], shares, edges)


@dataclass
class Plan:
    """A series before it is drawn: the scan, its levels from cranial to caudal, what its headers say."""

    scan: Scan
    levels: np.ndarray
    step: float
    body_part: str
    tagged: bool


def plan(seed: int, which: Set) -> Plan:
    """What the series of this seed shows; draws nothing."""
    rng = np.random.default_rng([seed, 2])
    scan = Scan(seed, bool(seed % 2), which.style, which.head_neck)
    part = "HEADNECK" if which.head_neck else "CHEST" if rng.random() < 0.6 else "ABDOMEN"
    if which.style is TRAIN:
        if part == "HEADNECK":
            levels = -_spread(_NECK, 10, rng)[::-1]
        else:
            levels = _spread(_CHEST if part == "CHEST" else _ABDOMEN, 10, rng)
        return Plan(scan, levels / LEVEL_MM, 3.0, part, True)
    count = int(rng.integers(12, 17) if which.short else rng.integers(22, 31))
    step = 5.0 if which.short else float(rng.choice((2.5, 3.0, 3.75, 5.0), p=(0.15, 0.3, 0.2, 0.35)))
    if not which.short and rng.random() < 0.2:
        count, step = int(rng.integers(40, 61)), 5.0
    nominal = step / max(0.6, scan.patient.scale)
    top, end = {"HEADNECK": (-rng.uniform(95, 190), 80), "CHEST": (rng.uniform(-30, 40), 270), "ABDOMEN": (rng.uniform(225, 300), 740)}[part]
    if part == "HEADNECK" and count * nominal > 190:
        top = -rng.uniform(200, 255)
    return Plan(scan, np.minimum(top + nominal * np.arange(count), end) / LEVEL_MM, step, part, False)


def uid(*name) -> str:
    """A UID that is a function of its parts."""
    digest = hashlib.sha256("/".join(map(str, ("bolus phantom", *name))).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def series_uid(seed: int, which: Set) -> str:
    """The series' UID."""
    return uid(which.style.name, seed, "series")


def _header(seed: int, which: Set, p: Plan) -> Dataset:
    """What all files of a series share."""
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = CTImageStorage
    d.ImageType, d.Modality = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT"
    d.StudyDate = d.SeriesDate = d.ContentDate = "20260101"
    d.StudyTime = d.SeriesTime = d.ContentTime = "120000"
    d.AccessionNumber, d.Manufacturer, d.ManufacturerModelName = "", "Bolus", f"phantom {p.scan.site}"
    d.ReferringPhysicianName, d.PatientName, d.PatientID = "", "", str(seed)
    d.PatientBirthDate, d.PatientSex, d.StudyID = "", "", ""
    d.StudyInstanceUID, d.SeriesInstanceUID = uid(which.style.name, seed, "study"), series_uid(seed, which)
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = uid(which.style.name, seed, "frame"), ""
    if p.tagged:
        d.BodyPartExamined = p.body_part
    d.PatientPosition, d.SeriesNumber, d.AcquisitionNumber, d.KVP = "HFS", 1, 1, 120
    d.SliceThickness = p.step
    d.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    size, spacing = p.scan.size, round(p.scan.spacing, 4)
    d.PixelSpacing, d.Rows, d.Columns = [spacing, spacing], size, size
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
    d.RescaleIntercept, d.RescaleSlope, d.RescaleType = -1024, 1, "HU"
    return d


def write(seed: int, which: Set, out: Path, mask: bool = False) -> None:
    """Draw and write one series, whole or not at all; `mask` adds where it differs from its native twin."""
    folder, part = out / str(seed), out / f".{seed}.{os.getpid()}.part"
    target = out / "masks" / f"{series_uid(seed, which)}.npz"
    mask = mask and seed % 2 == 1 and not target.exists()
    if folder.exists() and not mask:
        return
    part.mkdir(parents=True, exist_ok=True)
    p, twin, changed = plan(seed, which), Scan(seed, False, which.style, which.head_neck), []
    d = _header(seed, which, p)
    corner = -(p.scan.size - 1) / 2 * float(d.PixelSpacing[0])
    for k, level in enumerate(map(float, p.levels)):
        d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = uid(which.style.name, seed, "slice", k)
        d.InstanceNumber = k + 1
        z = round((len(p.levels) - 1 - k) * p.step, 4)
        d.ImagePositionPatient, d.SliceLocation = [round(corner, 4), round(corner, 4), z], z
        anatomy = p.scan.thick(level, p.step)
        hu = np.clip(p.scan.slice(level, p.step, anatomy), -1024, 3071)
        d.PixelData = (np.rint(hu) + 1024).astype("<i2").tobytes()
        dcmwrite(part / f"{k + 1:04d}.dcm", d, enforce_file_format=True)
        if mask:
            changed.append(np.abs(anatomy - twin.thick(level, p.step)) > CHANGED_HU)
    if mask:
        target.parent.mkdir(exist_ok=True)
        instances = [uid(which.style.name, seed, "slice", k) for k in range(len(changed))]
        np.savez_compressed(target, mask=np.stack(changed), sop_instance_uid=np.array(instances))
    _settle(part, folder)


def _settle(part: Path, folder: Path) -> None:
    """Give a finished series its name, or drop it where another process was faster."""
    try:
        part.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(part)


def truth(which: Set, seeds, out: Path) -> None:
    """Write `truth.csv`."""
    with (out / "truth.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("series_uid", "contrast", "patient", "body_part", "split", "site"))
        for seed in seeds:
            p = plan(seed, which)
            rows.writerow((series_uid(seed, which), seed % 2, seed, p.body_part, which.split, f"{which.style.name}-{p.scan.site}"))


def _job(args) -> None:
    write(*args)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("set", choices=sorted(SETS))
    args.add_argument("out", type=Path)
    args.add_argument("--first-seed", type=int, help="the set's own unless told")
    args.add_argument("--scans", type=int, help="the set's own number unless told")
    args.add_argument("--jobs", type=int, default=1, help="processes")
    args.add_argument("--mask", action="store_true", help="also write masks/SERIES_UID.npz: where contrast changed the image")
    a = args.parse_args()
    which = SETS[a.set]
    first = which.first_seed if a.first_seed is None else a.first_seed
    seeds = range(first, first + (a.scans or which.scans))
    a.out.mkdir(parents=True, exist_ok=True)
    for left in a.out.glob(".*.part"):
        if time.time() - left.stat().st_mtime > 600:
            shutil.rmtree(left, ignore_errors=True)
    jobs = [(seed, which, a.out, a.mask) for seed in seeds]
    if a.jobs > 1:
        with Pool(a.jobs) as pool:
            for _ in tqdm(pool.imap_unordered(_job, jobs), total=len(jobs), unit="series", disable=None):
                pass
    else:
        for job in tqdm(jobs, unit="series", disable=None):
            write(*job)
    truth(which, seeds, a.out)


if __name__ == "__main__":
    main()
