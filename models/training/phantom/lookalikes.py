"""What is as bright as contrast in a native phantom: `lookalikes` names it for a seed of a set, without drawing."""

from .acquisition import LEVEL_MM
from .series import Set, plan

BRIGHT_HU = 100.0
LEAST_LEVELS = 3


def lookalikes(seed: int, which: Set) -> set[str]:
    """`thyroid`: over 100 HU and on three slices or more; `calcium`: plaque on the walls of vessels or calcium in the heart's."""
    found, p = set(), plan(seed, which)
    patient, heights = p.scan.patient, -p.levels * LEVEL_MM
    if which.head_neck and patient.hu["thyroid"] > BRIGHT_HU and not patient.chance("thyroidectomy", 0.07):
        low, high = (max(patient.u(f"thyroid-{end}{side}", *span) for side in (-1, 1)) for end, span in (("low", (12, 30)), ("high", (58, 78))))
        if ((heights > low) & (heights < high)).sum() >= LEAST_LEVELS:
            found.add("thyroid")
    if patient.chance("plaque", 0.4) or (not which.head_neck and patient.chance("coronary-calcium", 0.4)):
        found.add("calcium")
    return found
