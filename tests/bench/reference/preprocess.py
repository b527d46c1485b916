"""The preprocessing of schemas/bundle.md, steps 1 to 6, in plain NumPy and float64: the oracle of the golden tests.

Written from the text of the specification, without regard to speed and sharing no code with the Rust side. Step 7 (the
grey slice repeated into each channel) is left to the reader of the tensor.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from bundle import Spec

# Two positions closer than this are the same: rounding of decimal strings, far below any voxel.
SAME_MM = 1e-6


@dataclass(frozen=True)
class Slice:
    """One axial source slice as it is stored."""

    stored: np.ndarray  # [row, column], stored values
    slope: float
    intercept: float
    padding: tuple[int, int] | None  # lowest and highest stored value that mark a padding pixel
    position: tuple[float, float, float]  # ImagePositionPatient, mm
    orientation: tuple[float, ...]  # ImageOrientationPatient: direction of a row, then of a column
    pixel_spacing: tuple[float, float]  # mm between rows, between columns
    sop_uid: str = ""


@dataclass(frozen=True)
class Scored:
    """The scored slab of one series."""

    tensor: np.ndarray  # [slice, row, column], caudal to cranial, 0..1
    hu: np.ndarray  # the same voxels before step 6
    positions_mm: list[float]  # of each scored slice, along the cranial slice normal
    nearest: list[list[str]]  # SOP Instance UIDs of the nearest source slices; more than one where they are equally near


def read_slice(path: Path) -> Slice:
    """Reads one DICOM file (with or without preamble)."""
    dataset = pydicom.dcmread(path, force=True)
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        limit = dataset.get("PixelPaddingRangeLimit", padding)
        padding = (min(padding, limit), max(padding, limit))
    return Slice(
        dataset.pixel_array,
        float(dataset.RescaleSlope),
        float(dataset.RescaleIntercept),
        padding,
        tuple(map(float, dataset.ImagePositionPatient)),
        tuple(map(float, dataset.ImageOrientationPatient)),
        tuple(map(float, dataset.PixelSpacing)),
        str(dataset.get("SOPInstanceUID", "")),
    )


def read_series(folder: Path) -> list[Slice]:
    """Reads every file of `folder`, in the order of the names, which means nothing."""
    return [read_slice(path) for path in sorted(folder.iterdir()) if path.is_file()]


def hounsfield(image: Slice, spec: Spec) -> np.ndarray:
    """Step 1: stored values to HU, padding pixels to `fill_hu`."""
    stored = image.stored.astype(np.float64)
    hu = stored * image.slope + image.intercept
    if image.padding is not None:
        low, high = image.padding
        hu[(stored >= low) & (stored <= high)] = spec.fill_hu
    return hu


def cranial_normal(orientation: tuple[float, ...]) -> np.ndarray:
    """The slice normal, turned so that it points to the head."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal if normal[2] > 0 else -normal


def oriented(slices: list[Slice], spec: Spec) -> tuple[np.ndarray, np.ndarray, list[Slice]]:
    """Steps 1 and 2: the volume [z, y, x] in HU, each slice's position in mm along the normal, and the slices in that order."""
    orientation = slices[0].orientation
    if abs(orientation[0]) < 0.5 or abs(orientation[4]) < 0.5:
        raise ValueError("rows must run along x and columns along y")
    normal = cranial_normal(orientation)
    ordered = sorted(slices, key=lambda image: float(np.dot(image.position, normal)))
    positions = np.array([np.dot(image.position, normal) for image in ordered])
    if np.any(np.diff(positions) < SAME_MM):
        raise ValueError("two slices lie at one position")
    volume = np.stack([hounsfield(image, spec) for image in ordered])
    if orientation[0] < 0:
        volume = volume[:, :, ::-1]
    if orientation[4] < 0:
        volume = volume[:, ::-1, :]
    return volume, positions, ordered


def round_half_away(value: float) -> int:
    """Rounds a positive number, halves upwards."""
    return math.floor(value + 0.5)


def interpolation(centres: np.ndarray, half_mm: float, samples: np.ndarray):
    """For each sample: the two source indices around it, the weight of the second, and whether the source covers it.

    `centres` ascend, in mm. Up to `half_mm` beyond the first or last centre the edge's value is taken.
    """
    inside = (samples >= centres[0] - half_mm - SAME_MM) & (samples <= centres[-1] + half_mm + SAME_MM)
    clamped = np.clip(samples, centres[0], centres[-1])
    low = np.clip(np.searchsorted(centres, clamped, side="right") - 1, 0, len(centres) - 2)
    weight = (clamped - centres[low]) / (centres[low + 1] - centres[low])
    return low, low + 1, weight, inside


def window(length: int, spacing_mm: float, new_mm: float, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps 3 and 4 along one in-plane axis: the crop's sample positions in mm, and which of them lie in the resampled image."""
    count = round_half_away(length * spacing_mm / new_mm)
    index = np.arange(crop) + count // 2 - crop // 2
    return index * new_mm, (index >= 0) & (index < count)


def plane(image: np.ndarray, rows, columns) -> np.ndarray:
    """Bilinear interpolation of one slice at the rows and columns that `interpolation` gave."""
    top, bottom, down, _ = rows
    left, right, across, _ = columns
    vertical = image[top] * (1.0 - down)[:, None] + image[bottom] * down[:, None]
    return vertical[:, left] * (1.0 - across) + vertical[:, right] * across


def resample_slab(volume: np.ndarray, positions: np.ndarray, pixel_spacing: tuple[float, float], spec: Spec):
    """Steps 3 to 5: the scored slab in HU, [slice, row, column], and its slices' positions in mm."""
    new_z, new_y, new_x = spec.spacing_mm
    median = float(np.median(np.diff(positions)))
    depth = round_half_away((positions[-1] - positions[0] + median) / new_z)
    index = np.array(spec.slab(depth))
    samples = positions[0] + index * new_z
    low, high, weight, covered = interpolation(positions, median / 2, samples)
    covered &= (index >= 0) & (index < depth)

    y_mm, y_in = window(volume.shape[1], pixel_spacing[0], new_y, spec.crop[1])
    x_mm, x_in = window(volume.shape[2], pixel_spacing[1], new_x, spec.crop[2])
    rows = interpolation(np.arange(volume.shape[1]) * pixel_spacing[0], pixel_spacing[0] / 2, y_mm)
    columns = interpolation(np.arange(volume.shape[2]) * pixel_spacing[1], pixel_spacing[1] / 2, x_mm)
    drawn = np.outer(rows[3] & y_in, columns[3] & x_in)

    slab = np.full((len(index), spec.crop[1], spec.crop[2]), spec.fill_hu)
    for out in np.flatnonzero(covered):
        source = volume[low[out]] * (1.0 - weight[out]) + volume[high[out]] * weight[out]
        slab[out][drawn] = plane(source, rows, columns)[drawn]
    return slab, samples


def values(hu: np.ndarray, spec: Spec) -> np.ndarray:
    """Step 6: floor, ceiling, clip, and to 0..1 from the clip range or the slab's own."""
    hu = np.where(hu <= spec.floor_hu, spec.floor_hu, hu)
    hu = np.where(hu > spec.ceiling_hu, spec.above_ceiling_hu, hu)
    hu = np.clip(hu, *spec.clip_hu)
    low, high = spec.clip_hu if spec.scale == "clip" else (hu.min(), hu.max())
    return (hu - low) / (high - low) if high > low else np.zeros_like(hu)


def nearest_uids(ordered: list[Slice], positions: np.ndarray, sample: float) -> list[str]:
    """The SOP Instance UIDs of the source slices nearest to `sample` mm."""
    distance = np.abs(positions - sample)
    return [ordered[index].sop_uid for index in np.flatnonzero(distance <= distance.min() + SAME_MM)]


def preprocess(slices: list[Slice], spec: Spec) -> Scored:
    """Turns the slices of one series, in any order, into its scored slab."""
    volume, positions, ordered = oriented(slices, spec)
    hu, samples = resample_slab(volume, positions, slices[0].pixel_spacing, spec)
    nearest = [nearest_uids(ordered, positions, sample) for sample in samples]
    return Scored(values(hu, spec), hu, [float(sample) for sample in samples], nearest)
