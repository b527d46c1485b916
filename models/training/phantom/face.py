"""The face below the skull base: tongue, jaws, teeth with fillings, muscles of chewing, nose, sinuses, mastoids."""

import math

from .patient import Patient
from .raster import Canvas


def _teeth(c: Canvas, p: Patient, s: float, h: float, cy: float, rx: float, ry: float) -> None:
    """An arch of teeth, some missing, some filled or crowned with metal."""
    rng, hu = c.section("teeth"), p.hu
    if p.chance("edentulous", 0.12):
        return
    metal, count = p.u("metal"), 14
    for k in range(count):
        if p.chance(f"tooth{k}", 0.15):
            continue
        a = math.pi + math.pi * (k + 0.5) / count
        x, y = rx * math.cos(a) * s, (cy + ry * math.sin(a)) * s
        c.disc(x, y, s * rng.uniform(2.6, 4.2), rng.uniform(900, 1900))
        if metal < 0.55 and p.chance(f"filling{k}", 0.9 * (0.55 - metal) + 0.05) and abs(h - 124) < 14:
            c.disc(x, y, s * p.u(f"crown{k}", 0.8, 3.6), 3500)


def _mouth(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Tongue, floor of the mouth, mandible, lower and upper teeth."""
    rng, hu = c.section("mouth"), p.hu
    m = hu["muscle"]
    c.ellipse(0, -52 * s, 30 * s, 34 * s, m, texture=10)
    c.capsule(0, -78 * s, 0, -34 * s, 1.4 * s, hu["fat"])
    for side in (-1, 1):
        c.ellipse(side * 13 * s, -50 * s, 8 * s, 20 * s, m, side * 0.15, texture=12)
        c.ellipse(side * 21 * s, -18 * s, 7 * s, 9 * s, hu["tonsil"], texture=6)
        c.disc(side * s * (17 + rng.normal(0, 3)), (-58 + rng.normal(0, 4)) * s, s * rng.uniform(0.8, 2), hu["left"])
    if rng.random() < 0.4:
        c.ellipse(0, s * rng.uniform(-84, -70), s * rng.uniform(5, 24), s * rng.uniform(1.5, 6), -900)
    bone = min(hu["cortical"], 1000)
    if h < 132:
        t = (h - 98) / 34
        back = -36 + 6 * t
        c.arc(0, back * s, 46 * s, 48 * s, 3.1, 6.3, 8.5 * s, bone)
        c.arc(0, back * s, 46 * s, 48 * s, 3.1, 6.3, 4.0 * s, hu["marrow"] + 80)
    if 108 < h < 124:
        _teeth(c, p, s, h, -38, 40, 44)
    elif 124 <= h < 141:
        _teeth(c, p, s, h, -40, 34, 46)


def _chewing(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Rami, masseters, pterygoids, fat beside the throat."""
    rng, hu = c.section("chewing"), p.hu
    bone = min(hu["cortical"], 1000)
    for side in (-1, 1):
        c.ellipse(side * 26 * s, -16 * s, 7 * s, 10 * s, hu["fat"], side * 0.3, texture=8)
        c.ellipse(side * 35 * s, -30 * s, 8 * s, 15 * s, hu["muscle"], side * 0.4, texture=8)
        c.ellipse(side * 53 * s, -38 * s, 7.5 * s, 19 * s, hu["muscle"], -side * 0.12, texture=8)
        c.capsule(side * 45 * s, -48 * s, side * 47 * s, -20 * s, s * 4.2, bone)
        c.capsule(side * 45 * s, -46 * s, side * 47 * s, -22 * s, s * 2.0, hu["marrow"] + 60, texture=25)
        c.ellipse(side * 44 * s, -66 * s, 7 * s, 9 * s, hu["fat"], texture=5)
        for _ in range(3):
            c.disc(side * s * rng.uniform(22, 50), s * rng.uniform(-60, -10), s * rng.uniform(0.5, 1.6), hu["left" if rng.random() < 0.5 else "sinus"])


def cavity(c: Canvas, p: Patient, name: str, x, y, rx, ry, s: float) -> None:
    """A sinus with bony walls, airy or opacified in part."""
    rng, hu = c.rng, p.hu
    c.ellipse(x, y, rx + 1.3 * s, ry + 1.3 * s, rng.uniform(200, 600))
    c.ellipse(x, y, rx, ry, -950)
    state = p.u("sinus-" + name)
    if state < 0.08:
        c.ellipse(x, y, rx, ry, p.u("pus", 5, 55), texture=4)
    elif state < 0.3:
        c.ellipse(x, y + ry * 0.6, rx * 0.9, ry * 0.4, hu["mucosa"] * 0.7, texture=4)


def _nose(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Palate, nasal cavity with septum and shells, maxillary sinuses."""
    rng, hu = c.section("nose"), p.hu
    c.ellipse(0, -62 * s, 40 * s, 36 * s, hu["fat"] * 0.4, texture=10)
    if h < 146:
        c.ellipse(0, -62 * s, 24 * s, 32 * s, rng.uniform(300, 700))
        c.ellipse(0, -62 * s, 21 * s, 29 * s, hu["mucosa"], texture=10)
        if h < 141:
            _teeth(c, p, s, h, -40, 34, 46)
        return
    c.ellipse(0, -60 * s, 15 * s, 34 * s, hu["mucosa"], texture=8)
    for side in (-1, 1):
        c.ellipse(side * 5 * s, -58 * s, s * rng.uniform(1, 3.6), s * rng.uniform(16, 30), -950)
        c.ellipse(side * 9 * s, -55 * s, s * rng.uniform(1.5, 4.5), s * rng.uniform(8, 20), hu["mucosa"])
        k = math.sqrt(max(0.0, 1 - ((h - 158) / 18) ** 2)) * p.u(f"maxillary{side}", 0.75, 1.15)
        if k > 0.2:
            cavity(c, p, f"m{side}", side * 30 * s, -58 * s, 14 * k * s, 17 * k * s, s)
        c.capsule(side * 46 * s, -66 * s, side * 62 * s, -32 * s, s * 2.4, min(hu["cortical"], 900))
    c.capsule(0, -92 * s, 0, -34 * s, 0.8 * s, 350)
    c.capsule(0, -98 * s, 0, -104 * s, 8 * s, hu["muscle"])


def _base(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Mastoids with air cells, styloids, atlas or occipital condyles."""
    rng, hu = c.section("base"), p.hu
    bone = min(hu["cortical"], 900)
    for side in (-1, 1):
        if h > 148:
            k = min(1.0, (h - 145) / 14)
            c.ellipse(side * 53 * s, 14 * s, 12 * k * s, 17 * k * s, bone, side * 0.3)
            for _ in range(9):
                c.disc(side * s * (53 + 8 * k * rng.uniform(-1, 1)), s * (14 + 12 * k * rng.uniform(-1, 1)), s * rng.uniform(1, 3), rng.uniform(-900, 100))
        if h > 125:
            c.disc(side * 38 * s, -4 * s, 2.2 * s, bone)
            c.ellipse(side * 20 * s, 10 * s, 10 * s, 9 * s, bone, side * 0.4)
            c.ellipse(side * 20 * s, 10 * s, 8 * s, 7 * s, hu["marrow"] + 80, side * 0.4, texture=25)
    if h > 150:
        c.ellipse(0, 60 * s, 52 * s, 26 * s, bone * 0.9)
        c.ellipse(0, 54 * s, 47 * s, 25 * s, hu["grey"], texture=4)
        c.ellipse(0, 34 * s, 18 * s, 16 * s, hu["csf"])


def draw(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Draw what lies before and beside the spine at height h in [98, 165]."""
    if h < 142:
        _mouth(c, p, s, h)
    else:
        _nose(c, p, s, h)
    if h > 112:
        _chewing(c, p, s, h)
    if h > 125:
        _base(c, p, s, h)
