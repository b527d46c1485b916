"""The abdomen, domes of the diaphragm (z = 1) to the iliac crests (z = 2), drawn in nominal millimetres."""

import math

from .chest import _vessel, draw_arms, draw_bones, draw_wall
from .patient import Patient
from .raster import Canvas


def _loop(c: Canvas, p: Patient, x, y, r, s) -> None:
    """A bowel loop: wall and contents (fluid, gas over fluid, stool, oral contrast)."""
    rng, hu = c.rng, p.hu
    a, k = rng.uniform(0, 3.1), rng.uniform(0.6, 1.0)
    c.ellipse(x, y, r, r * k, hu["wall"], a, texture=5)
    inner = r - s * rng.uniform(1.5, 3.5)
    if inner < 1.5:
        return
    kind = rng.random()
    oral = p.chance("oral", 0.3)
    if oral and kind < 0.55:
        content, texture = p.log("oral-hu", 80, 700), 15
    elif kind < 0.72:
        content, texture = rng.uniform(0, 45), 6
    elif kind < 0.85:
        content, texture = rng.uniform(-150, 80), 60
    else:
        content, texture = -950, 0
    c.ellipse(x, y, inner, inner * k, content, a, texture)
    if kind < 0.85 and rng.random() < 0.25:
        c.ellipse(x, y - inner * 0.3, inner * 0.7, inner * k * 0.5, -950, 0)


def _kidney(c: Canvas, p: Patient, side: int, s: float, z: float) -> None:
    rng, hu = c.section(f"kidney{side}"), p.hu
    x, y = side * s * (p.u(f"kx{side}", 54, 72)), s * p.u(f"ky{side}", 26, 46)
    mid, half = p.u(f"kz{side}", 1.38, 1.55), p.u(f"kh{side}", 0.24, 0.34)
    t = abs(z - mid) / half
    if t >= 1 or p.chance(f"nephrectomy{side}", 0.03):
        return
    k = math.sqrt(1 - t * t)
    rx, ry = s * p.u("krx", 22, 31) * k, s * p.u("kry", 20, 28) * k
    a = side * p.u("ka", -0.6, 0.2)
    c.ellipse(x, y, rx, ry, hu["cortex"], a, texture=5)
    if k > 0.4:
        for _ in range(7):
            b = rng.uniform(0, 6.28)
            c.disc(x + 0.5 * rx * math.cos(b), y + 0.5 * ry * math.sin(b), s * rng.uniform(3, 6), hu["medulla"])
    if t < 0.6:
        c.ellipse(x - side * 10 * s, y - 4 * s, 12 * s * k, 7 * s * k, hu["fat"], a)
        c.ellipse(x - side * 12 * s, y - 3 * s, 7 * s * k, s * rng.uniform(2, 5), hu["urine"], a)
        c.capsule(x - side * 12 * s, y - 6 * s, side * 14 * s, 20 * s, s * rng.uniform(2.5, 5), hu["vein"])
    if p.chance(f"cyst{side}", 0.2):
        c.disc(x + side * 18 * s, y - 8 * s, s * p.u("cyst-r", 4, 18), 8)
    if p.chance(f"stone{side}", 0.08) and t < 0.5:
        c.disc(x - side * 8 * s, y, s * rng.uniform(1.5, 4), rng.uniform(200, 1200))


def _liver(c: Canvas, p: Patient, s: float, z: float) -> None:
    rng, hu = c.section("liver"), p.hu
    t = (z - 1.0) / p.u("liver-len", 0.5, 0.8)
    if t >= 1:
        return
    k = math.sqrt(1 - t**3)
    size = p.u("liver-size", 0.85, 1.15)
    c.ellipse(-66 * s, -10 * s, 64 * k * s * size, 66 * k * s * size, hu["liver"], 0.2, texture=4)
    if t < 0.6:
        c.ellipse(-5 * s, -44 * s, 55 * k * s, 30 * k * s, hu["liver"], 0.15, texture=4)
    for _ in range(int(rng.integers(4, 14))):
        x, y = rng.uniform(-105, 10) * s, rng.uniform(-55, 35) * s
        pool = hu["portal"] if rng.random() < 0.5 else hu["hepatic"]
        r = s * (0.8 + rng.exponential(1.4))
        if rng.random() < 0.5:
            c.capsule(x, y, x + s * rng.normal(0, 16), y + s * rng.normal(0, 12), r, pool)
        else:
            c.disc(x, y, r, pool)
    if p.chance("liver-lesion", 0.2):
        for _ in range(int(rng.integers(1, 4))):
            c.disc(s * rng.uniform(-100, -20), s * rng.uniform(-50, 30), s * rng.uniform(3, 18), hu["tumour"] if rng.random() < 0.6 else 5, 6)
    if 0.35 < t < 0.95 and p.chance("gallbladder", 0.7):
        c.ellipse(-44 * s, -36 * s, 15 * s, 12 * s, hu["bile"], rng.uniform(0, 2), texture=3)
        if p.chance("gallstone", 0.15):
            c.disc(-44 * s, -30 * s, s * rng.uniform(2, 6), rng.uniform(60, 500))


def _centre(c: Canvas, p: Patient, s: float, z: float) -> None:
    """Great vessels, portal vein, pancreas, mesenteric vessels, crura, psoas."""
    rng, hu = c.section("centre"), p.hu
    for side in (-1, 1):
        if z > 1.35:
            g = min(1.0, (z - 1.3) / 0.4)
            c.ellipse(side * (24 + 10 * g) * s, s * 50, (9 + 11 * g) * s, (12 + 9 * g) * s, hu["muscle"], texture=5)
        else:
            c.capsule(side * 12 * s, s * 24, side * 20 * s, s * 48, s * rng.uniform(3, 6), hu["muscle"])
    if 1.2 < z < 1.65:
        x0, y0 = rng.uniform(-35, -15), rng.uniform(-12, 6)
        for _ in range(4):
            x1, y1 = x0 + rng.uniform(10, 22), y0 + rng.normal(-2, 6)
            c.capsule(x0 * s, y0 * s, x1 * s, y1 * s, s * rng.uniform(6, 11), hu["pancreas"], 14)
            x0, y0 = x1, y1
        if rng.random() < 0.5:
            c.capsule(-10 * s, 2 * s, 60 * s, s * rng.uniform(-10, 20), s * rng.uniform(3, 5), hu["portal"])
    if 1.1 < z < 1.4:
        c.capsule(-10 * s, 4 * s, -45 * s, -14 * s, s * rng.uniform(5, 8), hu["portal"])
    if z > 1.9:
        for x in (-14, 14):
            _vessel(c, p, x * s, 30 * s, s * p.u("iliac", 4.5, 8), hu["left"])
            c.disc((x - 6) * s, 40 * s, s * p.u("iliac-v", 5, 9), hu["vein"])
        return
    aneurysm = 1.8 if p.chance("aneurysm", 0.06) else 1.0
    r = s * p.u("abd-aorta", 7.5, 13) * aneurysm
    _vessel(c, p, s * p.u("ab-x", 2, 14), s * p.u("ab-y", 26, 36), r, hu["left"])
    if aneurysm > 1:
        c.arc(s * p.u("ab-x", 2, 14), s * p.u("ab-y", 26, 36), r * 0.8, r * 0.8, 0.5, 4.0, r * 0.3, 40)
    k = rng.uniform(0.55, 1.0)
    c.ellipse(-20 * s, 26 * s, s * p.u("ivc", 9, 15), s * 11 * k, hu["vein"], texture=4)
    if z > 1.25:
        c.disc(4 * s, 10 * s, s * rng.uniform(2.5, 4.5), hu["left"])
        c.disc(-10 * s, 6 * s, s * rng.uniform(4, 7), hu["portal"])


def draw(c: Canvas, p: Patient, z: float) -> None:
    """Draw the abdomen at level z in [1, 2]."""
    s, hu, rng = p.scale, p.hu, c.section("wall")
    cavity = (0, -12, p.u("ab-cx", 108, 138), p.u("ab-cy", 72, 98))
    draw_wall(c, p, s, cavity, hu["fat"])
    if z < 1.15 and rng.random() < 0.7:
        for side in (-1, 1):
            c.ellipse(side * 86 * s, 40 * s, 34 * s, 32 * s, hu["lung"], texture=20)
    rng = c.section("bowel")
    crowd = int(rng.integers(3, 10) + 14 * min(1.0, max(0.0, z - 1.2) / 0.4))
    for _ in range(crowd):
        low = -20 if z < 1.4 else -110
        _loop(c, p, s * rng.uniform(low, 112), s * rng.uniform(-78, 25), s * rng.uniform(7, 21), s)
    if z > 1.3:
        for side in (-1, 1):
            _loop(c, p, side * s * rng.uniform(88, 108), s * rng.uniform(-20, 25), s * rng.uniform(14, 25), s)
    rng = c.section("mesentery")
    for _ in range(int(rng.integers(5, 30))):
        pool = hu["portal"] if rng.random() < 0.5 else hu["left"]
        c.disc(s * rng.uniform(-70, 70), s * rng.uniform(-70, 10), s * rng.uniform(0.7, 2.5), pool)
    if z < 1.45:
        x, y = s * p.u("sto-x", 40, 70), s * p.u("sto-y", -45, -15)
        _loop(c, p, x, y, s * p.u("sto-r", 22, 44), s)
    if z < p.u("spleen-end", 1.25, 1.5):
        t = (z - 1.0) / 0.5
        c.ellipse(96 * s, 14 * s, s * p.u("spl-x", 17, 28) * (1 - 0.5 * t), s * p.u("spl-y", 30, 50) * (1 - 0.5 * t), hu["spleen"], 0.25, texture=6)
    _liver(c, p, s, z)
    for side in (-1, 1):
        _kidney(c, p, side, s, z)
    _centre(c, p, s, z)
    rng = c.section("bones")
    draw_arms(c, p, s, 1.0)
    if p.chance("ascites", 0.08):
        c.arc(0, -12 * s, (cavity[2] - 6) * s, (cavity[3] - 6) * s, 0, 6.28, s * rng.uniform(4, 14), hu["fluid"])
    draw_bones(c, p, s, cavity, int(rng.integers(6, 12)) if z < 1.6 else 0, False)
    if z > 1.85:
        for side in (-1, 1):
            a = side * rng.uniform(0.5, 1.0)
            c.ellipse(side * 95 * s, 30 * s, s * rng.uniform(4, 9), s * rng.uniform(25, 45), hu["cortical"], a)
            c.ellipse(side * 95 * s, 30 * s, s * rng.uniform(2, 5), s * rng.uniform(22, 40), hu["marrow"], a, texture=20)
