"""Random numbers that follow a scan's axis: the same draw at two neighbouring levels differs a little, at two far ones wholly."""

import math
import zlib

import numpy as np
from scipy.special import ndtr

STEP_MM = 60.0


class Stream:
    """The part of `numpy.random.Generator` that the anatomy uses, as a smooth function of the level in millimetres.

    Every draw is a Gaussian process of the level (unit variance, memory of about 60 mm), so what is drawn at one
    level moves smoothly to the next. `section` starts an own sequence, so that a loop that draws
    more often at one level leaves what follows it in place.
    """

    def __init__(self, seed: int, z_mm: float, key: int = 0):
        self._seed, self._z, self._key = seed, z_mm, key
        t = z_mm / STEP_MM + 1000.0
        knot, w = math.floor(t), (t % 1.0) * math.pi / 2
        self._near, self._far = math.cos(w), math.sin(w)
        self._a, self._b = (np.random.Generator(np.random.SFC64([seed, key, knot + i])) for i in (0, 1))
        self._g: list[float] = []
        self._u: list[float] = []

    def section(self, name: str) -> "Stream":
        """An own sequence for a group of structures."""
        return Stream(self._seed, self._z, zlib.crc32(name.encode(), self._key))

    def standard_normal(self, shape, dtype=np.float32) -> np.ndarray:
        """Unit Gaussian values."""
        return self._near * self._a.standard_normal(shape, dtype=np.float32) + self._far * self._b.standard_normal(shape, dtype=np.float32)

    def _fill(self) -> None:
        g = self.standard_normal(48)
        self._g, self._u = g.tolist(), ndtr(g).tolist()

    def normal(self, mean: float = 0.0, spread: float = 1.0) -> float:
        """One Gaussian value."""
        if not self._g:
            self._fill()
        self._u.pop()
        return mean + spread * self._g.pop()

    def random(self) -> float:
        """One value in [0, 1)."""
        if not self._u:
            self._fill()
        self._g.pop()
        return min(self._u.pop(), 0.9999999)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One value in [low, high)."""
        return low + (high - low) * self.random()

    def exponential(self, mean: float = 1.0) -> float:
        """One exponential value."""
        return -mean * math.log(1.0 - self.random())

    def integers(self, low: int, high: int) -> int:
        """One whole number in [low, high)."""
        return int(low + (high - low) * self.random())

    def choice(self, values):
        """One of `values`."""
        return values[int(len(values) * self.random())]
