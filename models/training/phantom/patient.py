"""One synthetic patient: every property is a pure function of the seed and the property's name."""

import math
import zlib

_MASK = (1 << 64) - 1


def _unit(seed: int, name: str) -> float:
    """A number in [0, 1) from a seed and a name (splitmix64)."""
    z = (seed * 0x9E3779B97F4A7C15 + zlib.crc32(name.encode()) * 0xBF58476D1CE4E5B9 + 0x632BE59BD9B4E019) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) / 2**64


class Patient:
    """Body size, habitus, disease and the HU of every tissue; `enhanced` is the label."""

    def __init__(self, seed: int, enhanced: bool):
        self.seed, self.enhanced = seed, enhanced
        self._known: dict[str, float] = {}
        small = self.chance("small", 0.15)
        self.scale = self.u("scale", 0.5, 0.8) if small else self.u("scale", 0.8, 1.18)
        self.hu = _native(self)
        if enhanced:
            _enhance(self, self.hu)

    def u(self, name: str, low: float = 0.0, high: float = 1.0) -> float:
        """The patient's fixed draw for `name`, uniform in [low, high)."""
        t = self._known.get(name)
        if t is None:
            t = self._known[name] = _unit(self.seed, name)
        return low + (high - low) * t

    def log(self, name: str, low: float, high: float) -> float:
        """As `u`, uniform in the logarithm."""
        return math.exp(self.u(name, math.log(low), math.log(high)))

    def chance(self, name: str, p: float) -> bool:
        """A fixed coin of probability `p`."""
        return self.u(name) < p


def _native(p: Patient) -> dict[str, float]:
    """HU of tissues without contrast. Blood spans anaemia to dense."""
    blood = p.u("blood", 25, 70) if p.chance("odd-blood", 0.3) else p.u("blood", 33, 52)
    liver = p.u("liver", -5, 90) if p.chance("odd-liver", 0.25) else p.u("liver", 48, 68)
    hu = {name: blood + p.u("pool-" + name, -4, 4) for name in ("right", "left", "vein", "portal", "hepatic", "neck-vein")}
    hu |= {
        "liver": liver,
        "myocardium": blood + p.u("myo", -4, 10),
        "spleen": p.u("spleen", 40, 58),
        "cortex": p.u("kidney", 25, 42),
        "pancreas": p.u("pancreas", 10, 48),
        "wall": p.u("wall", 25, 50),
        "thyroid": p.u("thyroid", 70, 150),
        "tumour": p.u("tumour", 20, 55),
        "consolidation": p.u("consolidation", 10, 50),
        "muscle": p.u("muscle", 35, 65),
        "fat": p.u("fat", -118, -85),
        "lung": p.u("lung", -910, -720),
        "marrow": p.u("marrow", 70, 250),
        "cortical": p.u("cortical", 350, 1100),
        "node": p.u("node", 20, 50),
        "oesophagus": p.u("oesophagus", 25, 50),
        "fluid": p.u("fluid", -5, 30),
        "urine": p.u("urine", -5, 15),
        "bile": p.log("bile", 5, 60) if p.chance("odd-bile", 0.2) else p.u("bile", 0, 20),
    }
    hu["medulla"] = hu["cortex"] + p.u("medulla", -5, 3)
    return hu


def _enhance(p: Patient, hu: dict[str, float]) -> None:
    """Add one of the phases: pulmonary, arterial, portal venous or late."""
    phase = p.u("phase")
    e = lambda name, low, high: p.u("e-" + name, low, high)  # noqa: E731
    if phase < 0.15:
        right, left = e("right", 200, 650), e("left", 45, 320)
        vein, portal, organ = e("vein", 0, 40), e("portal", 0, 20), e("organ", 0.0, 0.2)
    elif phase < 0.42:
        left = e("left", 130, 400)
        right, vein = left * e("right", 0.4, 1.3), e("vein", 0, 120)
        portal, organ = e("portal", 5, 100), e("organ", 0.15, 0.7)
    elif phase < 0.82:
        left = e("left", 75, 170)
        right, vein = left * e("right", 0.85, 1.1), left * e("vein", 0.7, 1.1)
        portal, organ = left * e("portal", 0.85, 1.2), e("organ", 0.8, 1.2)
    else:
        left = e("left", 45, 90)
        right, vein = left * e("right", 0.92, 1.05), left * e("vein", 0.9, 1.05)
        portal, organ = left * e("portal", 0.92, 1.08), e("organ", 0.5, 0.85)
    neck = e("neck", 300, 1200) if p.chance("dense-vein", 0.35) and phase < 0.6 else right
    pools = {"right": right, "left": left, "vein": vein, "portal": portal, "hepatic": min(vein, portal), "neck-vein": neck}
    for name, rise in pools.items():
        hu[name] += rise
    rises = {"liver": 50, "spleen": 75, "pancreas": 60, "wall": 55, "tumour": 45, "consolidation": 55}
    rises |= {"muscle": 12, "node": 40, "oesophagus": 35, "thyroid": 80}
    for name, rise in rises.items():
        hu[name] += rise * organ * p.u("r-" + name, 0.6, 1.25)
    hu["myocardium"] += min(left, 170) * e("myo", 0.3, 0.65)
    late = phase >= 0.42
    hu["cortex"] += e("cortex", 100, 190) if late else min(left, 220) * e("cortex", 0.3, 0.8)
    hu["medulla"] = hu["cortex"] * (e("medulla", 0.8, 1.05) if late else e("medulla", 0.4, 0.8))
    if phase >= 0.72 and p.chance("excretion", 0.7):
        hu["urine"] = p.log("e-urine", 150, 1500)
