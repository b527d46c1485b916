//! Geometry of a stack of slices: order, spacing, gaps and shear, from the positions alone.

use bolus_study::{Orientation, SeriesGeometry, Vector3};

/// Slices closer than this along the normal lie at one position.
pub(crate) const SAME_POSITION_MM: f64 = 0.01;
/// A distance above this many times the median is a gap; [`SAME_POSITION_MM`] on top forgives rounded positions.
const GAP_FACTOR: f64 = 1.5;
/// Shears below this are noise in the stated positions.
const SHEAR_NOISE_DEG: f64 = 0.05;

/// What every slice of a stack shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plane {
    pub rows: usize,
    pub columns: usize,
    pub orientation: Orientation,
    /// `[y, x]`.
    pub pixel_spacing_mm: [f64; 2],
}

impl Plane {
    /// Whether `other` can belong to the same stack: same size, direction cosines within 0.002 (a tenth of a degree),
    /// spacing within 0.1 %. Writers round both.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let spacings = self.pixel_spacing_mm.iter().zip(other.pixel_spacing_mm);
        (self.rows, self.columns) == (other.rows, other.columns)
            && self.is_parallel_to(other)
            && spacings.into_iter().all(|(a, b)| (a - b).abs() <= 0.001 * a.max(b))
    }

    /// Whether rows and columns run as those of `other`: direction cosines within 0.002.
    pub fn is_parallel_to(&self, other: &Self) -> bool {
        let cosines = |plane: &Self| [plane.orientation.along_row, plane.orientation.along_column].concat();
        cosines(self).iter().zip(cosines(other)).all(|(a, b)| (a - b).abs() <= 0.002)
    }

    /// Whether the slices are axial rather than coronal or sagittal: the normal is nearest to the body's axis.
    pub fn is_axial(&self) -> bool {
        let [x, y, z] = self.orientation.normal().map(f64::abs);
        z > x && z > y
    }
}

/// The position of `point` along `normal`, in millimetres.
pub(crate) fn project(point: Vector3, normal: Vector3) -> f64 {
    point.iter().zip(normal).map(|(a, b)| a * b).sum()
}

/// Measures a stack whose slices, given as first pixel positions, are in the order of the normal.
pub(crate) fn measure(plane: &Plane, positions_mm: Vec<Vector3>, slice_thickness_mm: Option<f64>) -> SeriesGeometry {
    let normal = plane.orientation.normal();
    let along_normal_mm: Vec<f64> = positions_mm.iter().map(|position| project(*position, normal)).collect();
    let distances: Vec<f64> =
        along_normal_mm.iter().zip(along_normal_mm.iter().skip(1)).map(|(low, high)| high - low).collect();
    let slice_spacing_mm = median(&distances);
    let spacing = slice_spacing_mm.unwrap_or_default();
    SeriesGeometry {
        rows: plane.rows,
        columns: plane.columns,
        pixel_spacing_mm: plane.pixel_spacing_mm,
        orientation: plane.orientation,
        shear_deg: shear_deg(&positions_mm, normal),
        gaps: distances.iter().filter(|distance| **distance > GAP_FACTOR * spacing + SAME_POSITION_MM).count(),
        spacing_deviation_mm: distances.iter().map(|distance| (distance - spacing).abs()).fold(0.0, f64::max),
        positions_mm,
        along_normal_mm,
        slice_spacing_mm,
        slice_thickness_mm,
    }
}

/// The lower of the two middle values where their number is even, so that the median is a distance that occurs.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// Angle between the normal and the line from the first position to the last.
fn shear_deg(positions_mm: &[Vector3], normal: Vector3) -> f64 {
    let (Some(first), Some(last)) = (positions_mm.first(), positions_mm.last()) else { return 0.0 };
    let [x, y, z] = [0, 1, 2].map(|axis: usize| last.get(axis).zip(first.get(axis)).map_or(0.0, |(b, a)| b - a));
    let along = project([x, y, z], normal);
    let across = (x * x + y * y + z * z - along * along).max(0.0).sqrt();
    let angle = across.atan2(along.abs()).to_degrees();
    if angle < SHEAR_NOISE_DEG { 0.0 } else { angle }
}
