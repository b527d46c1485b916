//! Isotonic regression by pooling adjacent violators, and the knots that make it rise everywhere.
//!
//! Source: Barlow et al. 1972; the knots as Oron & Flournoy 2017, *Statistics in Biopharmaceutical Research* 9, 258 ("centred"): one a level stretch,
//! at its mean aggregate, straight lines between. A plain step function would make one probability of many and lose their order.

/// A level stretch: aggregates whose mean targets did not rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Block {
    /// The largest aggregate in it.
    pub(super) last: f64,
    /// Cases in it.
    weight: f64,
    /// Sum of their aggregates.
    raw: f64,
    /// Sum of their targets.
    target: f64,
}

impl Block {
    /// Mean target.
    pub(super) fn level(&self) -> f64 {
        self.target / self.weight
    }

    fn centre(&self) -> f64 {
        self.raw / self.weight
    }

    fn join(self, next: Self) -> Self {
        Self {
            last: next.last,
            weight: self.weight + next.weight,
            raw: self.raw + next.raw,
            target: self.target + next.target,
        }
    }
}

/// The level stretches of the rising function nearest to `points` of aggregate and target.
pub(super) fn blocks(points: &[[f64; 2]]) -> Vec<Block> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut blocks: Vec<Block> = Vec::new();
    for tied in sorted.chunk_by(|a, b| a[0] == b[0]) {
        let sum = |axis: usize| tied.iter().map(|point| point[axis]).sum::<f64>();
        let mut block = Block { last: tied[0][0], weight: tied.len() as f64, raw: sum(0), target: sum(1) };
        // Equal levels are pooled too, so that the function rises.
        while let Some(before) = blocks.pop_if(|before| before.level() >= block.level() - 1e-12) {
            block = before.join(block);
        }
        blocks.push(block);
    }
    blocks
}

/// The knots: aggregates and what they become, both rising.
pub(super) fn knots(points: &[[f64; 2]]) -> (Vec<f64>, Vec<f64>) {
    blocks(points).iter().map(|block| (block.centre(), block.level())).unzip()
}

/// The value at `raw` of the lines between knots, level beyond the outermost, and never beyond a line's ends by rounding.
pub(super) fn between(knots: &[f64], values: &[f64], raw: f64) -> f64 {
    let above = knots.partition_point(|knot| *knot <= raw);
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return raw };
    match (above.checked_sub(1), knots.get(above)) {
        (None, _) => *first,
        (Some(_), None) => *last,
        (Some(below), Some(upper)) => {
            let (lower, low, high) = (knots[below], values[below], values[above]);
            (low + (high - low) * (raw - lower) / (upper - lower)).clamp(low, high)
        }
    }
}
