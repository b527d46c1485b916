"""The chest, thoracic inlet (z = 0) to the domes of the diaphragm (z = 1), drawn in nominal millimetres."""

import math

import numpy as np

from .patient import Patient
from .raster import Canvas


def draw_wall(c: Canvas, p: Patient, s: float, cavity, inner: float) -> None:
    """Skin fat, muscle shell, the cavity filled with `inner` HU, spine, ribs and sternum."""
    cx, cy, rx, ry = (v * s for v in cavity)
    fat, muscle = p.hu["fat"], p.hu["muscle"]
    w, d = rx + s * p.u("shell", 14, 34), ry + s * p.u("shell-y", 16, 34)
    skin = s * p.log("skin", *p.style.skin)
    power = 3 if p.chance("square", 0.5) else 2
    c.ellipse(0, 0, w + skin + 2, d + skin * 0.8 + 2, 40, power=power)
    c.ellipse(0, 0, w + skin, d + skin * 0.8, fat, texture=6, power=power)
    c.ellipse(0, 0, w, d, muscle, texture=8, power=power)
    for _ in range(6):
        a = c.rng.uniform(0, 6.28)
        c.arc(0, 0, w - s * c.rng.uniform(3, 12), d - s * c.rng.uniform(3, 12), a, a + c.rng.uniform(0.3, 1.2), s * c.rng.uniform(1, 4), fat)
    c.ellipse(cx, cy, rx + 3 * s, ry + 3 * s, c.rng.uniform(fat, muscle))
    c.ellipse(cx, cy, rx, ry, inner, texture=25 if inner < -300 else 5)


def draw_bones(c: Canvas, p: Patient, s: float, cavity, ribs: int, chest: bool) -> None:
    """Vertebra with canal and posterior elements, paraspinal muscle, rib sections, sternum."""
    rng, hu = c.section("draw_bones"), p.hu
    y = p.u("spine-y", 56, 66) * s
    rx, ry = s * p.u("spine-rx", 16, 24), s * p.u("spine-ry", 13, 18)
    for side in (-1, 1):
        c.ellipse(side * 30 * s, y + 26 * s, 26 * s, 20 * s, hu["muscle"], texture=8)
        c.ellipse(side * 14 * s, y + rng.uniform(20, 40) * s, 3 * s, 7 * s, hu["fat"], side * 0.5)
    c.ellipse(0, y + 18 * s, 16 * s, 16 * s, hu["cortical"] * 0.6 if rng.random() < 0.6 else hu["marrow"] + 60)
    c.ellipse(0, y, rx, ry, hu["cortical"] * rng.uniform(0.5, 1))
    edge = s * rng.uniform(1, 2.2)
    c.ellipse(0, y, rx - edge, ry - edge, hu["marrow"], texture=35)
    if rng.random() < 0.15:
        c.ellipse(0, y, rx - edge, ry - edge, rng.uniform(0, 120), texture=10)
    c.ellipse(0, y + ry + 7 * s, 9 * s, 7.5 * s, 15, texture=4)
    if rng.random() < 0.6:
        for side in (-1, 1):
            c.capsule(side * 8 * s, y + ry + 4 * s, side * rng.uniform(25, 40) * s, y + ry + 14 * s, 3.5 * s, hu["cortical"] * 0.7)
            c.capsule(side * 10 * s, y + ry + 5 * s, side * 30 * s, y + ry + 14 * s, 1.6 * s, hu["marrow"])
    c.capsule(0, y + ry + 18 * s, 0, y + ry + 38 * s, 2.5 * s, hu["cortical"] * 0.7)
    cx, cy, rx, ry = (v * s for v in cavity)
    for k in range(ribs):
        a = 6.28 * (k + rng.uniform(0.1, 0.9)) / ribs
        if abs(math.cos(a)) < 0.25:
            continue
        r = 1.0 + 5 * s / rx
        ex, ey = cx + r * rx * math.cos(a), cy + r * ry * math.sin(a)
        tangent = math.atan2(ry * math.cos(a), -rx * math.sin(a))
        long, wide = s * rng.uniform(5, 20), s * rng.uniform(3, 5)
        c.ellipse(ex, ey, long, wide, hu["cortical"], tangent)
        c.ellipse(ex, ey, long - 1.6 * s, wide - 1.4 * s, hu["marrow"], tangent, texture=20)
    if chest:
        top = cy - ry - rng.uniform(-2, 6) * s
        c.ellipse(0, top, 19 * s, 6.5 * s, hu["cortical"] * 0.6)
        c.ellipse(0, top, 17 * s, 4.8 * s, hu["marrow"] * 0.7, texture=20)


def _lungs(c: Canvas, p: Patient, s: float, cavity) -> None:
    """Vessels, airways' walls and disease inside the lungs."""
    reach_x, reach_y = cavity[2] * 0.95, cavity[3] * 0.95
    rng, hu = c.section("lungs"), p.hu
    right = hu["right"] * 0.5 + hu["left"] * 0.5
    count = int(rng.integers(30, 90))
    for _ in range(count):
        side = rng.choice((-1, 1))
        depth = rng.random() ** 0.7
        x = side * s * (28 + (reach_x - 28) * depth)
        y = s * (cavity[1] + reach_y * math.sqrt(max(0.0, 1 - (x / s / reach_x) ** 2)) * rng.uniform(-1, 1))
        r = s * (0.7 + rng.exponential(1.0) + 2.4 * (1 - depth) ** 2 * rng.random())
        pool = rng.choice((hu["right"], right, hu["left"]))
        if rng.random() < 0.4:
            a = math.atan2(y, x - side * 30 * s) + rng.normal(0, 0.4)
            length = s * rng.uniform(4, 24)
            inward = length * (1 - 0.5 * depth)
            c.capsule(x - inward * math.cos(a), y - inward * math.sin(a), x, y, r * 0.8, pool)
        else:
            c.disc(x, y, r, pool)
    for _ in range(int(rng.integers(0, 8))):
        x, y, r = rng.choice((-1, 1)) * s * rng.uniform(35, 80), s * rng.uniform(-40, 40), s * rng.uniform(1.5, 4)
        c.disc(x, y, r + 1.2 * s, 20)
        c.disc(x, y, r, -980)
    if p.chance("effusion", 0.2):
        side = 1 if p.chance("effusion-left", 0.5) else -1
        c.ellipse(side * 70 * s, 65 * s, 48 * s, s * rng.uniform(8, 28), hu["fluid"], texture=3)
    if p.chance("consolidation-p", 0.2):
        side = 1 if p.chance("cons-left", 0.5) else -1
        for _ in range(4):
            c.disc(side * s * rng.uniform(50, 105), s * rng.uniform(0, 65), s * rng.uniform(6, 20), hu["consolidation"], 12)
        for _ in range(5):
            c.disc(side * s * rng.uniform(50, 100), s * rng.uniform(0, 60), s * rng.uniform(1, 3), hu["right"])
    if p.chance("tumour-p", 0.25):
        x, y = s * p.u("tumour-x", 35, 100) * (1 if p.chance("tumour-left", 0.5) else -1), s * p.u("tumour-y", -50, 50)
        r = s * p.log("tumour-r", 3, 32)
        c.disc(x, y, r, hu["tumour"], 10)
        if p.chance("necrosis", 0.3):
            c.disc(x, y, r * 0.5, hu["tumour"] * 0.5, 6)


def _vessel(c: Canvas, p: Patient, x, y, r, value, wall=True) -> None:
    """A round vessel in fat, its pool slightly mixed; plaque on the wall of old patients."""
    c.disc(x, y, r + 0.8, p.hu["muscle"] * 0.8)
    c.disc(x, y, r, value)
    if wall and p.plaque:
        for _ in range(int(c.rng.integers(0, 4))):
            a = c.rng.uniform(0, 6.28)
            c.arc(x, y, r, r, a, a + c.rng.uniform(0.2, 1.6), c.rng.uniform(1, 3.5), c.rng.uniform(150, 1200))


def _inlet(c: Canvas, p: Patient, s: float) -> None:
    """Above the arch: trachea, thyroid, brachiocephalic veins and the arch's branches; shoulders and clavicles."""
    rng, hu = c.section("inlet"), p.hu
    if rng.random() < 0.5:
        for side in (-1, 1):
            c.ellipse(side * 14 * s, -12 * s, s * rng.uniform(6, 12), s * rng.uniform(8, 15), hu["thyroid"], texture=10)
    for x, y, r in ((-14, -14, 6.5), (8, -8, 4.5), (19, 6, 5.5), (-22, -4, 5)):
        _vessel(c, p, s * (x + rng.normal(0, 3)), s * (y + rng.normal(0, 3)), s * r * rng.uniform(0.75, 1.2), hu["left"])
    c.disc(-28 * s, -26 * s, s * rng.uniform(5, 9), hu["neck-vein"])
    if rng.random() < 0.6:
        c.capsule(-24 * s, -28 * s, s * rng.uniform(20, 45), s * rng.uniform(-46, -32), s * rng.uniform(4, 7), hu["neck-vein"])
    else:
        c.disc(26 * s, -24 * s, s * rng.uniform(4, 8), hu["neck-vein"])
    for side in (-1, 1):
        if rng.random() < 0.5:
            c.capsule(side * 20 * s, -60 * s, side * 95 * s, -40 * s, 6 * s, hu["cortical"])
            c.capsule(side * 20 * s, -60 * s, side * 95 * s, -40 * s, 4 * s, hu["marrow"])
        if rng.random() < 0.5:
            near, far = s * rng.uniform(-40, -20), s * rng.uniform(-30, 0)
            c.capsule(side * 40 * s, near, side * 100 * s, far, 5 * s, hu["left" if rng.random() < 0.5 else "neck-vein"])


def _arch(c: Canvas, p: Patient, s: float, z: float) -> None:
    hu, rng = p.hu, c.section("arch")
    r = s * p.u("aorta-r", 10, 16)
    _vessel(c, p, -32 * s, -20 * s, s * p.u("svc-r", 6, 10), hu["neck-vein"], wall=False)
    for t in np.linspace(0, 1, 3):
        _vessel(c, p, s * (-16 + 40 * t), s * (-28 + 58 * t), r, hu["left"])
    c.capsule(-16 * s, -28 * s, 24 * s, 32 * s, r * rng.uniform(0.8, 1), hu["left"])


def _hilum(c: Canvas, p: Patient, s: float, z: float) -> None:
    """Ascending and descending aorta, SVC, pulmonary trunk and its branches, main bronchi."""
    hu, rng = p.hu, c.section("hilum")
    right = hu["right"]
    _vessel(c, p, s * p.u("aa-x", -20, -8), s * p.u("aa-y", -32, -18), s * p.u("aa-r", 13, 21), hu["left"])
    _vessel(c, p, -34 * s, -16 * s, s * p.u("svc-r", 6, 10), hu["neck-vein"], wall=False)
    if rng.random() < 0.75:
        c.disc(18 * s, -36 * s, s * p.u("pt-r", 12, 18), right)
    if rng.random() < 0.6:
        c.capsule(15 * s, -30 * s, -6 * s, -4 * s, s * p.u("rpa", 7, 11), right)
        c.capsule(-6 * s, -4 * s, -48 * s, -2 * s, s * p.u("rpa", 7, 11), right)
    if rng.random() < 0.6:
        c.capsule(20 * s, -30 * s, 48 * s, s * rng.uniform(0, 12), s * p.u("lpa", 6, 10), right)
    for side in (-1, 1):
        for _ in range(int(rng.integers(2, 6))):
            c.disc(side * s * rng.uniform(36, 62), s * rng.uniform(-20, 22), s * rng.uniform(3, 9), right if rng.random() < 0.6 else hu["left"])
        c.disc(side * s * rng.uniform(12, 40), s * rng.uniform(4, 16), s * (rng.uniform(4, 7) + 1.2), 30)
        c.disc(side * s * rng.uniform(12, 40), s * rng.uniform(4, 16), s * rng.uniform(4, 7), -1000)


def _heart(c: Canvas, p: Patient, s: float, z: float) -> None:
    """Four chambers with myocardium; `t` runs from the root to the apex."""
    hu, rng = p.hu, c.section("heart")
    t = min(max((z - 0.45) / 0.45, 0), 1)
    k = s * p.u("heart", 0.85, 1.25) * (0.95 if t < 0.7 else 0.95 - 0.6 * (t - 0.7))
    ox, oy = s * p.u("heart-x", 0, 14), s * p.u("heart-y", -28, -16)
    c.ellipse(ox + 8 * k, oy, 66 * k, 50 * k, hu["fat"], 0.5, texture=5)
    c.ellipse(ox + 8 * k, oy, 61 * k, 45 * k, hu["myocardium"], 0.5, texture=5)
    a = p.u("heart-a", 0.3, 0.9)
    c.ellipse(ox - 32 * k, oy + 4 * k, 19 * k, s * 24, hu["right"], texture=4)
    c.ellipse(ox + 2 * k, oy - 24 * k, 34 * k, 15 * k, hu["right"], 0.4, texture=4)
    wall = p.u("lv-wall", 7, 14)
    c.ellipse(ox + 36 * k, oy + 6 * k, (28 + wall) * k, (17 + wall) * k, hu["myocardium"], a, texture=5)
    c.ellipse(ox + 36 * k, oy + 6 * k, 28 * k, 17 * k, hu["left"], a, texture=4)
    if t < 0.7:
        c.ellipse(ox + 4 * k, oy + 34 * k, 34 * k, 16 * k, hu["left"], texture=4)
    if t < 0.4:
        _vessel(c, p, ox - 3 * k, oy + 2 * k, 15 * k, hu["left"])
    for _ in range(3):
        b = rng.uniform(0, 6.28)
        x, y = ox + 8 * k + 60 * k * math.cos(b), oy + 44 * k * math.sin(b)
        c.disc(x, y, 1.8 * s, hu["left"])
        if p.coronary_calcium:
            c.disc(x, y, s * rng.uniform(0.8, 2.5), rng.uniform(200, 1200))
    if p.chance("valve", 0.12):
        for _ in range(3):
            c.disc(ox + rng.normal(10, 10) * k, oy + rng.normal(0, 8) * k, rng.uniform(1, 4), rng.uniform(300, 1500))
    if p.chance("pericardial", 0.1):
        c.arc(ox + 8 * k, oy, 64 * k, 48 * k, 0, 6.28, s * rng.uniform(3, 12), hu["fluid"])


def _hard(c: Canvas, p: Patient, s: float, cavity, z: float) -> None:
    """Calcified pleura, a pacemaker's can and leads, wires of a sternotomy."""
    hu, rng = p.hu, c.section("hard")
    if p.chance("pleural-calcium", 0.06 * p.style.devices):
        for _ in range(3):
            a = rng.uniform(0, 6.28)
            c.arc(cavity[0] * s, cavity[1] * s, cavity[2] * s, cavity[3] * s, a, a + rng.uniform(0.1, 0.5), s * rng.uniform(1.5, 4), rng.uniform(250, 900))
    if p.chance("pacemaker", 0.05 * p.style.devices):
        if z < 0.2:
            c.ellipse(80 * s, -(cavity[3] + 12) * s, 18 * s, 5 * s, 3000)
        c.disc(s * rng.uniform(-34, -20) if z < 0.5 else s * rng.uniform(-25, 35), s * rng.uniform(-30, -10), 1.2, 3000)
    if p.chance("sternotomy", 0.08 * p.style.devices):
        c.arc(0, (cavity[1] - cavity[3]) * s, 10 * s, 6 * s, rng.uniform(0, 6), rng.uniform(6.2, 9), 1.2, 3000)


def draw_arms(c: Canvas, p: Patient, s: float, z: float) -> None:
    """Arms that lie beside the body."""
    if not p.chance("arms-down", 0.2):
        return
    hu, x, y = p.hu, s * (165 + 12 * z), s * p.u("arm-y", -20, 40)
    for side in (-1, 1):
        c.ellipse(side * x, y, 44 * s, 48 * s, 40)
        c.ellipse(side * x, y, 42 * s, 46 * s, hu["fat"], texture=6)
        c.ellipse(side * x, y, 34 * s, 38 * s, hu["muscle"], texture=8)
        c.disc(side * x, y, 12 * s, hu["cortical"])
        c.disc(side * x, y, 7 * s, hu["marrow"] * 0.4)
        c.disc(side * (x - 22 * s), y + 4 * s, 2.5 * s, hu["left"])


def draw(c: Canvas, p: Patient, z: float) -> None:
    """Draw the chest at level z in [0, 1]."""
    s, hu, rng = p.scale, p.hu, c.section("wall")
    grow = 0.55 + 0.45 * min(1.0, z / 0.3)
    cavity = (0, -6, p.u("cav-x", 112, 136) * grow, p.u("cav-y", 74, 94) * (0.7 + 0.3 * grow))
    draw_wall(c, p, s, cavity, hu["lung"])
    _lungs(c, p, s, cavity)
    rng = c.section("mediastinum")
    width = 26 if z < 0.45 else 34
    c.ellipse(0, -6 * s, width * s * p.u("med", 0.8, 1.4), (cavity[3] + 4) * s, hu["fat"], texture=6)
    c.ellipse(0, 45 * s, 30 * s, 30 * s, hu["fat"], texture=6)
    for _ in range(int(rng.integers(0, 7))):
        value = rng.uniform(150, 900) if p.chance("calcified-nodes", 0.08) else hu["node"]
        c.disc(s * rng.uniform(-34, 34), s * rng.uniform(-45, 35), s * rng.uniform(1.5, 8 if p.chance("nodes", 0.2) else 4), value)
    if p.chance("young-thymus", 0.15) and z < 0.5:
        c.ellipse(0, -50 * s, 24 * s, 12 * s, hu["muscle"], texture=5)
    if z < 0.14:
        _inlet(c, p, s)
    elif z < 0.24:
        _arch(c, p, s, z)
    elif z < 0.46:
        _hilum(c, p, s, z)
    else:
        _heart(c, p, s, z)
    rng = c.section("back")
    if z >= 0.2:
        _vessel(c, p, s * p.u("da-x", 18, 30), s * p.u("da-y", 36, 48), s * p.u("da-r", 9, 16), hu["left"])
    if z < 0.3:
        c.disc(0, s * 8, s * 10, 30)
        c.disc(0, s * 8, s * p.u("trachea", 6.5, 9), -1000)
    c.disc(s * p.u("oe-x", 2, 16), s * p.u("oe-y", 30, 42), s * p.u("oe-r", 5, 9), hu["oesophagus"], 6)
    if rng.random() < 0.3:
        c.disc(s * p.u("oe-x", 2, 16), s * p.u("oe-y", 30, 42), s * rng.uniform(1, 4), -900 if rng.random() < 0.7 else rng.uniform(0, 400))
    c.disc(-12 * s, 42 * s, s * rng.uniform(2, 5), hu["neck-vein"] if rng.random() < 0.2 else hu["vein"])
    if z > 0.8:
        d = (z - 0.8) / 0.2
        c.ellipse(-66 * s, 4 * s, (20 + 44 * d) * s, (18 + 46 * d) * s, hu["liver"], texture=4)
        for _ in range(int(6 * d)):
            x, y = rng.uniform(-95, -35) * s, rng.uniform(-35, 40) * s
            c.capsule(x, y, x + s * rng.normal(0, 14), y + s * rng.normal(0, 10), s * rng.uniform(1, 4), hu["hepatic"])
        if d > 0.4:
            c.ellipse(80 * s, 20 * s, 28 * d * s, 34 * d * s, hu["spleen"], texture=5)
        c.ellipse(-22 * s, 14 * s, 12 * s, 11 * s, hu["vein"], texture=3)
    draw_bones(c, p, s, cavity, int(rng.integers(8, 16)), True)
    _hard(c, p, s, cavity, z)
    draw_arms(c, p, s, min(z, 1.0))
