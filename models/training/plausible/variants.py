"""Planes of real series as other scanners and patients would have them: few patients may be fitted on, and a scanner sees many more.

Each takes planes in HU, [plane, y, x] of 1 mm, NaN beyond the image, and a source of random numbers. What they change is coarse, and only
meant to widen the covariance in the directions that patients differ in.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
AIR_HU = -1000.0


def _from_middle(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of pixels from the middle, `(y, x)` in mm."""
    y, x = np.mgrid[: planes.shape[1], : planes.shape[2]]
    return y - (planes.shape[1] - 1) / 2, x - (planes.shape[2] - 1) / 2


def _patches(planes: np.ndarray, rng: np.random.Generator, mm: float) -> np.ndarray:
    """A smooth random field per plane, of mean 0 and standard deviation 1, whose patches are some `mm` wide."""
    field = ndimage.gaussian_filter(rng.normal(0, 1, planes.shape), (0, mm, mm))
    return field / field.std()


def _noise(hu: float) -> Change:
    """Grains of 0.8 mm with this many HU."""
    return lambda planes, rng: planes + _patches(planes, rng, 0.8) * hu


def _smooth(mm: float) -> Change:
    def change(planes, _rng):
        smooth = ndimage.gaussian_filter(np.nan_to_num(planes, nan=AIR_HU), (0, mm, mm))
        return np.where(np.isnan(planes), np.nan, smooth)

    return change


def _shift(hu: float) -> Change:
    return lambda planes, _rng: planes + hu


def _size(factor: float) -> Change:
    """A body so much larger."""

    def change(planes, _rng):
        at = [(np.arange(size) - (size - 1) / 2) / factor + (size - 1) / 2 for size in planes.shape[1:]]
        inside = np.outer(*[(place >= 0) & (place <= size - 1) for place, size in zip(at, planes.shape[1:], strict=True)])
        grid = np.meshgrid(*at, indexing="ij")
        zoomed = [ndimage.map_coordinates(np.nan_to_num(plane, nan=AIR_HU), grid, order=1, mode="nearest") for plane in planes]
        return np.where(inside, np.array(zoomed), np.nan)

    return change


def _field(mm: int) -> Change:
    """A field of view cut to this edge."""

    def change(planes, _rng):
        y, x = _from_middle(planes)
        return np.where((abs(y) < mm / 2) & (abs(x) < mm / 2), planes, np.nan)

    return change


def _little_fat(planes, rng):
    fat = (planes < -40) & (planes > -140) & (_patches(planes, rng, 6) > -1)
    return np.where(fat, 15 + 0.3 * (planes + 100), planes)


def _much_fat(planes, rng):
    soft = (planes < 130) & (planes > -30) & (_patches(planes, rng, 14) > 0.2)
    return np.where(soft, -100 + 0.3 * (planes - 40) + rng.normal(0, 8, planes.shape), planes)


def _consolidation(planes, rng):
    lung = (planes < -400) & (planes > -950) & (_patches(planes, rng, 15) > 0)
    return np.where(lung, 35 + rng.normal(0, 20, planes.shape), planes)


def _ascites(planes, rng):
    fat = (planes < 0) & (planes > -150) & (_patches(planes, rng, 18) > 0)
    return np.where(fat, 8 + 0.1 * planes + rng.normal(0, 10, planes.shape), planes)


def _metal(planes, _rng):
    y, x = _from_middle(planes)
    off = np.hypot(y - 10, x + 35)
    streaks = 300 * np.sin(np.arctan2(y - 10, x + 35) * 14) * np.exp(-off / 60)
    return np.clip(np.where(off < 12, 3071, planes + streaks), -1024, 3071)


def _arteries(planes, rng):
    dense = (planes > 95) & (planes < 260) & (_patches(planes, rng, 2) > -2)
    return np.where(dense, planes + 250 * np.clip((planes - 95) / 80, 0, 1), planes)


def _enhanced(planes, _rng):
    """Organs and vessels that take up half as much again."""
    return np.where((planes > 20) & (planes < 200), 20 + (planes - 20) * 1.5, planes)


def _kidneys(planes, rng):
    y, x = _from_middle(planes)
    for side in (-1, 1):
        off = np.hypot((y - 20) / 30, (x - side * 52) / 20)
        kidney = (off < 1) & (planes > -150)
        planes = np.where(kidney, 230 - 60 * off + rng.normal(0, 12, planes.shape), planes)
    return planes


def _heart(hu: float, least: float) -> Change:
    """A heart full of contrast: all of it, or its chambers alone, where the patches lie above `least`."""

    def change(planes, rng):
        y, x = _from_middle(planes)
        blood = (np.hypot(y / 38, (x - 8) / 46) < 1) & (planes > -20) & (_patches(planes, rng, 9) > least)
        blood = ndimage.binary_opening(blood, np.ones((1, 3, 3)))
        return np.where(blood, hu + (planes - 45) * 0.6 + rng.normal(0, 15, planes.shape), planes)

    return change


VARIANTS: dict[str, Change] = {
    "noise 30": _noise(30),
    "noise 50": _noise(50),
    "smooth 0.8": _smooth(0.8),
    "smooth 1.5": _smooth(1.5),
    "shift +15": _shift(15),
    "shift -15": _shift(-15),
    "size 0.65": _size(0.65),
    "size 0.8": _size(0.8),
    "size 1.25": _size(1.25),
    "size 1.5": _size(1.5),
    "field 150": _field(150),
    "field 120": _field(120),
    "little fat": _little_fat,
    "much fat": _much_fat,
    "consolidation": _consolidation,
    "ascites": _ascites,
    "metal": _metal,
    "arteries": _arteries,
    "enhanced": _enhanced,
    "kidneys": _kidneys,
    "heart 300": _heart(300, -2),
    "heart 380": _heart(380, -2),
    "chambers 380": _heart(380, 0),
}
