"""Anti-aliased drawing of ellipses and capsules, in millimetres, on a 192 x 192 grid of 1 mm pixels in HU."""

import numpy as np

SIZE = 192
_AXIS = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2


def cubic_basis(knots: int) -> np.ndarray:
    """[SIZE, knots] uniform cubic B-spline weights: `b @ c @ b.T` is a smooth field from knots x knots values."""
    t = np.linspace(0, knots - 3.0001, SIZE, dtype=np.float64)[:, None]
    d = np.abs(t + 1 - np.arange(knots)[None, :])
    near = 2 / 3 - d**2 + d**3 / 2
    far = (2 - d) ** 3 / 6
    return np.where(d < 1, near, np.where(d < 2, far, 0)).astype(np.float32)


_BASES = {n: cubic_basis(n) for n in (5, 7, 10, 18, 34)}


def smooth_field(rng: np.random.Generator, knots: int) -> np.ndarray:
    """A smooth random field of about unit spread, [SIZE, SIZE]."""
    b = _BASES[knots]
    return (b @ rng.standard_normal((knots, knots), dtype=np.float32) @ b.T) * 2.0


class Canvas:
    """HU values under a smoothly bent coordinate system: x to the patient's left, y to the back, centred on the body."""

    def __init__(self, rng: np.random.Generator, centre: tuple[float, float], angle: float, bend_mm: float):
        self.rng = rng
        self.hu = np.full((SIZE, SIZE), -1000.0, np.float32)
        x, y = _AXIS[None, :] - centre[0], _AXIS[:, None] - centre[1]
        c, s = np.cos(angle), np.sin(angle)
        self.cos, self.sin, self.centre = c, s, centre
        self.x = (x * c + y * s + bend_mm * smooth_field(rng, 7)).astype(np.float32)
        self.y = (y * c - x * s + bend_mm * smooth_field(rng, 7)).astype(np.float32)
        self.slack = 3.0 * bend_mm + 2.0
        self.texture = 0.7 * smooth_field(rng, 34) + 0.7 * smooth_field(rng, 18)

    def _box(self, cx: float, cy: float, reach: float) -> tuple[slice, slice] | None:
        """The pixels that a shape of this reach around (cx, cy) can touch."""
        px = self.centre[0] + cx * self.cos - cy * self.sin + (SIZE - 1) / 2
        py = self.centre[1] + cx * self.sin + cy * self.cos + (SIZE - 1) / 2
        r = reach + self.slack
        x0, x1 = max(0, int(px - r)), min(SIZE, int(px + r) + 2)
        y0, y1 = max(0, int(py - r)), min(SIZE, int(py + r) + 2)
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def _paint(self, box, alpha, value, texture):
        target = self.hu[box]
        if texture:
            value = value + texture * self.texture[box]
        target += alpha * (value - target)

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
        if power == 2:
            q = np.sqrt((dx / rx) ** 2 + (dy / ry) ** 2)
        else:
            q = (np.abs(dx / rx) ** power + np.abs(dy / ry) ** power) ** (1 / power)
        self._paint(box, np.clip((1 - q) * min(rx, ry) + 0.5, 0, 1), value, texture)

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
        q = np.sqrt(dx**2 + dy**2)
        a = np.mod(np.arctan2(dy, dx) - start, 2 * np.pi)
        inside = a < (stop - start)
        alpha = np.clip(width / 2 - np.abs(q - 1) * min(rx, ry) + 0.5, 0, 1) * inside
        self._paint(box, alpha, value, 0.0)
