"""From a patient and a level to a slice in HU: scanner, field of view, devices, artefacts."""

import math
from functools import cache

import numpy as np
from scipy import ndimage

from . import abdomen, chest, head, neck, pelvis
from .patient import Patient, draw_unit
from .raster import Canvas, axis, smooth_field
from .stream import Stream
from .style import TRAIN, Style

LEVEL_MM = 250.0
"""Nominal millimetres of one unit of level: head and neck [-1.03, 0), chest [0, 1), abdomen [1, 2), pelvis [2, 3]."""


@cache
def _noise_bank(style: Style, count: int = 32) -> np.ndarray:
    """Unit-variance noise fields of different kernels: smooth, sharp (high-passed) and directional."""
    rng, bank, size = np.random.default_rng(style.bank), [], max(style.sizes) + 128
    for _ in range(count):
        field = rng.standard_normal((size, size)).astype(np.float32)
        sigma = rng.uniform(*style.kernel)
        field = ndimage.gaussian_filter(field, (sigma, sigma * rng.uniform(0.8, 1.6)), mode="wrap")
        if rng.random() < 0.5:
            field = field - ndimage.gaussian_filter(field, sigma * rng.uniform(1.5, 4), mode="wrap")
        bank.append(field / field.std())
    return np.stack(bank)


@cache
def _streak_bank(style: Style, count: int = 6) -> np.ndarray:
    """Unit-variance fields of lines from side to side: photon starvation between the shoulders."""
    rng, bank, size = np.random.default_rng(style.bank + 1), [], max(style.sizes) + 128
    for _ in range(count):
        field = ndimage.gaussian_filter(rng.standard_normal((size, size)).astype(np.float32), (rng.uniform(0.5, 1.0), rng.uniform(8, 30)), mode="wrap")
        bank.append(field / field.std())
    return np.stack(bank)


class Scan:
    """A patient on a table: what stays the same over the slices of one series."""

    def __init__(self, seed: int, enhanced: bool, style: Style = TRAIN, head_neck: bool = False):
        self.patient = p = Patient(seed, enhanced, style, head_neck)
        self.style, self.seed = style, seed
        self.site = int(p.u("site", 0, style.sites))
        at = lambda name: 0.55 * draw_unit(_site_seed(style, self.site), name) + 0.45 * p.u(name)  # noqa: E731
        between = lambda name, low, high: low + (high - low) * at(name)  # noqa: E731
        reach = 14 if head_neck else 22
        self.offset = (p.u("off-x", -reach, reach), p.u("off-y", -reach, reach))
        self.tilt = p.u("tilt", -0.28, 0.28) if head_neck and p.chance("turned", 0.3) else p.u("tilt", -0.12, 0.12)
        self.bend = p.u("bend", 0.5, 2.2)
        span = style.noise if p.chance("clean", style.clean) else style.loud
        self.noise = math.exp(between("noise", math.log(span[0]), math.log(span[1])))
        self.kernel, self.blur = at("kernel"), between("blur", *style.blur)
        self.shift = style.shift * max(-1.0, min(1.0, 1.5 * between("shift", -1, 1)))
        self.gain = 1 + between("gain", -0.02, 0.02)
        self.blend = p.chance("blend", 0.3)
        self.size, self.spacing = style.sizes[0 if head_neck else 1], p.u("spacing", *style.spacing)
        self.rect = self._rectangle()

    def _rectangle(self):
        """The part of the window that the file covers: mostly all of it, else a cropped field with air around."""
        p = self.patient
        if not p.chance("cropped", self.style.cropped):
            return None
        if p.head_neck:
            w, h = int(p.u("crop-w", 120, 192)), int(p.u("crop-h", 120, 192))
        else:
            w, h = int(p.u("crop-w", 80, 192)), int(p.u("crop-h", 80, 192))
            self.offset = (self.offset[0] + p.u("crop-x", -75, 75), self.offset[1] + p.u("crop-y", -35, 35))
        return slice((self.size - h) // 2, (self.size + h) // 2), slice((self.size - w) // 2, (self.size + w) // 2)

    def clean(self, z: float) -> np.ndarray:
        """The anatomy and the devices at a level, before the scanner."""
        p, stream = self.patient, Stream(self.seed, z * LEVEL_MM)
        c = Canvas(stream, self.offset, self.tilt + stream.normal(0, 0.02), self.bend, self.size, self.spacing)
        if z < -0.66:
            head.draw(c, p, -z * LEVEL_MM)
        elif z < 0.0:
            neck.draw(c, p, -z * LEVEL_MM)
        elif z < 1.0:
            chest.draw(c, p, z)
        elif z < 2.0:
            abdomen.draw(c, p, z)
        else:
            pelvis.draw(c, p, z)
        self._holder(c, z) if z < 0 else self._devices(c, z)
        return c.hu

    def _holder(self, c: Canvas, z: float) -> None:
        """Head rest and table under head and neck, wires on the skin."""
        p, rng, s = self.patient, c.section("holder"), neck.size(self.patient)
        if p.chance("table", 0.8):
            y = (118 if z < -0.4 else 104) * s + p.u("cushion", 0, 22)
            c.capsule(-150, y, 150, y, 2, p.u("table-hu", -500, 100))
        if z < -0.35 and p.chance("head-rest", 0.6):
            c.arc(0, 0, 106 * s, 118 * s, 0.2, 2.94, p.u("rest-width", 3, 14), p.u("rest-hu", -950, -300))
        if p.chance("wires", 0.1 * self.style.devices):
            c.disc(rng.uniform(-80, 80), rng.uniform(-110, -60), 1.2, 2500)

    def _devices(self, c: Canvas, z: float) -> None:
        """Table, leads, lines, stents, clips: in both classes alike."""
        p, s, rng, k = self.patient, self.patient.scale, c.section("devices"), self.style.devices
        if p.chance("table", 0.8):
            y = 140 * s + 10
            c.capsule(-150, y, 150, y, 2, p.u("table-hu", -500, 100))
        if p.chance("line", 0.12 * k):
            c.disc(-32 * s, -18 * s, rng.uniform(0.8, 2.2), rng.uniform(400, 3000))
        if p.chance("stent", 0.12 * k) and abs(z - p.u("stent-z", 0.0, 2.5)) < 0.25:
            c.arc(s * rng.normal(8, 4), s * rng.normal(32, 8), 10 * s, 10 * s, 0, 6.28, 2, rng.uniform(300, 2500))
        if p.chance("clips", 0.06 * k):
            for _ in range(3):
                c.disc(rng.uniform(-80, 80), rng.uniform(-70, 60), rng.uniform(0.7, 2), 3000)
        if p.chance("surgical-metal", 0.05 * k):
            c.capsule(-10, 55, rng.uniform(5, 20), 80, 3, 3000)

    def _star(self, hu: np.ndarray, at, rng, strength: float, reach: float) -> None:
        """Dark and bright rays about a dense spot."""
        dx, dy = np.arange(self.size, dtype=np.float32)[None, :] - at[1], np.arange(self.size, dtype=np.float32)[:, None] - at[0]
        angle = ((np.arctan2(dy, dx) + np.pi) * (120 / (2 * np.pi))).astype(np.int32) % 120
        lines = ndimage.gaussian_filter1d(rng.standard_normal(120), rng.uniform(0.6, 1.6), mode="wrap").astype(np.float32)
        hu += lines[angle] * strength * np.exp(-np.hypot(dx, dy) / reach)

    def _streaks(self, hu: np.ndarray, z: float, rng: np.random.Generator) -> None:
        """Photon starvation, rays from metal and bone, the dark band between dense bones."""
        p, mm = self.patient, axis(self.size) * self.spacing
        if p.chance("starved", 0.25):
            rows = ndimage.gaussian_filter1d(rng.standard_normal((self.size, 1)).astype(np.float32), 0.7, axis=0)
            hu += rows * p.u("starved-hu", 3, 20) * (1 + 0.5 * smooth_field(rng, 5, self.size))
        shoulders = math.exp(-(((z + 0.04) / 0.11) ** 2))
        if shoulders > 0.05 or p.chance("arms-down", 0.2):
            bank = _streak_bank(self.style)
            y, x = rng.integers(0, 128, 2)
            strength = p.log("shoulder-streaks", 2, 45) * max(shoulders, 0.25)
            hu += bank[int(self.kernel * len(bank))][y : y + self.size, x : x + self.size] * strength
            if rng.random() < 0.5:
                hu -= strength * 0.6 * np.exp(-(((mm[:, None] - self.offset[1] - rng.uniform(-15, 25)) / rng.uniform(8, 25)) ** 2))
        if -0.8 < z < -0.58:
            hu -= p.u("petrous-band", 0, 18) * np.exp(-(((mm[:, None] - self.offset[1] - 6) / 9) ** 2) - (mm[None, :] / 40) ** 2)
        metal = np.argwhere(hu > 2000)
        for _ in range(3 if len(metal) > 8 else 1 if len(metal) else 0):
            self._star(hu, metal[rng.integers(len(metal))], rng, p.log("metal-streaks", 25, 420), rng.uniform(12, 55) / self.spacing)
        dense = np.argwhere(hu > 900) if rng.random() < 0.5 else ()
        if len(dense) > 20:
            self._star(hu, dense[rng.integers(len(dense))], rng, rng.uniform(8, 70), rng.uniform(15, 60) / self.spacing)

    def thick(self, z: float, thickness_mm: float = 0.0) -> np.ndarray:
        """The anatomy averaged over the slice's thickness and blurred by the kernel, without noise or artefacts."""
        p, hu = self.patient, self.clean(z)
        if self.blend:
            reach = (thickness_mm or p.u("thick", 2.5, 9)) / 2 / LEVEL_MM / p.scale
            hu = 0.5 * hu + 0.5 * self.clean(min(3.0, z + reach))
        return ndimage.gaussian_filter(hu, self.blur / self.spacing, truncate=2.5)

    def slice(self, z: float, thickness_mm: float = 0.0, anatomy: np.ndarray | None = None) -> np.ndarray:
        """HU of the slice at level z, [size, size]; `anatomy` is what `thick` drew, where that is at hand."""
        p, rng = self.patient, np.random.default_rng([self.seed, 1, int((z + 2) * 1e5)])
        hu = self.thick(z, thickness_mm) if anatomy is None else anatomy.copy()
        self._streaks(hu, z, rng)
        bank, mm = _noise_bank(self.style), axis(self.size) * self.spacing
        y, x = rng.integers(0, 128, 2)
        strength = self.noise * (0.6 if self.blend else 1.0) * (1 + 0.6 * math.exp(-(((z + 0.03) / 0.1) ** 2)))
        fall = 0.6 + 0.6 * np.exp(-((mm[None, :] / 90) ** 2 + (mm[:, None] / 70) ** 2))
        hu += bank[int(self.kernel * len(bank))][y : y + self.size, x : x + self.size] * (strength * fall)
        hu = hu * self.gain + self.shift + p.u("cupping", 0, 5) * smooth_field(rng, 5, self.size)
        if self.rect is not None:
            framed = np.full_like(hu, -1024.0)
            framed[self.rect] = hu[self.rect]
            hu = framed
        return hu


def _site_seed(style: Style, site: int) -> int:
    """The seed of a site's own scanner settings."""
    return style.bank * 64 + site
