"""Generator settings: what training draws from, and the other ranges of the hold-out and the calibration sets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """Ranges of habitus, blood, phases, scanner and devices."""

    name: str = "train"
    bank: int = 20260101
    """Seed of the bank of noise textures."""
    kernel: tuple[float, float] = (0.35, 1.6)
    """Correlation of the noise in pixels."""
    noise: tuple[float, float] = (3, 20)
    loud: tuple[float, float] = (15, 55)
    clean: float = 0.7
    """Share of scans whose noise is drawn from `noise`, not from `loud`."""
    blur: tuple[float, float] = (0.3, 1.1)
    shift: float = 12.0
    """Largest calibration shift in HU."""
    sites: int = 6
    small: tuple[float, float] = (0.5, 0.8)
    large: tuple[float, float] = (0.8, 1.18)
    children: float = 0.15
    skin: tuple[float, float] = (3, 45)
    blood: tuple[float, float] = (33, 52)
    odd_blood: tuple[float, float] = (25, 66)
    odd: float = 0.3
    phases: tuple[float, float, float] = (0.15, 0.42, 0.82)
    """Ends of the shares of the pulmonary, arterial and portal venous phase; the rest is late."""
    late: tuple[float, float] = (45, 90)
    late_blood: float = 80.0
    """Least HU of enhanced blood."""
    devices: float = 1.0
    """Factor on the chance of every device."""
    cropped: float = 0.25
    sizes: tuple[int, int] = (192, 192)
    """Pixels of a side: head and neck, trunk."""
    spacing: tuple[float, float] = (1.0, 1.0)


TRAIN = Style()

HOLD = Style(
    name="hold",
    bank=77031,
    kernel=(0.5, 2.1),
    noise=(4, 26),
    loud=(20, 48),
    clean=0.75,
    blur=(0.45, 1.35),
    shift=15.0,
    sites=4,
    small=(0.55, 0.85),
    large=(0.84, 1.24),
    children=0.2,
    skin=(5, 55),
    blood=(36, 58),
    odd_blood=(30, 68),
    odd=0.4,
    phases=(0.08, 0.30, 0.66),
    late=(42, 80),
    late_blood=95.0,
    devices=1.4,
    cropped=0.0,
    sizes=(256, 288),
    spacing=(0.74, 0.98),
)

CALIBRATION = Style(
    name="cal",
    bank=5150,
    kernel=(0.45, 1.8),
    noise=(4, 23),
    loud=(18, 50),
    blur=(0.4, 1.2),
    shift=13.5,
    sites=5,
    large=(0.82, 1.21),
    skin=(4, 50),
    blood=(35, 55),
    odd_blood=(28, 67),
    odd=0.35,
    phases=(0.12, 0.36, 0.74),
    late=(44, 85),
    late_blood=88.0,
    devices=1.2,
    cropped=0.1,
)

STYLES = {s.name: s for s in (TRAIN, HOLD, CALIBRATION)}
