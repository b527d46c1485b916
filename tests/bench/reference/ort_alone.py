"""Times ONNX Runtime by itself on a slab: the floor that no pipeline around the same network can go below.

Each batch size is timed over the whole slab, the batch sizes in turn in each round, after one untimed call. Prints one
JSON object: seconds to load the network, and for each batch size the seconds of each round.
"""

import argparse
import json
import os
from pathlib import Path
from time import perf_counter

import numpy as np

from bundle import Bundle
from pipeline import infer, load_network


def main() -> None:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--tensor", type=Path, required=True, help=".npy that pipeline.py --dump-tensor wrote")
    parser.add_argument("--batches", type=int, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()

    bundle = Bundle.load(arguments.bundle)
    network = bundle.manifest["network"]
    slab = np.load(arguments.tensor)
    begin = perf_counter()
    session = load_network(bundle, arguments.threads)
    load_seconds = perf_counter() - begin
    seconds = {batch: [] for batch in arguments.batches}
    infer(session, network, slab[: arguments.batches[0]], arguments.batches[0])
    for _ in range(arguments.rounds):
        for batch in arguments.batches:
            begin = perf_counter()
            infer(session, network, slab, batch)
            seconds[batch].append(perf_counter() - begin)
    print(json.dumps({"load_seconds": load_seconds, "slices": len(slab), "seconds": seconds}))


if __name__ == "__main__":
    main()
