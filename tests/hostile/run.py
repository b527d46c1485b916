"""`make hostile`: hostile input of every known kind, each in a child process under limits of memory and time.

Each case has an outcome that is right: refused by name, accounted for, or answered. The last line is
`hostile cases=… right=… wrong=… aborted=… over_memory=… over_time=…`; the status is 0 where all is right.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import traceback

import cases_input  # noqa: F401
import cases_sql  # noqa: F401
import cases_stream  # noqa: F401
import cases_world  # noqa: F401
import dicom
from harness import CASES, Ended, Limits, run
from servers import Servers


class World:
    """What the cases share: the programs, a lake with a few rows, and folders of their own."""

    # Where a file is sound but for a part that nobody needs, to label it and to refuse it by name are both right.
    decides = "either"

    def __init__(self, arguments, folder):
        self.bolus = arguments.bolus.resolve()
        self.worker = self.bolus.with_name("bolus-worker")
        self.repository = pathlib.Path(__file__).resolve().parent.parent.parent
        self.model = ["--model", "cheap", "--models", self.repository / "tests/data/bundles"]
        self.proc = pathlib.Path("/proc")
        self._folder = folder
        self._lake = None
        self._servers = None

    def folder(self, name):
        path = self._folder / name
        path.mkdir()
        return path

    def scratch(self, name):
        return self._folder / name

    def servers(self):
        """A Kafka broker and an S3 server, started when a case first needs them."""
        if self._servers is None:
            self._servers = Servers(self._folder)
        return self._servers

    def close(self):
        if self._servers is not None:
            self._servers.close()

    def lake(self):
        if self._lake is None:
            folder = self.folder("sound")
            for number in range(8):
                (folder / f"{number}.dcm").write_bytes(dicom.file(uid="1.2.99", number=number))
            self._lake = folder / "lake"
            ended = run([self.bolus, "label", "--lake", self._lake, *self.model, folder], Limits())
            if ended.status != 0:
                sys.exit(f"hostile: a sound series is not labelled: {ended.output}")
        return self._lake


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bolus", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--json", type=pathlib.Path, help="write each case's figures here")
    arguments = parser.parse_args()
    counts = {"cases": 0, "right": 0, "wrong": 0, "aborted": 0, "over_memory": 0, "over_time": 0}
    figures = []
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bolus-hostile-"))
    world = World(arguments, folder)
    try:
        for case in (case for case in CASES if arguments.only in case.name):
            try:
                ended, problem = case.check(world)
            except Exception:  # A case that cannot be run is a wrong one.
                ended, problem = Ended(0, "", 0, 0), traceback.format_exc(limit=3)
            counts["cases"] += 1
            counts["aborted"] += ended.aborted
            counts["over_memory"] += ended.over_memory
            counts["over_time"] += ended.over_time
            bad = problem or ended.aborted or ended.over_memory or ended.over_time
            counts["wrong" if bad else "right"] += 1
            flags = [flag for flag in ("aborted", "over_memory", "over_time") if getattr(ended, flag)]
            word = " ".join(["WRONG", *flags]) if bad else "right"
            print(f"{case.item} {case.name}: {word}, {ended.peak_mb:.0f} MB, {ended.seconds:.1f} s", flush=True)
            if problem:
                print(f"    {problem}", flush=True)
            figures.append({"item": case.item, "case": case.name, "right": not bad, "peak_mb": round(ended.peak_mb), "seconds": round(ended.seconds, 1)})
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    print("hostile " + " ".join(f"{name}={count}" for name, count in counts.items()))
    return 0 if counts["right"] == counts["cases"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
