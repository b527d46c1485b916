"""Writes the tables of models/README.md from the recorded evaluations: `python -m contrast.table`."""

import json
from pathlib import Path

from .card import EVALUATIONS

README = EVALUATIONS.parent / "README.md"
START, END = "<!-- table: make models-table -->\n", "<!-- end of table -->\n"
ROWS = {
    "simple-cnn": "simple CNN", "inception-v3": "InceptionV3", "resnet101-v2": "ResNet101V2", "resnet101-v2-frozen": "ResNet101V2, body frozen",
    "b4": "EfficientNetB4", "lite": "lite (ours)",
}  # fmt: skip
PARTS = ("head-neck", "chest")


def read(name: str) -> dict | None:
    path = EVALUATIONS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def interval(figures: dict) -> str:
    low, high = figures["auc_interval"]
    return f"{figures['auc']:.3f}" + (f" ({low:.3f}–{high:.3f})" if low is not None else "")


def network_row(key: str, title: str) -> str | None:
    plain = {part: read(f"{part}-{key}") for part in PARTS}
    int8 = {part: read(f"{part}-{key}-int8") for part in PARTS}
    known = [e for e in plain.values() if e]
    if not known:
        return None
    cells = [title, f"{known[0]['parameters'] / 1e6:.2f} M", f"{known[0]['bytes'] / 1e6:.1f}"]
    for part in PARTS:
        hold = plain[part] and plain[part]["hold_out"]
        cells += [interval(hold["slice"]), interval(hold["scan"])] if hold else ["", ""]
    real = plain["chest"] and plain["chest"]["real"]
    cells.append(f"{real['right']}/{real['total']}" if real else "")
    cells.append(f"{known[0]['speed']['slices_per_second']:.0f}")
    quick = [e for e in int8.values() if e]
    cells.append(f"{quick[0]['speed']['slices_per_second']:.0f} (× {quick[0]['speed']['over_float32']:.2f})" if quick else "")
    equal = [e["hold_out"]["against_float32"]["equal_decisions"] for e in quick if "against_float32" in e["hold_out"]]
    cells.append(f"{sum(e['hits'] for e in equal)}/{sum(e['of'] for e in equal)}" if equal else "")
    return "| " + " | ".join(cells) + " |"


def networks() -> list[str]:
    head = ["network", "parameters", "file, MB", "head-neck slice AUC", "head-neck scan AUC", "chest slice AUC", "chest scan AUC",
            "real right", "slices/s float32", "slices/s int8", "int8 decides alike"]  # fmt: skip
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + [row for key, title in ROWS.items() if (row := network_row(key, title))]


def modes() -> list[str]:
    lines = []
    for path in sorted(EVALUATIONS.glob("*.modes.json")):
        figures = json.loads(path.read_text())
        for mode in ("int8", "adaptive"):
            if mode not in figures:
                continue
            cost = figures[mode]
            faster = (read(f"{figures['bundle']}-int8") or {}).get("speed", {}).get("over_float32") if mode == "int8" else None
            lines.append(f"| {figures['bundle']} | {mode} | {cost['scans']} | {cost['equal_decisions']:.4f} | {cost['comparison']['mean_distance']:.4f} "
                         f"| {cost['slices_scored_share']:.2f} | {f'× {faster:.2f}' if faster else ''} |")  # fmt: skip
    if not lines:
        return []
    return ["", "What the two quick modes cost, against the whole bundle on the same phantoms:", "",
            "| bundle | mode | scans | equal decisions | mean distance of probabilities | share of slices scored | network's slices/s |",
            "|---|---|---|---|---|---|---|", *lines]  # fmt: skip


def main() -> None:
    text = README.read_text()
    before, rest = text.split(START)
    after = rest.split(END)[1]
    README.write_text(before + START + "\n" + "\n".join(networks() + modes()) + "\n\n" + END + after)
    print(f"{README}: written from {len(list(EVALUATIONS.glob('*.json')))} evaluations")


if __name__ == "__main__":
    main()
