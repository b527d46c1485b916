"""`python -m import_keras FILE.h5 --body-part head-neck --out DIR`: a Bolus bundle from a published Keras file."""

import argparse
import sys
from pathlib import Path

from . import Refused
from .bundle import PARTS, convert


def main() -> int:
    args = argparse.ArgumentParser(prog="import_keras", description="Convert a published Keras file of DeepContrast into a Bolus bundle.")
    args.add_argument("file", type=Path, metavar="FILE.h5", help="the Keras model")
    args.add_argument("--body-part", choices=PARTS, required=True, help="what the file is for; decides crop and slices")
    args.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder that gets the bundle's folder")
    args.add_argument("--half", action="store_true", help="store the weights as float16: half the size, slightly other probabilities")
    a = args.parse_args()
    try:
        folder = convert(a.file, PARTS[a.body_part], a.out, a.half)
    except (Refused, OSError) as error:
        print(f"import_keras: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: research use only; licence unclear, do not pass it on (card.md). Try: bolus label --model {folder} SERIES")
    return 0


if __name__ == "__main__":
    sys.exit(main())
