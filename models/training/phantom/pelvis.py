"""The pelvis, iliac crests (z = 2) to the femoral heads (z = 3), drawn in nominal millimetres."""

from .abdomen import _loop
from .chest import _vessel, draw_bones, draw_wall
from .patient import Patient
from .raster import Canvas


def _hips(c: Canvas, p: Patient, s: float, t: float) -> None:
    """Iliac wings and sacrum above, acetabula and femoral heads below, muscles about them."""
    rng, hu = c.section("hips"), p.hu
    for side in (-1, 1):
        c.ellipse(side * 85 * s, 62 * s, 50 * s, 34 * s, hu["muscle"], side * 0.4, texture=10)
        if t < 0.65:
            a = side * rng.uniform(0.4, 1.0)
            x, y = side * (92 - 10 * t) * s, (28 + 12 * t) * s
            c.ellipse(x, y, s * rng.uniform(5, 10), s * rng.uniform(32, 55), hu["cortical"], a)
            c.ellipse(x, y, s * rng.uniform(2.5, 7), s * rng.uniform(28, 50), hu["marrow"], a, texture=25)
            c.ellipse(side * 66 * s, 10 * s, 19 * s, 26 * s, hu["muscle"], side * 0.3, texture=6)
        else:
            c.disc(side * 84 * s, 12 * s, 32 * s, hu["cortical"])
            c.disc(side * 84 * s, 12 * s, 29 * s, hu["marrow"], 25)
            c.disc(side * 88 * s, 12 * s, 23 * s, hu["marrow"] + 60, 30)
            c.ellipse(side * 70 * s, -35 * s, 24 * s, 17 * s, hu["muscle"], texture=6)


def draw(c: Canvas, p: Patient, z: float) -> None:
    """Draw the pelvis at level z in [2, 3]."""
    s, hu, rng, t = p.scale, p.hu, c.section("wall"), z - 2.0
    cavity = (0, -10, p.u("pel-cx", 95, 125), p.u("pel-cy", 66, 88))
    draw_wall(c, p, s, cavity, hu["fat"])
    draw_bones(c, p, s, cavity, 0, False)
    _hips(c, p, s, t)
    rng = c.section("bowel")
    for _ in range(int(rng.integers(2, 14) * (1 - 0.7 * t))):
        _loop(c, p, s * rng.uniform(-60, 60), s * rng.uniform(-70, 20), s * rng.uniform(7, 19), s)
    if t > 0.4:
        c.ellipse(0, -22 * s, s * p.u("bladder-x", 14, 48) + 3, s * p.u("bladder-y", 12, 34) + 3, hu["wall"])
        c.ellipse(0, -22 * s, s * p.u("bladder-x", 14, 48), s * p.u("bladder-y", 12, 34), hu["urine"], texture=3)
        organ = hu["wall"] + p.u("pelvic-organ", 0, 15)
        c.ellipse(s * rng.normal(0, 4), 18 * s, s * p.u("organ-x", 16, 40), s * p.u("organ-y", 11, 26), organ, texture=7)
    _loop(c, p, s * rng.normal(0, 5), 46 * s, s * rng.uniform(11, 22), s)
    rng = c.section("vessels")
    for side in (-1, 1):
        x, y = side * (26 + 36 * t) * s, (24 - 62 * t) * s
        for _ in range(2 if t < 0.6 else 1):
            dx, dy = s * rng.normal(0, 5), s * rng.normal(0, 5)
            _vessel(c, p, x + dx, y + dy, s * p.u("femoral", 4, 7), hu["left"])
            c.disc(x + dx - side * 9 * s, y + dy + 9 * s, s * p.u("femoral-v", 5, 9), hu["vein"])
        for _ in range(4):
            c.disc(side * s * rng.uniform(20, 62), s * rng.uniform(-10, 40), s * rng.uniform(1, 3), hu["left" if rng.random() < 0.5 else "vein"])
