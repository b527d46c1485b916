"""The labelled DICOM sets: reproducible, valid, split by patient, and contrast changes what it changes in people."""

import csv
from itertools import combinations

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage

from phantom.acquisition import LEVEL_MM, Scan
from phantom.lookalikes import lookalikes
from phantom.patient import Patient
from phantom.series import SETS, plan, series_uid, truth, write
from phantom.style import HOLD, TRAIN


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("sets")
    which = SETS["hn-hold-b"]
    for seed in (1_300_001, 1_300_002):
        write(seed, which, out, mask=True)
    truth(which, (1_300_001, 1_300_002), out)
    return out, which


def test_a_seed_writes_the_same_files_and_a_second_run_draws_nothing(written, tmp_path):
    out, which = written
    write(1_300_001, which, tmp_path)
    again = sorted((tmp_path / "1300001").iterdir())
    assert [f.read_bytes() for f in again] == [f.read_bytes() for f in sorted((out / "1300001").iterdir())]
    before = again[0].stat().st_mtime_ns
    write(1_300_001, which, tmp_path)
    assert again[0].stat().st_mtime_ns == before


def test_files_are_ct_images_that_hold_the_drawn_hu(written):
    out, which = written
    files = [pydicom.dcmread(f) for f in sorted((out / "1300001").iterdir())]
    p = plan(1_300_001, which)
    assert len(files) == len(p.levels)
    for d in files:
        assert d.SOPClassUID == CTImageStorage and d.file_meta.MediaStorageSOPInstanceUID == d.SOPInstanceUID
        assert d.SeriesInstanceUID == series_uid(1_300_001, which) and d.PatientID == "1300001"
        assert not d.PatientName and "BodyPartExamined" not in d and "ContrastBolusAgent" not in d
        assert d.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
        assert d.ImagePositionPatient[0] == pytest.approx(-(d.Columns - 1) / 2 * d.PixelSpacing[1], abs=1e-3)
    steps = -np.diff([d.ImagePositionPatient[2] for d in files])
    assert np.allclose(steps, p.step) and files[0].SliceThickness == p.step
    hu = files[3].pixel_array * float(files[3].RescaleSlope) + float(files[3].RescaleIntercept)
    assert np.abs(hu - np.clip(p.scan.slice(float(p.levels[3]), p.step), -1024, 3071)).max() <= 0.5


def test_the_truth_names_every_series_and_its_label(written):
    out, which = written
    with (out / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["series_uid"], r["contrast"], r["split"]) for r in rows] == [
        (series_uid(1_300_001, which), "1", "test"),
        (series_uid(1_300_002, which), "0", "test"),
    ]


def test_the_mask_covers_what_contrast_changed_and_only_enhanced_series_have_one(written):
    out, which = written
    (file,) = (out / "masks").iterdir()
    found = np.load(file)
    assert file.stem == series_uid(1_300_001, which)
    assert len(found["sop_instance_uid"]) == len(found["mask"]) and 0.002 < found["mask"].mean() < 0.3


def test_no_patient_is_in_two_sets():
    seeds = [range(s.first_seed, s.first_seed + s.scans) for s in SETS.values()]
    assert all(a.stop <= b.start or b.stop <= a.start for a, b in combinations(seeds, 2))


def test_training_series_spread_over_their_part_and_carry_it():
    levels = np.concatenate([plan(s, SETS["hn-train"]).levels for s in range(1_000_000, 1_000_040)]) * LEVEL_MM
    assert levels.min() < -215 and levels.max() > 0
    assert np.mean((levels < 0) & (levels > -165)) > 0.6
    assert {plan(s, SETS["torso-train"]).body_part for s in range(2_000_000, 2_000_020)} == {"CHEST", "ABDOMEN"}
    assert plan(1_000_000, SETS["hn-train"]).tagged and not plan(1_200_000, SETS["hn-hold"]).tagged


@pytest.mark.parametrize("head_neck,level", [(True, -0.2), (True, -0.45), (True, -0.8), (False, 0.3), (False, 0.7)])
def test_contrast_changes_blood_and_soft_tissue_alone(head_neck, level):
    for seed in (3, 4):
        native, enhanced = (Scan(seed, e, TRAIN, head_neck).clean(level) for e in (False, True))
        rise = enhanced - native
        assert rise.max() > 40 and rise.min() > -1
        lung = native < -500
        assert np.median(np.abs(rise[lung])) < 1
        risen = native[rise > 15]
        assert np.mean((risen > -140) & (risen < 250)) > 0.8, "but for the rims of vessels beside air and bone"


def test_blood_stays_apart_but_the_thyroid_is_bright_without_contrast():
    native = [Patient(2 * s, False, HOLD) for s in range(300)]
    enhanced = [Patient(2 * s + 1, True, HOLD) for s in range(300)]
    assert max(p.hu["left"] for p in native) <= 72 < 95 <= min(p.hu["left"] for p in enhanced) + 1e-6
    thyroid = np.array([p.hu["thyroid"] for p in native])
    assert np.mean(thyroid >= 80) > 0.75 and thyroid.max() <= 150
    scans = [Scan(2 * s, False, TRAIN, True) for s in range(6)]
    bright = [((hu := s.clean(-0.18)) > 75) & (hu < 155) for s in scans]
    assert max(b[60:130, 50:142].sum() for b in bright) > 150


def test_neighbouring_levels_resemble_each_other():
    scan = Scan(5, True, HOLD, True)
    here, near, far = (scan.clean(z / LEVEL_MM) for z in (-60, -62.5, -85))
    assert np.abs(near - here).mean() < 0.4 * np.abs(far - here).mean()


def test_a_named_lookalike_is_drawn():
    """A thyroid that `lookalikes` names lies in the middle of the neck, as bright as it says."""
    which = SETS["hn-hold"]
    named = [seed for seed in range(which.first_seed, which.first_seed + 40, 2) if "thyroid" in lookalikes(seed, which)]
    assert 2 < len(named) < 20
    for seed in named[:3]:
        scan = plan(seed, which).scan
        gland = scan.patient.hu["thyroid"]
        assert gland > 100 and (np.abs(scan.clean(-45 / LEVEL_MM) - gland) < 15).sum() > 50
