"""From a patient and a level to one byte slice as the network sees it: scanner, field of view, published HU steps."""

import numpy as np
from scipy import ndimage

from . import abdomen, chest, pelvis
from .patient import Patient
from .raster import SIZE, Canvas, smooth_field

_AXIS = (np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2)


def _noise_bank(count: int = 32, size: int = 320) -> np.ndarray:
    """Unit-variance noise fields of different kernels: smooth, sharp (high-passed) and directional."""
    rng = np.random.default_rng(20260101)
    bank = []
    for _ in range(count):
        field = rng.standard_normal((size, size)).astype(np.float32)
        sigma = rng.uniform(0.35, 1.6)
        field = ndimage.gaussian_filter(field, (sigma, sigma * rng.uniform(0.8, 1.6)), mode="wrap")
        if rng.random() < 0.5:
            field = field - ndimage.gaussian_filter(field, sigma * rng.uniform(1.5, 4), mode="wrap")
        bank.append(field / field.std())
    return np.stack(bank)


_BANK = _noise_bank()


class Scan:
    """A patient on a table: what stays the same over the slices of one series."""

    def __init__(self, seed: int, enhanced: bool):
        self.patient = p = Patient(seed, enhanced)
        self.offset = (p.u("off-x", -22, 22), p.u("off-y", -22, 22))
        self.tilt = p.u("tilt", -0.12, 0.12)
        self.noise = p.log("noise", 3, 20) if p.chance("clean", 0.7) else p.log("noise", 15, 55)
        self.kernel = p.u("kernel")
        self.blur = p.u("blur", 0.3, 1.1)
        self.shift = p.u("shift", -12, 12)
        self.thick = p.u("thick", 0, 0.02)
        self.blend = p.chance("blend", 0.3)
        self.rect = self._rectangle()

    def _rectangle(self):
        """The part of the window that the file covers: mostly all of it, else a cropped field with air around."""
        p = self.patient
        if not p.chance("cropped", 0.25):
            return None
        w, h = int(p.u("crop-w", 80, 192)), int(p.u("crop-h", 80, 192))
        self.offset = (self.offset[0] + p.u("crop-x", -75, 75), self.offset[1] + p.u("crop-y", -35, 35))
        return slice((SIZE - h) // 2, (SIZE + h) // 2), slice((SIZE - w) // 2, (SIZE + w) // 2)

    def _clean(self, z: float, rng: np.random.Generator) -> np.ndarray:
        c = Canvas(rng, self.offset, self.tilt + rng.normal(0, 0.02), self.patient.u("bend", 0.5, 2.2))
        if z < 1.0:
            chest.draw(c, self.patient, z)
        elif z < 2.0:
            abdomen.draw(c, self.patient, z)
        else:
            pelvis.draw(c, self.patient, z)
        self._devices(c, rng)
        return c.hu

    def _devices(self, c: Canvas, rng: np.random.Generator) -> None:
        """Table, leads, lines, stents, clips: in both classes alike."""
        p, s = self.patient, self.patient.scale
        if p.chance("table", 0.8):
            y = 140 * s + 10
            c.capsule(-150, y, 150, y, 2, p.u("table-hu", -500, 100))
        if p.chance("line", 0.12):
            c.disc(-32 * s, -18 * s, rng.uniform(0.8, 2.2), rng.uniform(400, 3000))
        if p.chance("stent", 0.05):
            c.arc(s * rng.normal(8, 4), s * rng.normal(32, 8), 10 * s, 10 * s, 0, 6.28, 2, rng.uniform(300, 2500))
        if p.chance("clips", 0.06):
            for _ in range(3):
                c.disc(rng.uniform(-80, 80), rng.uniform(-70, 60), rng.uniform(0.7, 2), 3000)
        if p.chance("surgical-metal", 0.05):
            c.capsule(-10, 55, rng.uniform(5, 20), 80, 3, 3000)

    def _streaks(self, hu: np.ndarray, rng: np.random.Generator) -> None:
        """Photon starvation lines and streaks from whatever is dense, dark and bright alike."""
        p = self.patient
        if p.chance("starved", 0.25):
            rows = ndimage.gaussian_filter1d(rng.standard_normal((SIZE, 1)).astype(np.float32), 0.7, axis=0)
            hu += rows * p.u("starved-hu", 3, 20) * (1 + 0.5 * smooth_field(rng, 5))
        dense = np.argwhere(hu > 900)
        if len(dense) > 20 and rng.random() < 0.6:
            y, x = dense[rng.integers(len(dense))]
            dx, dy = _AXIS[None, :] + (SIZE - 1) / 2 - x, _AXIS[:, None] + (SIZE - 1) / 2 - y
            angle = ((np.arctan2(dy, dx) + np.pi) * (120 / (2 * np.pi))).astype(np.int32) % 120
            lines = ndimage.gaussian_filter1d(rng.standard_normal(120), 1.0, mode="wrap").astype(np.float32)
            hu += lines[angle] * rng.uniform(10, 90) * np.exp(-np.hypot(dx, dy) / rng.uniform(15, 60))

    def slice(self, z: float, rng: np.random.Generator) -> np.ndarray:
        """HU of the slice at level z, [192, 192]."""
        p = self.patient
        hu = self._clean(z, rng)
        if self.blend and rng.random() < 0.8:
            w = rng.uniform(0.15, 0.5)
            hu += w * (self._clean(min(3.0, max(0.0, z + rng.choice((-1, 1)) * rng.uniform(0.01, 0.04))), rng) - hu)
        hu = ndimage.gaussian_filter(hu, self.blur * rng.uniform(0.9, 1.1), truncate=2.5)
        self._streaks(hu, rng)
        field = _BANK[int(self.kernel * len(_BANK)) % len(_BANK)]
        y0, x0 = rng.integers(0, field.shape[0] - SIZE, 2)
        noise = field[y0 : y0 + SIZE, x0 : x0 + SIZE]
        strength = self.noise * (0.55 if self.blend else 1.0)
        hu += noise * (strength * (0.6 + 0.6 * np.exp(-((_AXIS[None, :] / 90) ** 2 + (_AXIS[:, None] / 70) ** 2))))
        hu += self.shift + p.u("cupping", 0, 5) * smooth_field(rng, 5)
        if self.rect is not None:
            framed = np.full_like(hu, -1024.0)
            framed[self.rect] = hu[self.rect]
            hu = framed
        return hu


def to_bytes(hu: np.ndarray) -> np.ndarray:
    """The published HU steps, as bytes: value / 255 is the network's input."""
    hu = np.where(hu > 700, 0.0, hu)
    return np.clip((hu + 200) * (255 / 400) + 0.5, 0, 255).astype(np.uint8)
