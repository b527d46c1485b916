"""One synthetic patient: every property is a pure function of the seed and the property's name."""

import math
import zlib

from .style import TRAIN, Style

_MASK = (1 << 64) - 1


def draw_unit(seed: int, name: str) -> float:
    """A number in [0, 1) from a seed and a name (splitmix64)."""
    z = (seed * 0x9E3779B97F4A7C15 + zlib.crc32(name.encode()) * 0xBF58476D1CE4E5B9 + 0x632BE59BD9B4E019) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) / 2**64


class Patient:
    """Body size, habitus, disease and the HU of every tissue; `enhanced` is the label."""

    def __init__(self, seed: int, enhanced: bool, style: Style = TRAIN, head_neck: bool = False):
        self.seed, self.enhanced, self.style, self.head_neck = seed, enhanced, style, head_neck
        self._known: dict[str, float] = {}
        self.scale = self.u("scale", *(style.small if self.chance("small", style.children) else style.large))
        self.hu = _native(self)
        if enhanced:
            _enhance(self, self.hu)

    def u(self, name: str, low: float = 0.0, high: float = 1.0) -> float:
        """The patient's fixed draw for `name`, uniform in [low, high)."""
        t = self._known.get(name)
        if t is None:
            t = self._known[name] = draw_unit(self.seed, name)
        return low + (high - low) * t

    def log(self, name: str, low: float, high: float) -> float:
        """As `u`, uniform in the logarithm."""
        return math.exp(self.u(name, math.log(low), math.log(high)))

    def chance(self, name: str, p: float) -> bool:
        """A fixed coin of probability `p`."""
        return self.u(name) < p

    @property
    def plaque(self) -> bool:
        """Calcium on the walls of vessels."""
        return self.chance("plaque", 0.4)

    @property
    def coronary_calcium(self) -> bool:
        """Calcium around the heart."""
        return self.chance("coronary-calcium", 0.4)


def _native(p: Patient) -> dict[str, float]:
    """HU of tissues without contrast. Blood spans anaemia to dense."""
    blood = p.u("blood", *(p.style.odd_blood if p.chance("odd-blood", p.style.odd) else p.style.blood))
    liver = p.u("liver", -5, 90) if p.chance("odd-liver", 0.25) else p.u("liver", 48, 68)
    hu = {name: blood + p.u("pool-" + name, -4, 4) for name in ("right", "left", "vein", "portal", "hepatic", "neck-vein", "jugular-r", "jugular-l", "sinus")}
    hu |= {
        "liver": liver,
        "myocardium": blood + p.u("myo", -4, 10),
        "spleen": p.u("spleen", 40, 58),
        "cortex": p.u("kidney", 25, 42),
        "pancreas": p.u("pancreas", 10, 48),
        "wall": p.u("wall", 25, 50),
        "thyroid": p.u("thyroid", 80, 150) if p.chance("iodine", 0.85) else p.u("thyroid", 45, 80),
        "parotid": p.u("parotid", -25, 45),
        "gland": p.u("gland", 25, 62),
        "mucosa": p.u("mucosa", 30, 58),
        "tonsil": p.u("tonsil", 35, 60),
        "white": p.u("white", 23, 32),
        "grey": p.u("grey", 33, 43),
        "csf": p.u("csf", 0, 14),
        "cord": p.u("cord", 22, 42),
        "dura": p.u("dura", 38, 60),
        "choroid": p.u("choroid", 30, 50),
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
    pulmonary, arterial, portal_venous = p.style.phases
    phase = p.u("phase", pulmonary, 1.0) if p.head_neck else p.u("phase")
    e = lambda name, low, high: p.u("e-" + name, low, high)  # noqa: E731
    if phase < pulmonary:
        right, left = e("right", 200, 650), e("left", 45, 320)
        vein, portal, organ = e("vein", 0, 40), e("portal", 0, 20), e("organ", 0.0, 0.2)
    elif phase < arterial:
        left = e("left", 110, 410)
        right, vein = left * e("right", 0.4, 1.3), e("vein", 0, 120)
        portal, organ = e("portal", 5, 100), e("organ", 0.15, 0.7)
    elif phase < portal_venous:
        left = e("left", 75, 170)
        right, vein = left * e("right", 0.85, 1.1), left * e("vein", 0.7, 1.1)
        portal, organ = left * e("portal", 0.85, 1.2), e("organ", 0.8, 1.2)
    else:
        left = e("left", *p.style.late)
        right, vein = left * e("right", 0.92, 1.05), left * e("vein", 0.9, 1.05)
        portal, organ = left * e("portal", 0.92, 1.08), e("organ", 0.5, 0.85)
    left = max(left, p.style.late_blood - hu["left"], 40.0)
    neck = e("neck", 300, 1200) if p.chance("dense-vein", 0.35) and phase < 0.6 else right
    pools = {"right": right, "left": left, "vein": vein, "portal": portal, "hepatic": min(vein, portal), "neck-vein": neck}
    drain = e("drain", 0.1, 1.1) if phase < arterial else e("drain", 0.75, 1.1)
    for side in ("r", "l"):
        pools["jugular-" + side] = left * drain * e("jugular-" + side, 0.85, 1.1)
    if neck > 300 and p.chance("reflux", 0.12):
        pools["jugular-l" if p.chance("arm-left", 0.5) else "jugular-r"] = neck * 0.5
    pools["sinus"] = left * min(1.1, drain * e("sinus", 1.0, 1.3))
    for name, rise in pools.items():
        hu[name] += rise
    rises = {"liver": 50, "spleen": 75, "pancreas": 60, "wall": 55, "tumour": 45, "consolidation": 55}
    rises |= {"muscle": 12, "node": 40, "oesophagus": 35, "thyroid": 80}
    rises |= {"parotid": 35, "gland": 50, "mucosa": 50, "tonsil": 45, "white": 2, "grey": 6, "cord": 4, "dura": 60, "choroid": 60}
    for name, rise in rises.items():
        hu[name] += rise * organ * p.u("r-" + name, 0.6, 1.25)
    hu["myocardium"] += min(left, 170) * e("myo", 0.3, 0.65)
    late = phase >= arterial
    hu["cortex"] += e("cortex", 100, 190) if late else min(left, 220) * e("cortex", 0.3, 0.8)
    hu["medulla"] = hu["cortex"] * (e("medulla", 0.8, 1.05) if late else e("medulla", 0.4, 0.8))
    if phase >= 0.72 and p.chance("excretion", 0.7):
        hu["urine"] = p.log("e-urine", 150, 1500)
