"""Studies for the bucket, and the events that announce them."""

import datetime
import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

# One more than the fewest that the bundle `cheap` takes.
TINY_SLICES = 5
TINY_SIZE = 32


def data(dataset: Dataset) -> bytes:
    """A DICOM file's bytes."""
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def uid(*parts) -> str:
    """A UID that follows from `parts`."""
    return generate_uid(entropy_srcs=["bolus-bench-stream", *map(str, parts)])


def copies(series: Path, prefixes: list[str]) -> Iterator[tuple[str, bytes]]:
    """The objects of copies of a series, one below each prefix: same pixels, UIDs of their own."""
    for number, path in enumerate(sorted(series.iterdir())):
        dataset = pydicom.dcmread(path)
        for prefix in prefixes:
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(prefix, "study"), uid(prefix, "series")
            dataset.FrameOfReferenceUID = uid(prefix, "frame")
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid(prefix, number)
            yield f"{prefix}/{path.stem}.dcm", data(dataset)


def tiny(prefixes: list[str]) -> Iterator[tuple[str, bytes]]:
    """The objects of one small chest series below each prefix, of 3 KB a slice, for the bundle `cheap`."""
    random = np.random.default_rng(1)
    for prefix in prefixes:
        for index in range(TINY_SLICES):
            dataset = Dataset()
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid(prefix, index)
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(prefix, "study"), uid(prefix, "series")
            dataset.FrameOfReferenceUID = uid(prefix, "frame")
            dataset.ImageType, dataset.Modality = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT"
            dataset.BodyPartExamined, dataset.PatientID = "CHEST", "SYNTHETIC"
            dataset.ImagePositionPatient = [-160, -160, 5 * index]
            dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [10, 10]
            dataset.SliceThickness, dataset.RescaleSlope, dataset.RescaleIntercept = 5, 1, -1024
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
            dataset.Rows = dataset.Columns = TINY_SIZE
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
            dataset.PixelRepresentation = 0
            stored = random.integers(900, 1300, TINY_SIZE * TINY_SIZE, dtype=np.uint16)
            dataset.add_new("PixelData", "OW", stored.tobytes())
            yield f"{prefix}/{index}.dcm", data(dataset)


def event(bucket: str, prefix: str) -> tuple[bytes, bytes]:
    """Key and value of a study event, with an id of its own."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    value = {
        "specversion": "1.0",
        "type": "org.bolus.study.ready.v1",
        "id": str(uuid.uuid4()),
        "source": "/bolus/bench",
        "time": now.replace("+00:00", "Z"),
        "data": {"bucket": bucket, "prefix": prefix},
    }
    return f"{bucket}/{prefix}".encode(), json.dumps(value).encode()
