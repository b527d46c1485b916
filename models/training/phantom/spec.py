"""The preprocessing of `schemas/bundle.md` in NumPy, for judging a bundle on DICOM folders. Not used in training."""

from pathlib import Path

import numpy as np
import pydicom

CROP, KEPT, SPACING = (140, 192, 192), (50, 119), (3.0, 1.0, 1.0)
FILL, FLOOR, CEILING, ABOVE, CLIP = -1024.0, -1024.0, 700.0, 0.0, (-200.0, 200.0)


def _half_away(value: float) -> int:
    return int(np.floor(value + 0.5))


def read_series(paths: list[Path]) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """HU [z, y, x] caudal to cranial, y to the back, x to the left; z in mm; (row, column) spacing in mm."""
    slices = []
    for path in paths:
        d = pydicom.dcmread(path, force=True)
        if not hasattr(d.file_meta, "TransferSyntaxUID"):
            d.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        stored = d.pixel_array.astype(np.float32)
        hu = stored * float(d.get("RescaleSlope", 1)) + float(d.get("RescaleIntercept", 0))
        padding = d.get("PixelPaddingValue")
        if padding is not None:
            hu[stored == float(padding)] = FILL
        row, column = np.array(d.ImageOrientationPatient[:3], float), np.array(d.ImageOrientationPatient[3:], float)
        normal = np.cross(row, column)
        z = float(np.dot(normal, np.array(d.ImagePositionPatient, float))) * (1 if normal[2] > 0 else -1)
        hu = hu[:, ::-1] if row[0] < 0 else hu
        hu = hu[::-1] if column[1] < 0 else hu
        slices.append((z, hu, tuple(float(v) for v in d.PixelSpacing)))
    slices.sort(key=lambda s: s[0])
    return np.stack([s[1] for s in slices]), np.array([s[0] for s in slices]), slices[0][2]


def _axis(positions: np.ndarray, samples: np.ndarray, spacing: float):
    """Lower index, weight of the upper neighbour, and whether each sample is inside."""
    inside = (samples >= positions[0] - spacing / 2 - 1e-6) & (samples <= positions[-1] + spacing / 2 + 1e-6)
    clamped = np.clip(samples, positions[0], positions[-1])
    low = np.clip(np.searchsorted(positions, clamped, side="right") - 1, 0, max(0, len(positions) - 2))
    gap = positions[np.minimum(low + 1, len(positions) - 1)] - positions[low]
    weight = np.where(gap > 0, (clamped - positions[low]) / np.where(gap > 0, gap, 1), 0.0)
    return low, weight.astype(np.float32), inside


def _in_plane(hu: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """One slice resampled to 1 mm and cropped to the centred window."""
    for axis in (0, 1):
        n, s = hu.shape[axis], spacing[axis]
        count, new, crop = _half_away(n * s / SPACING[1 + axis]), SPACING[1 + axis], CROP[1 + axis]
        index = count // 2 - crop // 2 + np.arange(crop)
        low, weight, inside = _axis(np.arange(n) * s, index * new, s)
        inside &= (index >= 0) & (index < count)
        shape = (-1, 1) if axis == 0 else (1, -1)
        a, b = np.take(hu, low, axis), np.take(hu, np.minimum(low + 1, n - 1), axis)
        hu = np.where(inside.reshape(shape), a + weight.reshape(shape) * (b - a), FILL).astype(np.float32)
    return hu


def tensor(hu: np.ndarray, z: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Scored slices [n, 192, 192] in 0..1, caudal to cranial, with `short_series = "slide"`."""
    flat = np.stack([_in_plane(s, spacing) for s in hu])
    step = float(np.median(np.diff(z))) if len(z) > 1 else SPACING[0]
    depth = _half_away((z[-1] - z[0] + step) / SPACING[0])
    skip, count = CROP[0] - 1 - KEPT[1], KEPT[1] - KEPT[0] + 1
    top = max(0, min(skip, depth - count))
    number = min(count, depth)
    index = depth - top - number + np.arange(number)
    low, weight, inside = _axis(z, z[0] + index * SPACING[0], step)
    a, b = flat[low], flat[np.minimum(low + 1, len(z) - 1)]
    w = weight[:, None, None]
    volume = np.where(inside[:, None, None], a + w * (b - a), FILL)
    volume = np.where(volume <= FLOOR, FLOOR, volume)
    volume = np.where(volume > CEILING, ABOVE, volume)
    volume = np.clip(volume, *CLIP)
    low_hu, high_hu = volume.min(), volume.max()
    return ((volume - low_hu) / max(high_hu - low_hu, 1e-6)).astype(np.float32)
