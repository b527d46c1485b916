"""Makes CT-like series for the benchmark: smooth anatomy, lungs, bone and noise, with the tags of a real CT.

Seeded: the same arguments give the same files. A series that is already in the output folder is used again. Only
`DISTINCT` different slices are drawn and encoded for a series; each is used for several neighbouring positions under its
own header, so that a series of 2,000 slices is made in seconds. Every file is still read and decoded by itself.
"""

import argparse
import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless, generate_uid
from scipy.ndimage import gaussian_filter

SIZE = 512
# A field of view of 400 mm, as the real chest series under tests/data has.
PIXEL_MM = 400.0 / SIZE
DISTINCT = 64
# Slice distance in mm for each length, so that a series is 400 to 600 mm long as a torso is.
SPACING_MM = {200: 2.0, 1000: 0.6, 2000: 0.3}
CODECS = {
    "uncompressed": ExplicitVRLittleEndian,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
    "rle": RLELossless,
}


def ellipse(grid, centre_mm, radii_mm):
    """A mask of one ellipse; `grid` is (y, x) in mm from the middle of the image."""
    y, x = grid
    return ((y - centre_mm[0]) / radii_mm[0]) ** 2 + ((x - centre_mm[1]) / radii_mm[1]) ** 2 <= 1.0


def draw_slice(seed: int, height: float) -> np.ndarray:
    """Stored values of one slice (HU + 1024, 12 bits, uint16); `height` runs from 0, caudal, to 1, cranial."""
    rng = np.random.default_rng([seed, int(height * 1e6)])
    axis = (np.arange(SIZE) - SIZE / 2) * PIXEL_MM
    grid = np.meshgrid(axis, axis, indexing="ij")
    wide = 165.0 - 25.0 * height
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[ellipse(grid, (128, 0), (9, 190))] = -880.0  # the table
    hu[ellipse(grid, (0, 0), (115, wide))] = -95.0  # fat
    body = ellipse(grid, (0, 0), (100, wide - 14))
    hu[body] = 55.0
    lung = np.sin(np.pi * np.clip((height - 0.35) / 0.65, 0.0, 1.0)) ** 0.5
    for side in (-1, 1):
        if lung > 0:
            hu[ellipse(grid, (-5, side * 72), (78 * lung, 52 * lung))] = -850.0
        hu[ellipse(grid, (35, side * 60), (25, 22 * (1 - lung)))] = 35.0  # kidneys
    hu[ellipse(grid, (-25, -15), (38 * lung + 1, 48 * lung + 1))] = 45.0  # heart
    hu[ellipse(grid, (15, 12), (12, 12))] = 40.0  # aorta
    hu[ellipse(grid, (62, 0), (22, 24))] = 320.0  # vertebra
    hu[ellipse(grid, (66, 0), (9, 9))] = 20.0
    for angle in np.linspace(0.2, 2 * np.pi - 0.2, 12) + 3.0 * height:  # ribs
        hu[ellipse(grid, (92 * np.sin(angle), (wide - 22) * np.cos(angle)), (6, 9))] = 480.0
    texture = gaussian_filter(rng.standard_normal((SIZE, SIZE)), 3.0)
    hu = gaussian_filter(hu, 0.8) + np.where(hu < -500, 120.0, 60.0) * texture * body
    # Reconstruction noise is correlated over a pixel or so; about 16 HU in tissue and 8 HU in air.
    noise = gaussian_filter(rng.standard_normal((SIZE, SIZE)), 0.6)
    hu += noise / noise.std() * np.where(body, 16.0, 8.0)
    return np.clip(np.rint(hu + 1024.0), 0, 4095).astype(np.uint16)


def pixel_module(stored: np.ndarray) -> Dataset:
    """The image pixel module of one uncompressed slice."""
    dataset = Dataset()
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def encode(task: tuple[int, float, str]) -> Dataset:
    """Draws one slice and encodes it."""
    seed, height, codec = task
    dataset = pixel_module(draw_slice(seed, height))
    if CODECS[codec] != ExplicitVRLittleEndian:
        dataset.compress(CODECS[codec], generate_instance_uid=False)
    return dataset


def add_header(dataset: Dataset, name: str, index: int, count: int) -> None:
    """Gives one slice the header of a chest CT; `index` counts from the caudal end."""
    spacing = SPACING_MM[count]

    def uid(*parts):
        return generate_uid(entropy_srcs=["bolus-bench", name, *map(str, parts)])

    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "HELIX"]
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid("instance", index)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid("study"), uid("series")
    dataset.FrameOfReferenceUID = uid("frame")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20240102"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "101500"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = dataset.StudyID = ""
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "CT", "Bolus", "generate.py"
    dataset.StudyDescription, dataset.SeriesDescription = "CT CHEST", "AXIAL 1.0 B30f"
    dataset.PatientName, dataset.PatientID = "Generated^Series", "GENERATED"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientPosition = "", "O", "HFS"
    dataset.BodyPartExamined, dataset.ScanOptions = "CHEST", "HELICAL MODE"
    dataset.SliceThickness = spacing
    dataset.KVP, dataset.XRayTubeCurrent, dataset.ExposureTime = 120, 220, 500
    dataset.GantryDetectorTilt, dataset.ConvolutionKernel = 0, "B30f"
    dataset.SeriesNumber, dataset.AcquisitionNumber = 2, 1
    dataset.InstanceNumber = count - index  # the first image is the cranial one
    z = -600.0 + index * spacing
    corner = -SIZE / 2 * PIXEL_MM
    dataset.ImagePositionPatient = [corner, corner, round(z, 4)]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.SliceLocation, dataset.PixelSpacing = round(z, 4), [PIXEL_MM, PIXEL_MM]
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def series(out: Path, codec: str, count: int, seed: int = 0) -> Path:
    """The folder of one series of `count` slices, made if it is not there yet."""
    name = f"{codec}-{count}-seed{seed}"
    folder, marker = out / name, out / f"{name}.json"
    made = {"codec": codec, "slices": count, "seed": seed, "distinct": DISTINCT, "generator": 2}
    if marker.exists() and json.loads(marker.read_text()) == made:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    distinct = min(DISTINCT, count)
    with multiprocessing.Pool() as pool:
        encoded = pool.map(encode, [(seed, index / distinct, codec) for index in range(distinct)])
    # File names in an order that has nothing to do with the position, as an archive's object names are.
    names = np.random.default_rng([seed, count]).permutation(count)
    for index in range(count):
        dataset = encoded[index * distinct // count]
        add_header(dataset, name, index, count)
        pydicom.dcmwrite(folder / f"IM{names[index]:05d}", dataset, enforce_file_format=True)
    marker.write_text(json.dumps(made))
    return folder


def main() -> None:
    """Makes the series that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--codec", choices=CODECS, action="append", help="default: uncompressed, jpeg-ls, jpeg-2000")
    parser.add_argument("--slices", type=int, choices=SPACING_MM, action="append", help="default: 200 and 1000")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for codec in arguments.codec or ["uncompressed", "jpeg-ls", "jpeg-2000"]:
        for count in arguments.slices or [200, 1000]:
            folder = series(arguments.out, codec, count, arguments.seed)
            size = sum(path.stat().st_size for path in folder.iterdir())
            print(f"{folder}: {size / 2**20:.0f} MiB, ratio {count * SIZE * SIZE * 2 / size:.2f}")


if __name__ == "__main__":
    main()
