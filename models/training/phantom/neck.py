"""The neck and the lower face, thoracic inlet (h = 0) to the skull base (h = 165), h in nominal millimetres upwards.

Drawn in nominal millimetres of an adult: x to the left, y to the back, the origin in front of the spine.
"""

import numpy as np

from .patient import Patient
from .raster import Canvas

_H = (0, 15, 32, 60, 90, 115, 140, 165, 190, 215, 240, 258)
_RX = (225, 190, 105, 60, 60, 66, 72, 75, 77, 77, 64, 28)
_RY = (92, 80, 66, 58, 62, 80, 92, 97, 98, 94, 78, 34)
_CY = (2, 2, 4, 4, -2, -16, -16, -8, -4, -2, 0, 0)


def outline(p: Patient, h: float) -> tuple[float, float, float]:
    """Half width, half depth and centre (y) of the body at height h, nominal."""
    thick = p.u("neck-girth", 0.86, 1.22)
    k = thick + (1 - thick) * min(1.0, max(0.0, (h - 90) / 60))
    return float(np.interp(h, _H, _RX)) * k, float(np.interp(h, _H, _RY)) * k, float(np.interp(h, _H, _CY))


def size(p: Patient) -> float:
    """Scale of head and neck: children's are larger against their trunk."""
    return (0.42 + 0.58 * p.scale) * p.u("head-scale", 0.92, 1.07)


def ramp(h: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, linear between."""
    return min(1.0, max(0.0, (h - low) / (high - low)))


def _skin(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Skin, fat, platysma."""
    rng, hu = c.section("skin"), p.hu
    rx, ry, cy = outline(p, h)
    fat = p.log("neck-fat", 1.5, 26) * (1 - 0.55 * ramp(h, 90, 150))
    chin = fat * 1.2 if 70 < h < 120 else fat * 0.6
    c.ellipse(0, (cy - chin / 3) * s, (rx + fat + 2) * s, (ry + (fat + chin) / 2 + 2) * s, 45)
    c.ellipse(0, (cy - chin / 3) * s, (rx + fat) * s, (ry + (fat + chin) / 2) * s, hu["fat"], texture=8)
    core = hu["fat"] + (hu["muscle"] - hu["fat"]) * p.u("lean", 0.05, 0.5)
    c.ellipse(0, cy * s, (rx - 3) * s, (ry - 3) * s, core, texture=14)
    for side in (-1, 1):
        if h < 125 and rng.random() < 0.7:
            c.arc(0, cy * s, (rx - 1) * s, (ry - 1) * s, 3.3 if side < 0 else 4.9, 4.5 if side < 0 else 6.1, 1.6 * s, hu["muscle"])


def _muscles(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Nape, scalenes, sternocleidomastoid, strap muscles, trapezius."""
    rng, hu = c.section("muscles"), p.hu
    rx, ry, cy = outline(p, h)
    m = hu["muscle"]
    k = p.u("muscular", 0.85, 1.2) * (1 - 0.5 * ramp(h, 130, 175))
    for side in (-1, 1):
        c.ellipse(side * 13 * s, 38 * s, 13 * k * s, 17 * k * s, m, side * 0.2, texture=9)
        c.ellipse(side * 30 * s, 28 * s, 15 * k * s, 11 * k * s, m, side * 0.7, texture=9)
        c.ellipse(side * 33 * s, 12 * s, 9 * k * s, 8 * k * s, m, side * 0.4, texture=8)
        c.ellipse(side * 9 * s, -3 * s, 8 * s, 4 * s, m, texture=6)
        if h < 110:
            c.ellipse(side * 26 * s, 3 * s, 9 * k * s, 7 * k * s, m, side * 0.5, texture=7)
            c.arc(0, cy * s, (rx - 7) * s, (ry - 7) * s, 0.25 if side > 0 else 1.7, 1.45 if side > 0 else 2.9, s * (4 + 5 * (1 - ramp(h, 20, 90))), m)
        if h < 40:
            c.ellipse(side * 75 * s, 30 * s, 55 * s, 26 * (1 - h / 60) * s, m, side * 0.15, texture=10)
            c.ellipse(side * 85 * s, -8 * s, 40 * s, 16 * (1 - h / 60) * s, m, -side * 0.3, texture=10)
        t = ramp(h, 5, 140)
        x, y = (16 + 42 * t**0.7) * s, (-44 + 62 * t) * s
        c.ellipse(side * x, y + s * rng.normal(0, 2), s * (6 + 2 * k), s * (13 + 3 * k), m, -side * (1.15 - 0.9 * t), texture=8)
        if 15 < h < 85:
            c.ellipse(side * 9 * s, -46 * s, 9 * s, 2.6 * s, m, side * 0.25, texture=5)
    if 95 < h < 150:
        c.capsule(0, 24 * s, 0, (ry + cy - 12) * s, 1.2 * s, m)


def spine(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Cervical vertebra or disc, cord in its sac, arteries in their foramina, hardware."""
    rng, hu = c.section("spine"), p.hu
    y, cycle = 9 * s, (h / 17.0 + p.u("disc-phase")) % 1.0
    cortical, marrow = min(hu["cortical"], 900), hu["marrow"] + 60
    bone = ramp(abs(cycle - 0.5), 0.1, 0.5) < 0.75
    c.ellipse(0, y, 12.5 * s, 9 * s, cortical * 0.7 if bone else rng.uniform(60, 110))
    if bone:
        c.ellipse(0, y, 11 * s, 7.6 * s, marrow, texture=35)
    c.ellipse(0, y + 16 * s, 12 * s, 8.5 * s, hu["fat"] * 0.2, texture=4)
    c.ellipse(0, y + 15.5 * s, 10.5 * s, 7.5 * s, hu["csf"])
    c.ellipse(0, y + 15.5 * s, 6.5 * s, 4.2 * s, hu["cord"])
    for side in (-1, 1):
        c.ellipse(side * 17 * s, y + 11 * s, 6.5 * s, 7 * s, cortical * 0.8, side * 0.5)
        c.ellipse(side * 17 * s, y + 11 * s, 4.6 * s, 5 * s, marrow, side * 0.5, texture=25)
        if cycle < 0.6:
            c.disc(side * 17 * s, y, 5 * s, cortical * 0.6)
            c.capsule(side * 14 * s, y + 18 * s, 0, y + 28 * s, 2.4 * s, cortical * 0.8)
        r = s * p.u(f"vertebral{side}", 1.1, 2.5)
        c.disc(side * 17 * s, y + s * rng.normal(0, 0.7), r + 1.3 * s, hu["fat"] * 0.5)
        c.disc(side * 17 * s, y, r, hu["left"])
        c.disc(side * 20 * s, y + s, s * rng.uniform(0.5, 1.5), hu["sinus"])
    if cycle < 0.5:
        c.capsule(0, y + 27 * s, 0, y + (34 + 10 * (1 - ramp(h, 20, 60))) * s, 2.4 * s, cortical * 0.8)
    if p.chance("fusion", 0.04 * p.style.devices) and 25 < h < 75:
        for side in (-1, 1):
            c.capsule(side * 12 * s, y - 11 * s, side * 7 * s, y + 3 * s, 1.8 * s, 3000)


def _carotids(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Carotids, jugular and lesser veins on both sides, with plaque and lines."""
    rng, hu = c.section("carotids"), p.hu
    for side, name in ((-1, "r"), (1, "l")):
        fork = p.u(f"fork{side}", 78, 108)
        x, y = side * s * (np.interp(h, (0, 40, 90, 165), (15, 22, 27, 26)) + p.u(f"cx{side}", -4, 4)), s * np.interp(h, (0, 40, 90, 165), (-12, -14, -8, 2))
        y += s * p.u(f"cy{side}", -4, 4)
        r = s * p.u(f"carotid{side}", 2.7, 4.3)
        vein, flat = s * p.log(f"jugular{side}", 2.2, 9.5), p.u(f"flat{side}", 0.55, 1.0)
        vx, vy = x + side * (r * 0.7 + vein * 0.9 + s), y + s * p.u(f"vy{side}", -5, 7)
        c.ellipse(vx, vy, vein + 0.7, vein * flat + 0.7, hu["muscle"] * 0.7, side * 0.6)
        c.ellipse(vx, vy, vein, vein * flat, hu["jugular-" + name], side * 0.6)
        if h < fork:
            swell = 1 + 0.45 * ramp(h, fork - 14, fork)
            _artery(c, p, x, y, r * swell, h > fork - 25)
        else:
            apart = ramp(h, fork, fork + 14)
            _artery(c, p, x + side * s * 2 * apart, y + s * 6 * apart, r * 0.75, h < fork + 18)
            if h < 150:
                _artery(c, p, x + side * s * 5 * apart, y - s * 8 * apart, r * (0.65 - 0.25 * ramp(h, fork, 150)), False)
        if p.chance(f"line{side}", 0.04 * p.style.devices) and h < 80:
            c.disc(vx, vy, 1.1, rng.uniform(800, 3000))
        pool = hu["jugular-" + name]
        c.disc(side * s * (44 + rng.normal(0, 4)), s * rng.uniform(-8, 14), s * p.u(f"external{side}", 0.6, 2.6), pool)
        c.disc(side * s * (9 + rng.normal(0, 3)), -(50 + rng.normal(0, 2)) * s, s * rng.uniform(0.4, 1.9), pool)
        for _ in range(5):
            small = hu["left"] if rng.random() < 0.5 else pool
            c.disc(side * s * rng.uniform(10, 52), s * rng.uniform(-45, 30), s * rng.uniform(0.5, 1.7), small)


def _artery(c: Canvas, p: Patient, x, y, r, bulb: bool) -> None:
    """An artery with its wall and, near the bulb, plaque."""
    c.disc(x, y, r + 0.8, p.hu["muscle"] * 0.8)
    c.disc(x, y, r, p.hu["left"])
    if p.plaque and (bulb or c.rng.random() < 0.15):
        for _ in range(2):
            a = c.rng.uniform(0, 6.28)
            c.arc(x, y, r, r, a, a + c.rng.uniform(0.3, 2.4), c.rng.uniform(1, 3.2), c.rng.uniform(180, 1300))


def _airway(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Trachea, larynx, hyoid and pharynx, gullet, tubes."""
    rng, hu = c.section("airway"), p.hu
    x, air = s * p.u("airway-x", -4, 4), -980
    hard = p.u("ossified") < 0.6
    cartilage = rng.uniform(150, 700) if hard else rng.uniform(60, 110)
    if h < 55:
        y, rx, ry = -24 * s, s * p.u("trachea-x", 6, 9.5), s * p.u("trachea-y", 6.5, 10)
        c.ellipse(x, y, rx + 2 * s, ry + 2 * s, rng.uniform(30, 120))
        c.ellipse(s * p.u("gullet-x", 0, 9), -8 * s, 7 * s, 5 * s, hu["oesophagus"], texture=6)
        if rng.random() < 0.15:
            c.disc(s * p.u("gullet-x", 0, 9), -8 * s, 2 * s, -700)
    elif h < 84:
        y, rx, ry = -28 * s, s * rng.uniform(1.5, 7), s * rng.uniform(7, 11)
        c.ellipse(x, y - 2 * s, 15 * s, 15 * s, hu["mucosa"], texture=8)
        for side in (-1, 1):
            c.capsule(x, -46 * s, x + side * 19 * s, -20 * s, 1.9 * s, cartilage)
        if h < 66:
            c.arc(x, y, 12 * s, 12 * s, rng.uniform(-0.6, 0.4), rng.uniform(3.0, 6.2), 3.6 * s, cartilage)
    else:
        y = -20 * s if h < 140 else -22 * s
        rx, ry = s * rng.uniform(6, 15), s * rng.uniform(2.5, 8)
        c.ellipse(x, y, rx + 5 * s, ry + 5 * s, hu["mucosa"], texture=8)
        if 86 < h < 102:
            c.arc(0, -30 * s, 20 * s, 20 * s, 3.2, 6.2, 3.4 * s, rng.uniform(250, 800))
    c.ellipse(x, y, rx, ry, air)
    if p.chance("tube", 0.12 * p.style.devices):
        c.arc(x, y, 5 * s, 5 * s, 0, 6.28, 1.5, rng.uniform(100, 400))
        c.ellipse(x, y, 4 * s, 4 * s, air)
    if p.chance("feeding-tube", 0.1 * p.style.devices):
        c.disc(s * p.u("gullet-x", 0, 9), -9 * s if h < 90 else -14 * s, 1.6, rng.uniform(200, 1800))


def thyroid_reach(p: Patient, side: int) -> tuple[float, float]:
    """Lower and upper end of a lobe of the thyroid, in nominal mm above the thoracic inlet."""
    return p.u(f"thyroid-low{side}", 12, 30), p.u(f"thyroid-high{side}", 58, 78)


def has_thyroid(p: Patient) -> bool:
    """Whether it was not taken out."""
    return not p.chance("thyroidectomy", 0.07)


def _glands(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Thyroid (bright without contrast), submandibular and parotid glands."""
    rng, hu = c.section("glands"), p.hu
    big = p.u("goitre", 1.3, 2.4) if p.chance("goitre-p", 0.15) else p.u("thyroid-k", 0.65, 1.2)
    for side in (-1, 1):
        low, high = thyroid_reach(p, side)
        t = abs(h - (low + high) / 2) / (high - low) * 2
        if t < 1 and has_thyroid(p):
            k = big * np.sqrt(1 - t * t)
            c.ellipse(side * (16 + 3 * big) * s, -20 * s, s * 7.5 * k, s * 12 * k, hu["thyroid"], side * 0.25, texture=9)
            if h < low + 20:
                c.capsule(side * 14 * s, -30 * s, 0, -35 * s, s * 2.6 * k, hu["thyroid"])
            if p.chance("nodule", 0.3):
                c.disc(side * 18 * s, s * rng.uniform(-26, -14), s * p.log(f"nodule{side}", 2, 9), hu["tumour"], 8)
                if p.chance("nodule-calcium", 0.3):
                    c.disc(side * 18 * s, s * rng.uniform(-26, -14), s * rng.uniform(0.8, 3), rng.uniform(200, 1000))
        if 88 < h < 124:
            k = np.sqrt(max(0.05, 1 - ((h - 106) / 18) ** 2)) * p.u(f"sub{side}", 0.75, 1.15)
            c.ellipse(side * 31 * s, (-42 + rng.normal(0, 3)) * s, s * 10 * k, s * 14 * k, hu["gland"], side * 0.5, texture=9)
        if 100 < h < 160:
            k = np.sqrt(max(0.05, 1 - ((h - 130) / 30) ** 2)) * p.u(f"par{side}", 0.8, 1.2)
            c.ellipse(side * 55 * s, (-8 + rng.normal(0, 2)) * s, s * 10 * k, s * 17 * k, hu["parotid"], side * 0.1, texture=16)
            c.disc(side * 52 * s, -3 * s, s * rng.uniform(1.2, 3), hu["jugular-l" if side > 0 else "jugular-r"])


def _disease(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Lymph nodes, large necrotic ones, a tumour of the throat, clips, air under the skin."""
    rng, hu = c.section("nodes"), p.hu
    for _ in range(rng.integers(2, 11)):
        x = rng.choice((-1, 1)) * s * rng.uniform(24, 52)
        r = s * rng.uniform(1.3, 3.5 if p.chance("clean-nodes", 0.7) else 8)
        c.ellipse(x, s * rng.uniform(-38, 32), r, r * rng.uniform(0.6, 1), hu["node"], rng.uniform(0, 3), texture=5)
    side = 1 if p.chance("mass-left", 0.5) else -1
    at, long = p.u("mass-h", 30, 130), p.u("mass-long", 10, 35)
    if p.chance("mass", 0.3) and abs(h - at) < long:
        k = np.sqrt(1 - ((h - at) / long) ** 2)
        x, y, r = side * s * p.u("mass-x", 8, 46), s * p.u("mass-y", -45, 5), s * p.log("mass-r", 5, 26) * k
        c.ellipse(x, y, r, r * p.u("mass-flat", 0.6, 1), hu["tumour"], p.u("mass-a", 0, 3), texture=10)
        if p.chance("mass-necrosis", 0.45):
            c.ellipse(x, y, r * 0.6, r * 0.45, rng.uniform(5, 25), texture=5)
    if p.chance("clips", 0.08 * p.style.devices):
        for _ in range(3):
            c.disc(rng.uniform(-50, 50) * s, rng.uniform(-45, 30) * s, rng.uniform(0.7, 1.8), 3000)
    if p.chance("emphysema", 0.04):
        for _ in range(8):
            c.disc(rng.uniform(-55, 55) * s, rng.uniform(-50, 20) * s, rng.uniform(1, 5), -900)


def _shoulders(c: Canvas, p: Patient, s: float, h: float) -> None:
    """Lung apices, clavicles, first ribs, shoulder blades and the vessels to the arms."""
    rng, hu = c.section("shoulders"), p.hu
    for side in (-1, 1):
        k = 1 - ramp(h, 2, 26)
        if k > 0:
            c.ellipse(side * 46 * s, 2 * s, (30 * k + 3) * s, (36 * k + 3) * s, hu["muscle"])
            c.ellipse(side * 46 * s, 2 * s, 30 * k * s, 36 * k * s, hu["lung"], texture=25)
        for x0, y0, x1, y1, r in ((18, -58, 110, -34, 6.5), (58, 30, 120, 44, 4), (30, 18, 74, 4, 5)):
            if rng.random() < 0.65:
                dx, dy = s * rng.normal(0, 5), s * rng.normal(0, 5)
                a = (side * x0 * s + dx, y0 * s + dy, side * x1 * s + dx, y1 * s + dy)
                c.capsule(*a, r * s, hu["cortical"])
                c.capsule(*a, (r - 1.8) * s, hu["marrow"], texture=20)
        c.disc(side * 150 * s, 6 * s, 25 * s, hu["cortical"] * 0.7)
        c.disc(side * 150 * s, 6 * s, 22 * s, hu["marrow"], 20)
        injected = p.chance("arm-left", 0.5) == (side > 0)
        vein = hu["neck-vein"] if injected else hu["vein"]
        if rng.random() < 0.7:
            y = s * rng.uniform(-34, -18)
            c.capsule(side * 24 * s, y, side * s * rng.uniform(60, 120), y + s * rng.uniform(-6, 10), s * rng.uniform(3, 5.5), vein)
        if rng.random() < 0.6:
            y = s * rng.uniform(-16, 0)
            c.capsule(side * s * rng.uniform(18, 30), y, side * s * rng.uniform(50, 110), y, s * rng.uniform(2.5, 4.5), hu["left"])
    if h < 14 and p.chance("crossing-vein", 0.6):
        c.capsule(-26 * s, -24 * s, 34 * s, -36 * s, s * rng.uniform(4, 7), hu["neck-vein" if p.chance("arm-left", 0.5) else "vein"])


def draw(c: Canvas, p: Patient, h: float) -> None:
    """Draw the neck or the lower face at height h in [0, 165]."""
    from .face import draw as face

    s = size(p)
    _skin(c, p, s, h)
    _muscles(c, p, s, h)
    if h < 42:
        _shoulders(c, p, s, h)
    if h > 98:
        face(c, p, s, h)
    spine(c, p, s, h)
    _airway(c, p, s, h)
    _glands(c, p, s, h)
    _disease(c, p, s, h)
    _carotids(c, p, s, h)
