"""What is as bright as contrast in a native phantom: `lookalikes` names it for a seed of a set, without drawing."""

from .acquisition import LEVEL_MM
from .neck import has_thyroid, thyroid_reach
from .series import Set, plan

BRIGHT_HU = 100.0
LEAST_LEVELS = 3


def lookalikes(seed: int, which: Set) -> set[str]:
    """`thyroid`: over 100 HU and on three slices or more; `calcium`: plaque on the walls of vessels or calcium in the heart's."""
    found, p = set(), plan(seed, which)
    patient, heights = p.scan.patient, -p.levels * LEVEL_MM
    if which.head_neck and patient.hu["thyroid"] > BRIGHT_HU and has_thyroid(patient):
        low, high = map(max, zip(*(thyroid_reach(patient, side) for side in (-1, 1)), strict=True))
        if ((heights > low) & (heights < high)).sum() >= LEAST_LEVELS:
            found.add("thyroid")
    if patient.plaque or (not which.head_neck and patient.coronary_calcium):
        found.add("calcium")
    return found
