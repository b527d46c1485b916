//! Linear interpolation along one axis of a slice.

/// A sample between two source pixels: `(1 − weight) · lower + weight · upper`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tap {
    /// Source index of the first pixel.
    pub lower: usize,
    /// Source index of the second pixel; the same as `lower` at an edge.
    pub upper: usize,
    /// Weight of `upper`, 0..1.
    pub weight: f32,
}

/// One axis of the source image, before resampling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceAxis {
    /// Number of pixels.
    pub pixels: usize,
    /// Distance between pixel centres in millimetres.
    pub spacing_mm: f64,
    /// Whether the source index grows against the patient axis (towards the right or the front).
    pub flipped: bool,
    /// How far this slice lies towards the growing axis from where a rectangular stack would have it, in millimetres.
    pub shift_mm: f64,
}

/// The cropped window of one resampled axis: a tap a voxel, `None` outside the image.
pub(crate) fn window_taps(axis: SourceAxis, spacing_mm: f64, crop: usize) -> Vec<Option<Tap>> {
    let resampled = (axis.pixels as f64 * axis.spacing_mm / spacing_mm).round() as i64;
    let start = resampled / 2 - (crop / 2) as i64;
    (start..start + crop as i64)
        .map(|index| {
            let inside = (0..resampled).contains(&index);
            inside.then(|| tap(axis, (index as f64 * spacing_mm - axis.shift_mm) / axis.spacing_mm)).flatten()
        })
        .collect()
}

/// The tap at a continuous index counted along the patient axis; pixel centres are whole numbers.
fn tap(axis: SourceAxis, position: f64) -> Option<Tap> {
    let last = axis.pixels.checked_sub(1)?;
    if !(-0.5..=axis.pixels as f64 - 0.5).contains(&position) {
        return None;
    }
    let clamped = position.clamp(0.0, last as f64);
    let lower = (clamped.floor() as usize).min(last);
    let upper = (lower + 1).min(last);
    let weight = (clamped - lower as f64) as f32;
    if axis.flipped {
        Some(Tap { lower: last - lower, upper: last - upper, weight })
    } else {
        Some(Tap { lower, upper, weight })
    }
}

/// The half-open range of source pixels that `taps` read; `None` when they read none.
pub(crate) fn source_range(taps: &[Option<Tap>]) -> Option<(usize, usize)> {
    let used = || taps.iter().flatten();
    let first = used().map(|tap| tap.lower.min(tap.upper)).min()?;
    let last = used().map(|tap| tap.lower.max(tap.upper)).max()?;
    Some((first, last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_centred_and_padded() {
        let axis = SourceAxis { pixels: 100, spacing_mm: 1.0, flipped: false, shift_mm: 0.0 };
        let taps = window_taps(axis, 1.0, 192);
        assert!(taps[45].is_none() && taps[146].is_none());
        assert_eq!(taps[46], Some(Tap { lower: 0, upper: 1, weight: 0.0 }));
        assert_eq!(source_range(&taps), Some((0, 100)));
    }

    #[test]
    fn flipping_mirrors_the_source() {
        let straight = SourceAxis { pixels: 301, spacing_mm: 0.7, flipped: false, shift_mm: 0.0 };
        let mirrored = SourceAxis { flipped: true, ..straight };
        for (a, b) in window_taps(straight, 1.0, 192).into_iter().zip(window_taps(mirrored, 1.0, 192)) {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_eq!((a.lower, a.upper, a.weight), (300 - b.lower, 300 - b.upper, b.weight));
        }
    }
}
