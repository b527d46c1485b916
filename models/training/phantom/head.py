"""The head above the skull base (h = 165 to 255): skull ring, orbits, sinuses, brain, its vessels and diseases."""

import math

from .face import cavity
from .neck import outline, ramp, size
from .patient import Patient
from .raster import Canvas


def _skull(c: Canvas, p: Patient, s: float, h: float):
    """Scalp and skull; the inner half axes."""
    hu = p.hu
    rx, ry, cy = outline(p, h)
    k = p.u("head-long", 0.94, 1.06)
    rx, ry = rx * s * (2 - k), ry * s * k
    scalp, thick = s * p.u("scalp", 2.5, 9), s * p.u("skull", 3.5, 9)
    if p.scale < 0.6:
        thick *= 0.6
    c.ellipse(0, cy * s, rx + 1.5, ry + 1.5, 45)
    c.ellipse(0, cy * s, rx, ry, hu["fat"] * 0.6, texture=12)
    bone = min(hu["cortical"] + 350, 1500)
    c.ellipse(0, cy * s, rx - scalp, ry - scalp, bone)
    if thick > 4:
        c.ellipse(0, cy * s, rx - scalp - thick * 0.3, ry - scalp - thick * 0.3, hu["marrow"] + 250, texture=60)
        c.ellipse(0, cy * s, rx - scalp - thick * 0.7, ry - scalp - thick * 0.7, bone)
    inner = (rx - scalp - thick, ry - scalp - thick)
    c.ellipse(0, cy * s, *inner, hu["dura"])
    c.ellipse(0, cy * s, inner[0] - 0.9 * s, inner[1] - 0.9 * s, hu["csf"], texture=3)
    return inner[0], inner[1], cy * s


def _brain(c: Canvas, p: Patient, s: float, inner, h: float) -> None:
    """Cortex, white matter, furrows, ventricles, deep nuclei, falx."""
    rng, hu = c.section("brain"), p.hu
    rx, ry, cy = inner
    atrophy = s * p.log("atrophy", 0.8, 6)
    rx, ry = rx - atrophy, ry - atrophy
    c.ellipse(0, cy, rx, ry, hu["grey"], texture=2)
    for side in (-1, 1):
        c.ellipse(side * rx * 0.45, cy, rx * 0.38, ry * 0.78, hu["white"], side * 0.05, texture=2)
    for k in range(26):
        a = 6.283 * (k + rng.uniform(0.2, 0.8)) / 26
        x, y, deep = rx * math.cos(a), cy + ry * math.sin(a), s * rng.uniform(4, 16)
        c.capsule(x, y, x - deep * math.cos(a), y - deep * math.sin(a), s * rng.uniform(0.3, 0.5 + atrophy / s / 4), hu["csf"])
    wide = p.log("ventricle", 0.6, 2.4)
    if 190 < h < 235:
        for side in (-1, 1):
            c.ellipse(side * 9 * s, cy - 14 * s, 5 * wide * s, 18 * s, hu["csf"], -side * 0.25)
            c.ellipse(side * 17 * s, cy + 22 * s, 6 * wide * s, 16 * s, hu["csf"], side * 0.35)
            c.disc(side * 17 * s, cy + 24 * s, s * rng.uniform(1.5, 4), hu["choroid"])
            if p.chance("choroid-calcium", 0.45):
                c.disc(side * 17 * s, cy + 25 * s, s * rng.uniform(1, 3), rng.uniform(120, 600))
            c.ellipse(side * 24 * s, cy - 2 * s, 8 * s, 14 * s, hu["grey"], side * 0.3, texture=2)
        c.ellipse(0, cy + 4 * s, 2.2 * wide * s, 10 * s, hu["csf"])
        if p.chance("pineal", 0.55):
            c.disc(0, cy + 18 * s, s * rng.uniform(1, 3.5), rng.uniform(120, 700))
    if h > 200:
        c.capsule(0, cy - ry, 0, cy + ry, 0.8 * s, hu["dura"])
        if p.chance("falx-calcium", 0.12):
            c.capsule(0, cy - ry * 0.8, 0, cy - ry * 0.3, 1.2 * s, rng.uniform(200, 900))


def _vessels(c: Canvas, p: Patient, s: float, inner, h: float) -> None:
    """Circle of Willis or what leaves it, venous sinuses, veins of the cortex."""
    rng, hu = c.section("brain-vessels"), p.hu
    rx, ry, cy = inner
    art, ven = hu["left"], hu["sinus"]
    c.ellipse(0, cy + ry - 3 * s, 5 * s, s * p.u("sagittal", 3, 6), ven)
    if h > 195:
        c.disc(0, cy - ry + 2.5 * s, s * rng.uniform(0.8, 2.5), ven)
    if h < 190:
        for side in (-1, 1):
            if p.chance(f"transverse{side}", 0.75):
                c.arc(0, cy, rx - 3 * s, ry - 3 * s, 0.35 if side > 0 else 1.75, 1.4 if side > 0 else 2.8, s * p.u(f"sigmoid{side}", 3.5, 8), ven)
            c.disc(side * 10 * s, cy - 12 * s, s * p.u("siphon", 2, 3.2), art)
            if p.plaque:
                c.arc(side * 10 * s, cy - 12 * s, 3 * s, 3 * s, rng.uniform(0, 3), rng.uniform(3.2, 6), 1.6, rng.uniform(200, 1000))
        c.disc(s * rng.normal(0, 1.5), cy - 2 * s, s * p.u("basilar", 1.3, 2.4), art)
    elif h < 206:
        for side in (-1, 1):
            c.capsule(side * 7 * s, cy - 18 * s, side * 34 * s, cy - s * rng.uniform(18, 28), s * rng.uniform(1, 1.8), art)
            c.capsule(side * 3 * s, cy - 4 * s, side * 18 * s, cy + s * rng.uniform(2, 10), s * rng.uniform(0.7, 1.3), art)
        c.capsule(0, cy - 22 * s, 0, cy - 40 * s, s * rng.uniform(0.9, 1.5), art)
    else:
        c.capsule(0, cy + 20 * s, 0, cy + ry * 0.75, s * rng.uniform(1, 2.2), ven)
    for _ in range(22):
        a, t = rng.uniform(0, 6.283), rng.uniform(0.3, 0.99)
        x, y = rx * t * math.cos(a), cy + ry * t * math.sin(a)
        c.capsule(x, y, x + s * rng.normal(0, 5), y + s * rng.normal(0, 5), s * rng.uniform(0.4, 1.1), art if rng.random() < 0.5 else ven)


def _front(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Orbits, ethmoid, sphenoid and frontal sinuses, petrous bones, brain stem."""
    rng, hu = c.section("front"), p.hu
    bone = min(hu["cortical"] + 200, 1300)
    if h < 192:
        c.ellipse(0, -60 * s, 48 * s, 36 * s, hu["fat"] * 0.6, texture=8)
        for side in (-1, 1):
            c.ellipse(side * 31 * s, -62 * s, 21 * s, 26 * s, bone * 0.6, side * 0.3)
            c.ellipse(side * 31 * s, -64 * s, 19 * s, 25 * s, hu["fat"], side * 0.3, texture=5)
            c.disc(side * 32 * s, -76 * s, 12 * s, 40)
            c.disc(side * 32 * s, -76 * s, 10.8 * s, 8)
            c.ellipse(side * 32 * s, -84 * s, 5 * s, 2.5 * s, 75)
            c.capsule(side * 30 * s, -64 * s, side * 16 * s, -38 * s, 1.8 * s, hu["mucosa"])
            c.capsule(side * 42 * s, -74 * s, side * 20 * s, -38 * s, 1.9 * s, hu["muscle"])
            c.capsule(side * 20 * s, -74 * s, side * 14 * s, -38 * s, 1.9 * s, hu["muscle"])
            cavity(c, p, f"e{side}", side * 7 * s, -60 * s, 5.5 * s, 20 * s, s)
        cavity(c, p, "sphenoid", 0, -28 * s, 14 * s, 9 * s, s)
    elif h < 212 and p.chance("frontal", 0.7):
        cavity(c, p, "frontal", s * rng.normal(0, 5), -84 * s, s * rng.uniform(6, 22), 5 * s, s)
    if h < 186:
        for side in (-1, 1):
            c.capsule(side * 62 * s, 12 * s, side * 16 * s, -8 * s, s * rng.uniform(6, 11), bone)
            for _ in range(8):
                c.disc(side * s * rng.uniform(36, 62), s * rng.uniform(2, 22), s * rng.uniform(0.8, 3), rng.uniform(-900, 200))
        c.ellipse(0, -12 * s, 11 * s, 6 * s, bone * 0.6, texture=40)
        c.ellipse(0, 8 * s, 15 * s, 12 * s, hu["white"] + 3, texture=2)
        c.ellipse(0, 25 * s, 7 * s, 4 * s, hu["csf"])


def _disease(c: Canvas, p: Patient, s: float, inner, h: float) -> None:
    """Bleeding (bright without contrast), tumours with a rim, old strokes, a shunt."""
    rng, hu = c.section("brain-disease"), p.hu
    rx, ry, cy = inner
    if p.chance("bleed", 0.12):
        x, y, r = rx * p.u("bleed-x", -0.6, 0.6), cy + ry * p.u("bleed-y", -0.6, 0.6), s * p.log("bleed-r", 3, 24)
        c.ellipse(x, y, r + 3 * s, r * 0.8 + 3 * s, hu["white"] - 8)
        c.ellipse(x, y, r, r * 0.8, p.u("bleed-hu", 50, 88), texture=5)
    if p.chance("subdural", 0.06):
        a = p.u("subdural-a", 0, 6.28)
        c.arc(0, cy, rx - 4 * s, ry - 4 * s, a, a + p.u("subdural-long", 0.5, 2), s * p.u("subdural-w", 3, 10), p.u("subdural-hu", 15, 80))
    if p.chance("metastasis", 0.12):
        for k in range(2):
            x, y, r = rx * p.u(f"met-x{k}", -0.7, 0.7), cy + ry * p.u(f"met-y{k}", -0.7, 0.7), s * p.log(f"met-r{k}", 2, 16)
            c.disc(x, y, r, hu["tumour"], 5)
            if r > 6 * s:
                c.disc(x, y, r * 0.6, rng.uniform(8, 25))
    if p.chance("stroke", 0.1):
        x, y = rx * p.u("stroke-x", -0.6, 0.6), cy + ry * p.u("stroke-y", -0.6, 0.6)
        c.ellipse(x, y, s * p.u("stroke-rx", 5, 24), s * p.u("stroke-ry", 5, 30), rng.uniform(12, 26))
    if p.chance("coil", 0.03 * p.style.devices):
        c.disc(s * p.u("coil-x", -20, 20), cy - 16 * s, s * p.u("coil-r", 2, 6), 3500)
    if p.chance("shunt", 0.04 * p.style.devices):
        c.capsule(rx * 0.9, cy + 20 * s, 6 * s, cy, 1.3, rng.uniform(150, 500))


def draw(c: Canvas, p: Patient, h: float) -> None:
    """Draw the head at height h in [165, 258]."""
    s = size(p)
    inner = _skull(c, p, s, h)
    if min(inner[:2]) < 8:
        return
    _brain(c, p, s, inner, h)
    _disease(c, p, s, inner, h)
    if h < 212:
        _front(c, p, s, h)
    _vessels(c, p, s, inner, h)
    if ramp(h, 165, 190) < 1:
        for side in (-1, 1):
            c.ellipse(side * (outline(p, h)[0] + 4) * s, 8 * s, 3 * s, 14 * s, 30, side * 0.3)
