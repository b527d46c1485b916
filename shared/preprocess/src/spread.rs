//! The order in which output slices are scored where not all may be needed.

use std::collections::BTreeSet;

use crate::plan::{OutputSlice, Plan};

/// How far from its place, in output slices, a slice may lie that needs one source slice fewer.
const WORTH_OF_A_SOURCE: f64 = 2.5;

impl Plan {
    /// Every place of [`Plan::outputs`], in an order whose beginnings are spread over the slab and read few source slices.
    ///
    /// The places follow the van der Corput sequence (0, 1/2, 1/4, 3/4, 1/8, …); of the neighbours of each the one is taken that needs the
    /// fewest sources beyond those that are read already: one that lies on a source slice, or between two that are.
    /// The order depends on the plan alone.
    #[must_use]
    pub fn spread_out(&self) -> Vec<usize> {
        let count = self.outputs.len();
        let mut left: BTreeSet<usize> = (0..count).collect();
        let mut read: BTreeSet<usize> = BTreeSet::new();
        let mut order = Vec::with_capacity(count);
        let mut number = 0;
        while order.len() < count {
            let target = van_der_corput(number) * count as f64;
            number += 1;
            let cost = |place: &usize| {
                let new = sources(&self.outputs[*place]).filter(|source| !read.contains(source)).count();
                (*place as f64 + 0.5 - target).abs() + WORTH_OF_A_SOURCE * new as f64
            };
            let Some(best) = left.iter().copied().min_by(|a, b| cost(a).total_cmp(&cost(b))) else { break };
            left.remove(&best);
            read.extend(sources(&self.outputs[best]));
            order.push(best);
        }
        order
    }

    /// The source slices, as in [`Plan::sources`], that the output slices at `places` read, each once.
    #[must_use]
    pub fn sources_of(&self, places: &[usize]) -> BTreeSet<usize> {
        places.iter().filter_map(|place| self.outputs.get(*place)).flat_map(sources).collect()
    }
}

/// The source slices of one output, each once.
fn sources(output: &OutputSlice) -> impl Iterator<Item = usize> {
    let blend = output.blend;
    let both = blend.filter(|blend| blend.upper != blend.lower).map(|blend| blend.upper);
    blend.map(|blend| blend.lower).into_iter().chain(both)
}

/// The digits of `number` in base 2, mirrored at the point: 0, 1/2, 1/4, 3/4, 1/8, …, within 0..1.
fn van_der_corput(mut number: u32) -> f64 {
    let (mut value, mut digit) = (0.0, 0.5);
    while number > 0 {
        value += digit * f64::from(number & 1);
        digit /= 2.0;
        number >>= 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use bolus_study::{Orientation, SeriesGeometry};
    use proptest::prelude::*;

    use super::*;
    use crate::Spec;

    fn plan(spacing_mm: f64, slices: usize) -> Plan {
        let along_normal_mm: Vec<f64> = (0..slices).map(|index| index as f64 * spacing_mm).collect();
        let geometry = SeriesGeometry {
            rows: 64,
            columns: 64,
            pixel_spacing_mm: [4.0, 4.0],
            orientation: Orientation { along_row: [1.0, 0.0, 0.0], along_column: [0.0, 1.0, 0.0] },
            positions_mm: along_normal_mm.iter().map(|z| [0.0, 0.0, *z]).collect(),
            along_normal_mm,
            slice_spacing_mm: Some(spacing_mm),
            slice_thickness_mm: Some(spacing_mm),
            gaps: 0,
            spacing_deviation_mm: 0.0,
            shear_deg: 0.0,
        };
        Plan::new(&Spec::published_chest(), &geometry).unwrap()
    }

    #[test]
    fn few_sources_are_read_for_the_first_outputs() {
        // Spacing, and the most sources that the first eight outputs may read. Two each would be sixteen.
        for (spacing, most) in [(1.0, 8), (3.0, 8), (1.25, 8), (2.5, 8), (5.0, 8), (6.0, 8), (0.7, 16)] {
            let plan = plan(spacing, (400.0 / spacing) as usize);
            let order = plan.spread_out();
            let read = plan.sources_of(&order[..8]).len();
            assert!(read <= most && read * 3 <= plan.sources.len(), "{spacing} mm: {read} of {}", plan.sources.len());
        }
    }

    proptest! {
        #[test]
        fn the_order_holds_every_output_once_and_its_beginnings_are_spread(spacing in 0.5_f64..8.0, slices in 12_usize..400) {
            let plan = plan(spacing, slices);
            let order = plan.spread_out();
            prop_assert_eq!(&order, &plan.spread_out());
            let count = plan.outputs.len();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            for begin in [8, 16] {
                let mut chosen: Vec<usize> = order.iter().take(begin).copied().collect();
                chosen.sort_unstable();
                let gaps = chosen.windows(2).map(|pair| pair[1] - pair[0]);
                let ends = [chosen[0], count - 1 - chosen[chosen.len() - 1]];
                let widest = gaps.chain(ends).max().unwrap_or(0);
                prop_assert!(widest <= count / begin + 11, "{} of {}: {:?}", begin, count, chosen);
            }
        }
    }
}
