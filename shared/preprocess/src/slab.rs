//! The resampled slab in HU and the tensor it becomes.

use crate::spec::{Scale, Spec};

/// The scored slices of a series, `[z, y, x]` row-major in HU, from caudal to cranial, before the value steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Slab {
    /// The values in HU.
    pub hu: Vec<f32>,
    /// Number of slices.
    pub slices: usize,
    /// Rows of a slice.
    pub rows: usize,
    /// Columns of a slice.
    pub columns: usize,
}

/// The network's input before the channels are repeated: `[slice, row, column]` row-major, 0..1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tensor {
    /// The values, 0..1.
    pub data: Vec<f32>,
    /// Number of slices.
    pub slices: usize,
    /// Rows of a slice.
    pub rows: usize,
    /// Columns of a slice.
    pub columns: usize,
}

impl Slab {
    /// Maps HU to 0..1: floor, ceiling, clip, then the scale, in that order. Drops everything outside the clip range.
    #[must_use]
    pub fn into_tensor(self, spec: &Spec) -> Tensor {
        let Self { mut hu, slices, rows, columns } = self;
        let [low, high] = spec.clip_hu;
        for value in &mut hu {
            let floored = value.max(spec.floor_hu);
            let kept = if floored > spec.ceiling_hu { spec.above_ceiling_hu } else { floored };
            *value = kept.clamp(low, high);
        }
        let (from, to) = match spec.scale {
            Scale::MinMax => hu.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(smallest, largest), value| {
                (smallest.min(*value), largest.max(*value))
            }),
            Scale::Clip => (low, high),
        };
        let span = to - from;
        if span > 0.0 {
            hu.iter_mut().for_each(|value| *value = (*value - from) / span);
        } else {
            hu.fill(0.0);
        }
        Tensor { data: hu, slices, rows, columns }
    }
}

impl Tensor {
    /// The values of one slice; `None` past the end.
    #[must_use]
    pub fn slice(&self, index: usize) -> Option<&[f32]> {
        let size = self.rows * self.columns;
        self.data.get(index * size..(index + 1) * size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What `scale = "clip"` promises: a slice's input is the same whatever other slices the series holds.
        #[test]
        fn clip_maps_a_slice_alike_in_every_company(hu in prop::collection::vec(-3000.0_f32..3000.0, 12)) {
            let spec = Spec { scale: Scale::Clip, ..Spec::published_chest() };
            let slab = |hu: &[f32]| Slab { hu: hu.to_vec(), slices: hu.len() / 4, rows: 2, columns: 2 }.into_tensor(&spec);
            let whole = slab(&hu);
            for (index, slice) in hu.chunks_exact(4).enumerate() {
                let alone = slab(slice);
                prop_assert_eq!(Some(alone.data.as_slice()), whole.slice(index));
            }
            for (value, hu) in whole.data.iter().zip(&hu) {
                let kept = if *hu > 700.0 { 0.0 } else { hu.clamp(-200.0, 200.0) };
                prop_assert!((value - (kept + 200.0) / 400.0).abs() < 1e-6);
            }
        }
    }
}
