"""Labels small inputs that fail elsewhere and real series of known status, and says what is right.

    run.py --bolus PROGRAM --cases DIR --data DIR [--verbose]

`cases.toml` says what is right for each case. Prints a line for each that is not, and ends with
`inputs cases=… right=… wrong=… crashed=… unaccounted=…`. Status 1 where anything is wrong.
"""

import argparse
import csv
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict

HERE = pathlib.Path(__file__).resolve().parent
# A run that takes longer than this hangs.
DEADLINE_S = 300
# Statuses that mean something: all done, nothing done, some refused.
STATUSES = {0, 1, 3}


class Told:
    """What one run of the program said."""

    def __init__(self, command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=DEADLINE_S)
            self.status, self.stderr, lines = done.returncode, done.stderr, done.stdout.splitlines()
        except subprocess.TimeoutExpired:
            self.status, self.stderr, lines = None, "no end within the deadline", []
        self.crashed = self.status not in STATUSES or "panicked" in self.stderr
        self.lines = [json.loads(line) for line in lines if line.startswith("{")]

    def of(self, kind):
        return [line for line in self.lines if line["type"] == kind]

    def summary(self):
        return next(iter(self.of("summary")), {})


class Tally:
    def __init__(self, verbose):
        self.verbose = verbose
        self.cases = self.right = self.crashed = self.unaccounted = 0
        self.groups = defaultdict(lambda: [0, 0])

    def run(self, name, told):
        """Counts what every run must hold to: no crash, and each file told."""
        if told.crashed:
            self.crashed += 1
            print(f"CRASHED {name}: status {told.status}: {told.stderr.strip()[-300:]}")
        summary = told.summary()
        if "files_used" in summary:
            missing = summary["files_seen"] - summary["files_used"] - sum(summary["files_refused"].values())
            if missing:
                self.unaccounted += abs(missing)
                print(f"UNACCOUNTED {name}: {missing} files")

    def case(self, group, name, faults, note=""):
        self.cases += 1
        self.right += not faults
        self.groups[group][0] += 1
        self.groups[group][1] += not faults
        for fault in faults:
            print(f"WRONG {name}: {fault}")
        if self.verbose and not faults:
            print(f"right {name}{': ' if note else ''}{note}")

    def finish(self):
        for group, (cases, right) in sorted(self.groups.items()):
            print(f"  {group}: {right} of {cases} right")
        wrong = self.cases - self.right
        print(
            f"inputs cases={self.cases} right={self.right} wrong={wrong} "
            f"crashed={self.crashed} unaccounted={self.unaccounted}"
        )
        return 1 if wrong or self.crashed or self.unaccounted else 0


def matching(table, name):
    """The value of the most special pattern that `name` matches."""
    patterns = [pattern for pattern in table if fnmatch.fnmatch(name, pattern)]
    return table[max(patterns, key=lambda one: (one == name, len(one)))] if patterns else None


def matches(patterns, name):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


class Runner:
    def __init__(self, bolus, tally):
        self.bolus, self.tally = bolus, tally

    def inspect(self, name, *paths):
        told = Told([self.bolus, "inspect", "--json", *map(str, paths)])
        self.tally.run(name, told)
        return told

    def label(self, name, *paths):
        with tempfile.TemporaryDirectory() as folder:
            told = Told([self.bolus, "label", "--json", "--lake", f"{folder}/lake", *map(str, paths)])
        self.tally.run(name, told)
        return told


def file_faults(case, path, told):
    """What is not right of one file that was inspected alone."""
    name = path.name
    line = next(iter(told.of("file")), {})
    series = told.of("series")
    digest, refusal = line.get("pixel_sha256"), (line.get("refusal") or {}).get("code")
    series_refusals = [one["refusal"]["code"] for one in series if one["refusal"]]
    header_refusals = [code for one in series for code in one["refused_slices"]]
    expected = matching(case.get("pixels", {}), name)
    if len(told.of("file")) != 1:
        yield f"{len(told.of('file'))} lines for one file"
    if expected and digest and digest != expected:
        yield f"other pixels: {digest}"
    must = matches(case.get("must_decode", []), name) and not matches(case.get("may_refuse", []), name)
    if must and not digest:
        yield f"not decoded: {line.get('refusal')}"
    if refusal in case.get("not_refused_as", []):
        yield f"refused as {refusal}: {line['refusal']['detail']}"
    reasons = matching(case.get("refused", {}), name)
    if reasons is not None and (digest or (reasons and refusal not in reasons)):
        yield f"refusal expected ({', '.join(reasons) or 'by any name'}), told {refusal or digest}"
    reasons = matching(case.get("series_refused", {}), name)
    found = [code for code in [*series_refusals, *header_refusals, refusal] if code]
    if reasons is not None and (not found or (reasons and not set(found) & set(reasons))):
        yield f"refusal of the series expected ({', '.join(reasons) or 'by any name'}), told {found}"
    # One slice of 64 × 64 pixels: a bundle may refuse it for what it shows, never for what its header says.
    header_reasons = {"missing_attribute", "inconsistent_attribute", "sop_class", "modality", "bad_dicom", "truncated"}
    if matches(case.get("usable", []), name) and set(found) & header_reasons:
        yield f"usable, refused as {found}"
    yield from declared_faults(case, name, series)
    yield from geometry_faults(case, name, series)


def declared_faults(case, name, series):
    verdict = matching(case.get("declared", {}), name)
    if verdict is not None and [one["declared_contrast"] for one in series] != [verdict]:
        yield f"declared {[one['declared_contrast'] for one in series]}, {verdict} is right"


def geometry_faults(case, name, series):
    spacing = matching(case.get("spacing_mm", {}), name)
    if spacing is not None:
        for one in series:
            found = one["geometry"] and one["geometry"]["pixel_spacing_mm"]
            if found and found != [spacing, spacing]:
                yield f"pixel spacing {found}, {spacing} is right"
    positions = matching(case.get("positions_mm", {}), name)
    if positions is not None:
        found = [one["geometry"] and one["geometry"]["slice_spacing_mm"] for one in series]
        if found != [positions[1]]:
            yield f"slice spacing {found}, {positions[1]} is right"


def check_files(runner, folder, case):
    reference = None
    if "same_pixels_as" in case:
        told = runner.inspect(case["folder"], folder / case["same_pixels_as"])
        reference = told.of("file")[0]["pixel_sha256"]
    for path in sorted(folder.glob("*.dcm")):
        name = f"{case['folder']}/{path.name}"
        told = runner.inspect(name, path)
        faults = list(file_faults(case, path, told))
        digest = told.of("file")[0]["pixel_sha256"] if told.of("file") else None
        if reference and digest and digest != reference:
            faults.append(f"other pixels than {case['same_pixels_as']}: {digest}")
        runner.tally.case("files", name, faults)


def fits(row, stack):
    return ("slices" not in stack or row["slices"] == stack["slices"]) and (
        "not" not in stack or row["predicted_class"] != stack["not"]
    )


def can_pair(rows, stacks):
    """Whether each row can be given a stack of its own that it fits."""
    if not rows:
        return not stacks
    return any(
        fits(rows[0], stack) and can_pair(rows[1:], stacks[:place] + stacks[place + 1 :])
        for place, stack in enumerate(stacks)
    )


def check_series(runner, folder, case, labels):
    paths = [folder / name for name in case["only"]] if "only" in case else [folder]
    name = case["folder"] + ("/" + "+".join(case["only"]) if "only" in case else "")
    told = runner.label(name, *paths)
    rows = [row for row in told.of("series") if row["slices"] or row["status"] == "labelled"]
    shown = [f"{row['status']} {row['slices']} {row['predicted_class'] or row['reason_code']}" for row in told.of("series")]
    faults = []
    if case.get("never_labelled"):
        if any(row["status"] == "labelled" for row in told.of("series")):
            faults.append(f"labelled: {shown}")
    elif not (
        can_pair(rows, case["stacks"])
        or ("refused" in case and all(row["reason_code"] in case["refused"] for row in told.of("series")))
    ):
        faults.append(f"{case['stacks']} expected, told {shown}")
    if "pages_refused" in case:
        # The description of the case is no DICOM.
        refused = sum(count for code, count in told.summary()["files_refused"].items() if code != "not_dicom")
        others = sum(row["status"] != "labelled" for row in rows)
        if not others and refused != case["pages_refused"]:
            faults.append(f"{refused} files refused, {case['pages_refused']} expected")
    if "same_label" in case:
        label = [(row["status"], row["predicted_class"], row["probability"]) for row in rows]
        first = labels.setdefault(case["same_label"], label)
        if label != first:
            faults.append(f"another label: {label}, not {first}")
    runner.tally.case("series", name, faults, ", ".join(shown))


def check_digests(runner, data):
    """Every file of the manifest by its decoded pixels."""
    told = runner.inspect("manifest", data)
    lines = {line["path"]: line for line in told.of("file")}
    with open(data / "manifest.csv", newline="") as file:
        for row in csv.DictReader(file):
            line = lines.get(str(data / row["path"]))
            faults = []
            if line is None:
                faults.append("no line")
            elif row["lossy"] != "yes" and row["pixel_sha256"] and line["pixel_sha256"] not in (None, row["pixel_sha256"]):
                faults.append(f"other pixels: {line['pixel_sha256']}")
            runner.tally.case("pixels of files", row["path"], faults)


def check_known(runner, name, path, status):
    """A series or slice of a patient of known status: labelled, and never as the opposite."""
    told = runner.label(name, path)
    rows = [row for row in told.of("series") if row["slices"]]
    opposite = {"enhanced": "native", "native": "enhanced"}[status]
    faults = [f"{row['status']} {row['reason_code']}: {row['reason']}" for row in rows if row["status"] != "labelled"]
    faults += [f"{opposite} ({row['probability']:.3f}), {status} is right" for row in rows if row["predicted_class"] == opposite]
    if not rows:
        faults.append(f"no row: {told.summary().get('files_refused')}")
    note = ", ".join(f"{row['predicted_class']} {row['probability'] or 0:.3f}" for row in rows)
    group = "single slices of patients" if path.is_file() else "series of patients"
    runner.tally.case(group, name, faults, f"{status}: {note}")


def check_patients(runner, data):
    known = {"contrast": "enhanced", "noncontrast": "native"}
    with open(data / "manifest.csv", newline="") as file:
        truth = {row["path"].rsplit("/", 1)[0]: row["contrast_label"] for row in csv.DictReader(file)}
    for folder in sorted((data / "series").iterdir()):
        label = truth[f"series/{folder.name}"]
        check_known(runner, f"series/{folder.name}", folder, known[label])
    for folder, status in known.items():
        for path in sorted((data / "slices-labelled" / folder).glob("*.dcm")):
            check_known(runner, f"slices-labelled/{path.name}", path, status)
    with open(data / "real" / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    series = {row["path"].rsplit("/", 1)[0]: row["contrast"] for row in rows if row["set"] == "series"}
    for folder, status in sorted(series.items()):
        check_known(runner, f"real/{folder}", data / "real" / folder, status)
    for row in rows:
        if row["set"] == "slices":
            check_known(runner, f"real/{row['path']}", data / "real" / row["path"], row["contrast"])


def check_no_patients(runner, data):
    """What must not get a label that decides: other modalities, screens, reformats, phantoms, blanked slices."""
    for folder in ["nonct", "localizer-sc", "nonaxial", "geometry", "derived-broken"]:
        told = runner.label(folder, data / folder)
        decided = [row for row in told.of("series") if row["predicted_class"] in ("enhanced", "native")]
        # A broken copy of a patient's slice may still be that patient's slice, and one file beside the other modalities is CT.
        if folder == "derived-broken":
            decided = []
        decided = [row for row in decided if not row["source_uri"].endswith("/nonct/ct_image.dcm")]
        faults = [f"{row['source_uri']} is called {row['predicted_class']} ({row['probability']:.2f})" for row in decided]
        runner.tally.case("no patients", folder, faults)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bolus", required=True, help="the program")
    arguments.add_argument("--cases", required=True, type=pathlib.Path, help="the folder of the cases")
    arguments.add_argument("--data", required=True, type=pathlib.Path, help="the folder of the real data")
    arguments.add_argument("--only", default="", help="cases whose folder matches this regular expression")
    arguments.add_argument("--verbose", action="store_true", help="say what is right as well")
    options = arguments.parse_args()
    tally = Tally(options.verbose)
    runner = Runner(options.bolus, tally)
    expected = tomllib.loads((HERE / "cases.toml").read_text())
    wanted = re.compile(options.only)
    known = set()
    for case in expected["files"]:
        known.add(case["folder"].split("/")[0])
        if wanted.search(case["folder"]):
            check_files(runner, options.cases / case["folder"], case)
    labels = {}
    for case in expected["series"]:
        known.add(case["folder"].split("/")[0])
        if wanted.search(case["folder"]):
            check_series(runner, options.cases / case["folder"], case, labels)
    for folder in sorted(options.cases.iterdir()):
        if folder.is_dir() and folder.name not in known:
            tally.case("files", folder.name, ["cases.toml does not say what is right"])
    if not options.only:
        check_digests(runner, options.data)
        check_no_patients(runner, options.data)
        check_patients(runner, options.data)
    sys.exit(tally.finish())


if __name__ == "__main__":
    main()
