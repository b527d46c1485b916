"""Anti-aliased drawing of ellipses and capsules, in millimetres, on a grid in HU (192 x 192 pixels of 1 mm unless told)."""

from functools import cache

import numpy as np

SIZE = 192


@cache
def axis(size: int = SIZE) -> np.ndarray:
    """Pixel centres, counted from the middle."""
    return np.arange(size, dtype=np.float32) - (size - 1) / 2


@cache
def cubic_basis(knots: int, size: int = SIZE) -> np.ndarray:
    """[size, knots] uniform cubic B-spline weights: `b @ c @ b.T` is a smooth field from knots x knots values."""
    t = np.linspace(0, knots - 3.0001, size, dtype=np.float64)[:, None]
    d = np.abs(t + 1 - np.arange(knots)[None, :])
    near = 2 / 3 - d**2 + d**3 / 2
    far = (2 - d) ** 3 / 6
    return np.where(d < 1, near, np.where(d < 2, far, 0)).astype(np.float32)


def smooth_field(rng, knots: int, size: int = SIZE) -> np.ndarray:
    """A smooth random field of about unit spread, [size, size]; `rng` is a `Generator` or a `Stream`."""
    b = cubic_basis(knots, size)
    return (b @ rng.standard_normal((knots, knots), dtype=np.float32) @ b.T) * 2.0


class Canvas:
    """HU values under a smoothly bent coordinate system: x to the patient's left, y to the back, centred on the body."""

    def __init__(self, rng, centre: tuple[float, float], angle: float, bend_mm: float, size: int = SIZE, spacing: float = 1.0):
        self.root = self.rng = rng
        self.size, self.spacing = size, spacing
        self.hu = np.full((size, size), -1000.0, np.float32)
        mm = axis(size) * np.float32(spacing)
        x, y = mm[None, :] - centre[0], mm[:, None] - centre[1]
        c, s = np.cos(angle), np.sin(angle)
        self.cos, self.sin, self.centre = c, s, centre
        shape = rng.section("shape") if hasattr(rng, "section") else rng
        self.x = (x * c + y * s + bend_mm * smooth_field(shape, 7, size)).astype(np.float32)
        self.y = (y * c - x * s + bend_mm * smooth_field(shape, 7, size)).astype(np.float32)
        self.slack = 3.0 * bend_mm + 2.0
        self.texture = 0.7 * smooth_field(shape, 34, size) + 0.7 * smooth_field(shape, 18, size)

    def section(self, name: str):
        """Draw what follows from its own sequence of numbers."""
        if hasattr(self.root, "section"):
            self.rng = self.root.section(name)
        return self.rng

    def _box(self, cx: float, cy: float, reach: float) -> tuple[slice, slice] | None:
        """The pixels that a shape of this reach around (cx, cy) can touch."""
        px = (self.centre[0] + cx * self.cos - cy * self.sin) / self.spacing + (self.size - 1) / 2
        py = (self.centre[1] + cx * self.sin + cy * self.cos) / self.spacing + (self.size - 1) / 2
        r = (reach + self.slack) / self.spacing
        x0, x1 = max(0, int(px - r)), min(self.size, int(px + r) + 2)
        y0, y1 = max(0, int(py - r)), min(self.size, int(py + r) + 2)
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def _paint(self, box, alpha, offset, texture):
        target = self.hu[box]
        if texture:
            value = self.texture[box] * texture
            value += offset
            value -= target
        else:
            value = offset - target
        value *= alpha
        target += value

    def ellipse(self, cx, cy, rx, ry, value, angle=0.0, texture=0.0, power=2):
        """Fill an ellipse (power 2) or a squarer body (power 3) with `value` HU."""
        rx, ry = max(rx, 0.4), max(ry, 0.4)
        box = self._box(cx, cy, max(rx, ry) * (1.0 if power == 2 else 1.2))
        if box is None:
            return
        dx, dy = self.x[box] - cx, self.y[box] - cy
        if angle:
            c, s = np.cos(angle), np.sin(angle)
            dx, dy = dx * c + dy * s, dy * c - dx * s
        q, dy = dx / rx, dy / ry
        if power == 2:
            q *= q
            dy *= dy
            q += dy
            np.sqrt(q, out=q)
        else:
            q, dy = np.abs(q), np.abs(dy)
            q = np.cbrt(q * q * q + dy * dy * dy)
        np.subtract(1, q, out=q)
        q *= min(rx, ry)
        q += 0.5
        self._paint(box, np.minimum(np.maximum(q, 0, out=q), 1, out=q), value, texture)

    def disc(self, cx, cy, r, value, texture=0.0):
        """Fill a disc, a little out of round."""
        k = self.rng.uniform(0.85, 1.18)
        self.ellipse(cx, cy, r * k, r / k, value, self.rng.uniform(0, 3.1), texture)

    def capsule(self, ax, ay, bx, by, r, value, texture=0.0):
        """Fill everything within `r` of the segment from a to b."""
        lx, ly = bx - ax, by - ay
        length2 = lx * lx + ly * ly + 1e-3
        box = self._box((ax + bx) / 2, (ay + by) / 2, np.sqrt(length2) / 2 + r)
        if box is None:
            return
        dx, dy = self.x[box] - ax, self.y[box] - ay
        t = np.clip((dx * lx + dy * ly) / length2, 0, 1)
        d = np.sqrt((dx - t * lx) ** 2 + (dy - t * ly) ** 2)
        self._paint(box, np.clip(r - d + 0.5, 0, 1), value, texture)

    def arc(self, cx, cy, rx, ry, start, stop, width, value):
        """Fill a band along an ellipse's outline between two angles."""
        box = self._box(cx, cy, max(rx, ry) + width)
        if box is None:
            return
        dx, dy = (self.x[box] - cx) / rx, (self.y[box] - cy) / ry
        alpha = np.clip(width / 2 - np.abs(np.sqrt(dx**2 + dy**2) - 1) * min(rx, ry) + 0.5, 0, 1)
        near = np.nonzero(alpha)
        inside = np.mod(np.arctan2(dy[near], dx[near]) - start, 2 * np.pi) < (stop - start)
        target, before = self.hu[box], self.hu[box][near]
        target[near] = before + alpha[near] * inside * (value - before)
