//! Geometry of a series in the patient's coordinate system (DICOM PS3.3 section C.7.6.2.1.1): millimetres,
//! x to the patient's left, y to the back, z to the head.

use serde::{Deserialize, Serialize};

/// A vector or point in millimetres, `[x, y, z]` in the patient's coordinate system.
pub type Vector3 = [f64; 3];

/// Direction cosines of an image plane, each of unit length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Orientation {
    /// The direction in which the column index grows.
    pub along_row: Vector3,
    /// The direction in which the row index grows.
    pub along_column: Vector3,
}

impl Orientation {
    /// The slice normal: `along_row × along_column`.
    #[must_use]
    pub fn normal(&self) -> Vector3 {
        let [ax, ay, az] = self.along_row;
        let [bx, by, bz] = self.along_column;
        [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]
    }

    /// Whether the slices are axial: the normal lies within `tolerance_deg` degrees of the patient's z axis.
    #[must_use]
    pub fn is_axial(&self, tolerance_deg: f64) -> bool {
        self.normal()[2].abs() >= tolerance_deg.to_radians().cos()
    }
}

/// The geometry of one series: a stack of parallel planes of one size, ordered along the slice normal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesGeometry {
    /// Rows of every slice.
    pub rows: usize,
    /// Columns of every slice.
    pub columns: usize,
    /// Distance between neighbouring pixels in millimetres, `[y, x]`: between rows, then between columns.
    pub pixel_spacing_mm: [f64; 2],
    /// The direction cosines shared by all slices.
    pub orientation: Orientation,
    /// Position of each slice's first pixel centre, in slice order.
    pub positions_mm: Vec<Vector3>,
    /// Position of each slice along the slice normal, strictly increasing, in slice order.
    pub along_normal_mm: Vec<f64>,
    /// The median distance between neighbouring slices; `None` for a single slice.
    pub slice_spacing_mm: Option<f64>,
    /// Nominal slice thickness (0018,0050), where every slice that states it agrees.
    pub slice_thickness_mm: Option<f64>,
    /// Number of places where the distance between neighbours exceeds 1.5 times the median: missing slices.
    pub gaps: usize,
    /// Largest deviation of a neighbour distance from the median, in millimetres.
    pub spacing_deviation_mm: f64,
    /// Angle in degrees between the slice normal and the line through the slices' positions: gantry tilt left
    /// in the data as a shear. Zero for a rectangular stack.
    pub shear_deg: f64,
}

impl SeriesGeometry {
    /// Number of slices.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.along_normal_mm.len()
    }

    /// Whether a growing slice index goes towards the head.
    #[must_use]
    pub fn increases_cranially(&self) -> bool {
        self.orientation.normal()[2] >= 0.0
    }
}

/// A rectangle of source pixels, half open: rows `y0..y1`, columns `x0..x1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PixelWindow {
    /// First row.
    pub y0: usize,
    /// One past the last row.
    pub y1: usize,
    /// First column.
    pub x0: usize,
    /// One past the last column.
    pub x1: usize,
}

impl PixelWindow {
    /// The window that covers a whole image.
    #[must_use]
    pub fn whole(rows: usize, columns: usize) -> Self {
        Self { y0: 0, y1: rows, x0: 0, x1: columns }
    }

    /// Rows in the window.
    #[must_use]
    pub fn height(&self) -> usize {
        self.y1 - self.y0
    }

    /// Columns in the window.
    #[must_use]
    pub fn width(&self) -> usize {
        self.x1 - self.x0
    }
}
