//! A plane in cells of 2 mm, and means over some 6 mm around them.

/// Edge of a cell, over which pixels are averaged, in millimetres.
const CELL_MM: f64 = 2.0;
/// Cells up to this edge are averaged again, with their eight neighbours.
const FINE_MM: f64 = 3.0;
/// Means that count as tissue where noise is measured.
pub(super) const TISSUE_HU: std::ops::Range<f32> = -200.0..300.0;

/// The means around those cells of a plane that have all their neighbours.
pub(super) struct Means {
    /// Row-major.
    pub values: Vec<f32>,
    pub rows: usize,
    pub columns: usize,
    /// Cells to each side over which a mean is taken; where that is none, cells are their own means.
    pub reach: usize,
    of: Cells,
}

impl Means {
    /// The means of the plane `hu`, `[y, x]` row-major in HU.
    pub fn of(hu: &[f32], columns: usize, spacing_mm: [f64; 2]) -> Self {
        let cells = Cells::of(hu, columns, spacing_mm);
        let reach = cells.reach;
        let [rows, columns] = [cells.rows, cells.columns].map(|count| count.saturating_sub(2 * reach));
        if reach == 0 || rows == 0 || columns == 0 {
            let (values, rows) = if reach == 0 { (cells.values.clone(), rows) } else { (Vec::new(), 0) };
            return Self { values, rows, columns, reach, of: cells };
        }
        let mut values = Vec::with_capacity(rows * columns);
        let mut sums = vec![0.0_f32; cells.columns];
        for y in 0..rows {
            let lines = (cells.line(y), cells.line(y + 1), cells.line(y + 2));
            for (((sum, above), here), below) in sums.iter_mut().zip(lines.0).zip(lines.1).zip(lines.2) {
                *sum = above + here + below;
            }
            values.extend(sums.windows(3).map(|three| (three[0] + three[1] + three[2]) / 9.0));
        }
        Self { values, rows, columns, reach, of: cells }
    }

    /// The lines of cells above, at and below the means of row `y`; all three the one of that row where there is no reach.
    pub fn cells(&self, y: usize) -> [&[f32]; 3] {
        [y, y + self.reach, y + 2 * self.reach].map(|row| self.of.line(row))
    }
}

/// A plane in cells.
struct Cells {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
    /// Cells to each side over which a mean is taken.
    reach: usize,
}

impl Cells {
    fn of(hu: &[f32], columns: usize, spacing_mm: [f64; 2]) -> Self {
        let step = spacing_mm.map(|spacing| ((CELL_MM / spacing).round() as usize).max(1));
        let (rows, cells) = (hu.len() / columns / step[0], columns / step[1]);
        let mut values = vec![0.0_f32; rows * cells];
        for (y, line) in hu.chunks_exact(columns).take(rows * step[0]).enumerate() {
            let to = &mut values[y / step[0] * cells..][..cells];
            for (sum, pixels) in to.iter_mut().zip(line.chunks_exact(step[1])) {
                *sum += pixels.iter().sum::<f32>();
            }
        }
        let pixels = (step[0] * step[1]) as f32;
        values.iter_mut().for_each(|sum| *sum /= pixels);
        let fine = (0..2).all(|axis| spacing_mm[axis] * step[axis] as f64 <= FINE_MM);
        Self { values, rows, columns: cells, reach: usize::from(fine) }
    }

    fn line(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..][..self.columns]
    }
}
