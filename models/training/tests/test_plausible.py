"""The fit of the distance from patients, on small made-up figures and planes."""

import csv
import io
import re

import numpy as np
import pytest

from plausible import fit, planes
from plausible.variants import VARIANTS

NAMES = ["first", "second", "third"]
SPREAD = np.array([[0.5, 0.3, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 0.2]])
CENTRE = np.array([-1.0, 2.0, 0.5])


def write(path, rows):
    """Figures as the example prints them."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["kind", "patient", "name", "planes", "verdict", "why", "distance", "most", *NAMES])
        table.writerows([[*label, 1, "plausible", "", 1.0, 8.0, *places] for label, places in rows])
    return path


def drawn(kind, patients, count, seed, initial):
    """Rows of made-up patients."""
    places = CENTRE + np.random.default_rng(seed).normal(size=(patients * count, 3)) @ SPREAD
    return [((kind, f"{initial}{number % patients}", f"{kind} {number}"), row) for number, row in enumerate(places)]


@pytest.fixture
def figures(tmp_path):
    """As many rows of one distribution for every kind."""
    kinds = ["slice", "run", "series", "variant noise 30", "phantom slice", "phantom series"]
    rows = [row for seed, kind in enumerate(kinds) for row in drawn(kind, 40, 25, seed, "d" if seed > 3 else "p")]
    return fit.load([write(tmp_path / "figures.csv", rows)])


def test_the_mean_and_the_widened_covariance_of_patients_are_found(figures):
    mean, precision = fit.fit(figures)
    assert np.allclose(mean, CENTRE, atol=0.05)
    expected = np.linalg.inv(SPREAD.T @ SPREAD + fit.WIDENED * np.eye(3))
    assert np.allclose(precision, expected, rtol=0.15, atol=0.3)
    assert np.array_equal(precision, precision.T)


def test_a_kind_has_its_share_and_a_patient_of_it_the_same_as_any_other(tmp_path):
    rows = [(("slice", "p0", f"{place}"), CENTRE) for place in range(30)] + [(("slice", "p1", "0"), CENTRE + 1)]
    rows += [(("phantom slice", "p2", "0"), CENTRE + 3)]
    mean, _ = fit.fit(fit.load([write(tmp_path / "figures.csv", rows)]))
    real, synthetic = fit.SHARES["slice"], fit.SHARES["phantom slice"]
    assert np.allclose(mean, CENTRE + (0.5 * real + 3 * synthetic) / (real + synthetic), atol=1e-3)


def test_the_patients_of_a_row_have_no_part_in_the_fit_that_judges_it(tmp_path):
    rows = [(("slice", f"p{number}", "0"), CENTRE) for number in range(6)] + [(("slice", "odd", "0"), CENTRE + 9)]
    figures = fit.load([write(tmp_path / "figures.csv", rows)])
    left, distance = fit.unseen(figures, [np.array(["odd"])])
    assert left.patient.tolist() == ["odd"] and np.allclose(distance, 9 * np.sqrt(3 / fit.WIDENED) / 8, rtol=0.01)


def test_what_no_patient_has_lies_far_and_unseen_patients_do_not(figures):
    mean, precision = fit.fit(figures)
    for left_out in (fit.real_patients(figures)[:, None], fit.halves(figures)):
        left, distance = fit.unseen(figures, left_out)
        assert not np.char.startswith(left.kind, "phantom").any()
        assert (distance < 1).all()
    odd = fit.Figures(np.array(["slice"]), np.array(["x"]), np.array(["x"]), np.array([8.0]), CENTRE[None] + [[4, -4, 0]])
    assert fit.relative(odd, mean, precision)[0] > fit.REFUSED


def test_others_that_may_only_be_judged_have_no_weight(tmp_path):
    figures = fit.load([write(tmp_path / "figures.csv", [(("other slice", "p0", "0"), CENTRE)])])
    with pytest.raises(ValueError, match="other slice"):
        fit.fit(figures)


def test_rows_too_coarse_to_tell_are_left_out(tmp_path):
    path = write(tmp_path / "figures.csv", [(("slice", "p0", "0"), ["", "", ""]), (("slice", "p1", "0"), CENTRE)])
    assert fit.load([path]).patient.tolist() == ["p1"]


def test_the_table_holds_the_fit_and_no_line_that_rustfmt_would_break():
    rng = np.random.default_rng(0)
    mean, precision = rng.normal(size=17).round(3), rng.normal(0, 20, size=(17, 17)).round(2)
    text = fit.table(mean, precision)
    assert max(map(len, text.split("\n"))) <= 140 and all(len(line) <= 120 for line in text.split("\n") if "//" not in line)
    centre, rows = text.split("pub(super) const PRECISION")
    numbers = [float(number) for number in re.findall(r"-?\d+\.\d{3}", centre.split("CENTRE")[1])]
    assert numbers == mean.tolist()
    assert np.array_equal(np.array(re.findall(r"-?\d+\.\d\d", rows), float).reshape(17, 17), precision)


def test_planes_are_written_with_what_the_image_does_not_reach():
    hu = np.arange(100.0)[:, None] + np.zeros(120)
    plane = planes.resample(hu, (1.5, 1.0))
    assert np.isfinite(plane).any(1).sum() == 150 - 2 and np.isfinite(plane).any(0).sum() == 120
    assert np.allclose(np.diff(plane[96 - 70 : 96 + 70, 96]), 1 / 1.5, atol=1e-3)
    file = io.BytesIO()
    planes.Series("slice", "p, 1", "a", plane[None], 1.5).write(file)
    line, values = file.getvalue().split(b"\n", 1)
    assert line == b"slice\tp  1\ta\t1\t192\t192\t1\t1.5000"
    assert np.array_equal(np.frombuffer(values, "<f4").reshape(192, 192), plane.astype("<f4"), equal_nan=True)


def test_a_series_is_measured_slice_by_slice_in_runs_and_whole():
    kinds = [(one.kind, len(one.planes)) for one in planes.parts("other ", "p", "s", np.zeros((50, 2, 2)), 0.8)]
    assert kinds == [("other slice", 1)] * 50 + [("other run", 8)] * 11 + [("other series", 17)]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_planes_alone_and_the_same_each_time(name):
    y, x = np.mgrid[:192, :192] - 95.5
    body = np.select([np.hypot(y, x) < 40, np.hypot(y, x) < 60, np.hypot(y, x) < 85], [120.0, -850.0, -90.0], -1000.0)
    body = np.where(abs(y) > 90, np.nan, body)[None].repeat(2, 0)
    before = body.copy()
    one, other = (VARIANTS[name](body, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(body, before, equal_nan=True)
    assert one.shape == body.shape and np.array_equal(one, other, equal_nan=True) and not np.array_equal(one, body, equal_nan=True)
