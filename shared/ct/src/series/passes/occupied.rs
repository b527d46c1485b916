//! Where the slices of a pass lie, and whether another slice lies there too.

use crate::geometry::{SAME_POSITION_MM, median};

/// Positions of slices along the normal, in millimetres, sorted.
#[derive(Debug, Clone, Default)]
pub(super) struct Occupied(Vec<f64>);

/// An interval between neighbours up to this many times the median is one that the pass covers; a longer one is a gap that another
/// slice may fill.
const COVERED: f64 = 1.5;
/// No two slices of a scanner's pass are nearer than this.
const MOST_APART_MM: f64 = 0.1;
/// Slices that a median distance can be told from.
pub(super) const FEWEST: usize = 3;
/// Slices that another may lie between.
pub(super) const FEWEST_BETWEEN: usize = 2;

impl Occupied {
    pub fn of(mut positions: Vec<f64>) -> Self {
        positions.sort_by(f64::total_cmp);
        Self(positions)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds the slices of another.
    pub fn add(&mut self, other: &Self) {
        match other.0.as_slice() {
            [one] => self.0.insert(self.0.partition_point(|position| position.total_cmp(one).is_lt()), *one),
            many => {
                self.0.extend(many);
                self.0.sort_by(f64::total_cmp);
            }
        }
    }

    /// Share of the slices of `other` that lie where this one does: see [`Occupied::covered`].
    pub fn covers(&self, other: &Self, near: f64, between: bool) -> f64 {
        self.covered(other, near, between) as f64 / other.len().max(1) as f64
    }

    /// How many slices of `other` lie at a position of this one, within `near` millimetres; with `between`, also those in an interval that
    /// this one covers.
    pub fn covered(&self, other: &Self, near: f64, between: bool) -> usize {
        let longest = if between { self.usual(other).map(|step| COVERED * step + near) } else { None };
        let covered = |position: &&f64| {
            let next = self.0.partition_point(|own| own.total_cmp(position).is_lt());
            let above = self.0.get(next);
            let below = next.checked_sub(1).and_then(|index| self.0.get(index));
            let at = |own: Option<&f64>| own.is_some_and(|own| (own - **position).abs() < near);
            let inside = || match (below, above, longest) {
                (Some(below), Some(above), Some(longest)) => above - below <= longest,
                _ => false,
            };
            at(below) || at(above) || inside()
        };
        other.0.iter().filter(covered).count()
    }

    /// The usual distance of neighbours. Two slices have one distance, which may be a gap: it counts as far as the other's is alike.
    fn usual(&self, other: &Self) -> Option<f64> {
        let own = median(&self.distances())?;
        if self.len() >= FEWEST { Some(own) } else { median(&other.distances()).map(|step| own.min(step)) }
    }

    fn distances(&self) -> Vec<f64> {
        self.0.iter().zip(self.0.iter().skip(1)).map(|(low, high)| high - low).collect()
    }
}

/// Below this distance in millimetres two of `positions`, sorted, lie at one place: half-hearted rounding leaves two passes a little
/// apart, by less than a twentieth of what neighbours keep, and less than any scanner's slices.
pub(super) fn near_mm(positions: &[f64]) -> f64 {
    let mut distances: Vec<f64> =
        positions.iter().zip(positions.iter().skip(1)).map(|(low, high)| high - low).collect();
    distances.sort_by(f64::total_cmp);
    let wide = distances.get(distances.len() * 3 / 4).copied().unwrap_or_default();
    SAME_POSITION_MM.max((0.05 * wide).min(MOST_APART_MM))
}
