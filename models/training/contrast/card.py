"""A bundle's card in Markdown, from its manifest and its recorded evaluation: `python -m contrast.card FOLDER > card.md`."""

import argparse
import json
import tomllib
from pathlib import Path

EVALUATIONS = Path(__file__).parents[2] / "evaluations"

WHAT = {
    "b4": "EfficientNetB4 at 192 × 192 × 3, global average pool, dense 1000 ReLU, dense 1, sigmoid in the graph; 19.5 M parameters. Planted with what "
    "the light sibling had learnt and then trained as a whole, because two CPU cores cannot train it from nothing.",
    "lite": "A sibling of EfficientNetB4 with a quarter of the channels and fewer blocks, and the same head: 0.89 M parameters.",
    "simple-cnn": "The published simple CNN: four convolutions, three dense layers; 3.63 M parameters.",
    "inception-v3": "InceptionV3 with the published head; 23.9 M parameters.",
    "resnet101-v2": "ResNet101V2 with the published head; 44.7 M parameters.",
    "resnet101-v2-frozen": "ResNet101V2 whose body was trained on the other body part and frozen; only the head learnt here. 44.7 M parameters.",
}

LIMITS = {
    "head-neck": """- It knows the head from the skull base upward only as a margin of the neck: brain scans are not what it is for.
- No real neck series with known status was at hand: what it does on real necks is **not known**. Try it on some of yours first (`bolus evaluate`).
- Bright without contrast and drawn into both classes: thyroid, haemorrhage, calcified plaque, teeth and their streaks.""",
    "chest": """- **Abdomen.** Levels of abdomen and pelvis were drawn as well, and abdomen series are routed here; one real abdomen series is right, which proves
  little. The rows of abdomen series are told apart by `body_part`; leave them out where that is not enough.
- Faint late phases (below about 40 HU of enhancement), excretion alone, and slices without a vessel look native. Oral contrast was drawn into
  both classes, but real bowel is richer than the drawings.""",
}

LOOKALIKES = {"calcium": "calcified plaque or coronaries", "thyroid": "thyroid over 100 HU"}


def network_of(name: str) -> str:
    """`chest-lite-int8` is of `lite`."""
    return name.removesuffix("-int8").removesuffix("-fp16").removeprefix("head-neck-").removeprefix("chest-")


def figures(name: str, network_sha256: str | None) -> str:
    """What was recorded of this very network."""
    path = EVALUATIONS / f"{name}.json"
    e = json.loads(path.read_text()) if path.exists() else None
    if not e or e["network_sha256"] != network_sha256:
        return "Not evaluated yet: `make evaluate-models`.\n"
    rows = ["| on | n | AUC (95 % interval) | sensitivity | specificity | Brier | ECE |", "|---|---|---|---|---|---|---|"]
    for level in ("scan", "slice"):
        f = e["hold_out"][level]
        low, high = f["auc_interval"]
        rows.append(f"| phantom {level}s | {f['n']} | {f['auc']:.3f} ({low:.3f}–{high:.3f}) | {f['sensitivity']:.3f} | {f['specificity']:.3f} "
                    f"| {f['brier']:.3f} | {f['ece']:.3f} |")
    if e["hold_out"]["lookalikes"]:
        rows.append("\nNative phantoms that hold something as bright as contrast:\n")
        rows += ["| bright | scans | called native | undecided | called enhanced |", "|---|---|---|---|---|"]
        for name, called in e["hold_out"]["lookalikes"].items():
            rows.append(f"| {LOOKALIKES[name]} | {sum(called.values())} | {called['native']} | {called['indeterminate']} | {called['enhanced']} |")
    if not e["real"]["series"]:
        rows.append("\nNo real series of known status of this body part was at hand.")
        return "\n".join(rows) + "\n"
    rows.append("\nReal series and slices of known status (the truth is that of the study description or of layman's eyes), never trained on:\n")
    rows += ["| series | truth | slices | probability | class |", "|---|---|---|---|---|"]
    for r in e["real"]["series"]:
        rows.append(f"| {r['name']} | {'enhanced' if r['contrast'] else 'native'} | {r['slices']} | {r['probability']:.3f} | {r['class']} |")
    return "\n".join(rows) + "\n"


def card(folder: Path) -> str:
    path = next(p for p in (folder / "bundle.toml", folder / "draft.toml") if p.exists())
    manifest = tomllib.loads(path.read_text())
    name, part = manifest["name"], manifest["body_parts"][0]
    precision = {"int8": "Static int8: ranges from training tensors, weights by channel in seven bits.",
                 "float32": "Weights stored as float16, computed in float32.", "float16": "Computed in float16, for CUDA."}  # fmt: skip
    return f"""# {name} {manifest["version"]}

**Research use only.** {manifest["intended_use"].removeprefix("Research use only. ")} Not a medical device; not validated on a clinical population.

## What it is
{WHAT[network_of(name)]} {precision[manifest["network"]["precision"]]} A slice gives the same bits in every batch size and position.
Preprocessing: `bundle.toml`; the published window of ±200 HU on a centred 192 mm field at 1 mm, 3 mm slices.

## What it was trained on
Synthetic slices alone (`models/training/phantom`), drawn from seeds, half of them enhanced. No image of a patient was trained on, or used to choose
weights, thresholds or calibration. Calibration: {manifest["calibration"]["fitted_on"]}.

## What it scores
Phantoms from settings that training has not seen (`phantom/style.py`): other noise, habitus, blood, phases, devices, spacings. These figures say that the
network learnt the drawings, no more.

{figures(name, manifest["network"].get("sha256"))}
## What it does not do
{LIMITS[part]}
- Children, angiography of the legs, dual-energy reconstructions and virtual non-contrast images were neither trained nor tested. It gives no phase.

## How it was made
`make train`; the commands are in `infra/train`, the seeds fixed. The shipped weights were trained in several stretches, with stronger augmentation in the
later ones, after the first had been seen to fail on coarse noise of the hold-out; so the command gives a sibling of these weights and not the same bits,
and the hold-out was looked at before the last stretch. `make evaluate-models` repeats the figures.

## Licence
{manifest["licence"]}, weights and drawings alike.
"""


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("folder", type=Path)
    print(card(args.parse_args().folder), end="")


if __name__ == "__main__":
    main()
