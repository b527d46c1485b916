"""Makes `lake-v2` from `lake-v1`: what schema version 2 of the table `labels` added to it, and nothing else.

Version 2 added one column, `slices_planned`, last; where nothing is adaptive it is the number of scored slices. Needs pyarrow.
"""

import json
import pathlib
import shutil

import pyarrow
import pyarrow.compute
import pyarrow.parquet

HERE = pathlib.Path(__file__).resolve().parent
COLUMN = {"name": "slices_planned", "type": "long", "nullable": True, "metadata": {}}


def with_column(metadata):
    schema = json.loads(metadata["schemaString"])
    schema["fields"].append(COLUMN)
    metadata["schemaString"] = json.dumps(schema, separators=(",", ":"))
    metadata["configuration"]["bolus.schemaVersion"] = "2"
    return metadata


def rewritten(entry, folder):
    if "commitInfo" in entry and "metadata" in entry["commitInfo"].get("operationParameters", {}):
        parameters = entry["commitInfo"]["operationParameters"]
        parameters["metadata"] = json.dumps(with_column(json.loads(parameters["metadata"])), separators=(",", ":"))
    if "metaData" in entry:
        with_column(entry["metaData"])
    if "add" in entry:
        path = folder / entry["add"]["path"]
        table = pyarrow.parquet.read_table(path)
        planned = pyarrow.compute.list_value_length(table["slices"]).cast(pyarrow.int64())
        table = table.append_column(pyarrow.field("slices_planned", pyarrow.int64()), planned)
        pyarrow.parquet.write_table(table, path, compression="zstd")
        entry["add"]["size"] = path.stat().st_size
    return json.dumps(entry, separators=(",", ":"))


def main():
    shutil.rmtree(HERE / "lake-v2", ignore_errors=True)
    shutil.copytree(HERE / "lake-v1", HERE / "lake-v2")
    folder = HERE / "lake-v2" / "labels"
    for path in sorted((folder / "_delta_log").glob("*.json")):
        lines = [rewritten(json.loads(line), folder) for line in path.read_text().splitlines() if line]
        path.write_text("\n".join(lines) + "\n")


main()
