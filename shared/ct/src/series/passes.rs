//! The passes in a stack of parallel slices: what one sweep of the scanner, or one reconstruction of it, made.
//!
//! An attribute parts slices only where positions come again: where the slices of two of its values lie at the same positions, or
//! one's in between the other's. Values whose positions do not meet are one pass, or two ranges behind one another, and stay
//! together: step-and-shoot numbers every slice. What one attribute parts, the next may part further. Gain: a stack never mixes two
//! passes that anything in the headers tells apart. Price: two passes without any such attribute are refused, not guessed at.

mod attribute;
mod occupied;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bolus_study::{Reason, ReasonCode};

use super::placed::Placed;
use attribute::{ATTRIBUTES, Attribute, Kind, Value};
use occupied::{FEWEST, FEWEST_BETWEEN, Occupied, near_mm};

/// Two sets of slices meet where this share of the smaller lies where the other does. Slabs that follow one another overlap by less.
const MEET: f64 = 0.15;
/// Ranges of at least this many slices meet where [`OVERLAP`] of one lie where the other does, however long they are: no pass scans a place
/// twice, and a rotation has fewer slices.
const RANGE: usize = 8;
/// One slice more than those of ranges that touch.
const OVERLAP: usize = 2;
/// Sweeps are told by their order alone, so more of them must lie where the others do.
const SWEEPS_MEET: f64 = 0.5;
/// More passes than this are not looked for: a perfusion study has some dozens.
const MOST_PASSES: usize = 512;
/// More values than this are not compared: a CT of one slice each has a few thousand.
const MOST_VALUES: usize = 8_192;
/// Up to this many values, slices between others' are looked at, too.
const MOST_BETWEEN: usize = 256;
/// A pause is longer than this many usual steps of the clock, and than [`SHORTEST_PAUSE_S`].
const PAUSE_STEPS: f64 = 5.0;
/// In seconds.
const SHORTEST_PAUSE_S: f64 = 1.0;
/// Share of positions that may be taken twice without an explanation. The repeats are dropped and counted.
const REPEATS: f64 = 0.05;

/// The slices of one pass.
#[derive(Debug)]
pub(super) struct Pass {
    /// Indices into the slices, in growing order.
    pub members: Vec<usize>,
    /// What parts it from the others, the coarsest first.
    pub parted_by: Vec<String>,
    /// Why it cannot be told from another: positions come again, and no attribute says why.
    pub refusal: Option<Reason>,
}

/// The passes in `slices`, of one plane and without copies, in the order of what parts them.
pub(super) fn passes(slices: &[Placed]) -> Vec<Pass> {
    let mut found = Vec::new();
    split(slices, whole(slices), &ATTRIBUTES, &mut found);
    found
}

fn whole(slices: &[Placed]) -> Pass {
    Pass { members: (0..slices.len()).collect(), parted_by: Vec::new(), refusal: None }
}

/// The file and frame of each of `slices` that shares its position with another although nothing that the scanner says parts them.
/// Numbers and clocks of whoever wrote the files do not count: who sends a series twice may number it on.
pub(super) fn repeated(slices: &[Placed]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    if !repeats(slices, &whole(slices).members, near_of(slices.iter())).is_empty() {
        let sure = ATTRIBUTES.iter().position(|attribute| matches!(attribute.kind, Kind::Writer | Kind::Number));
        split(
            slices,
            whole(slices),
            ATTRIBUTES.get(..sure.unwrap_or(ATTRIBUTES.len())).unwrap_or_default(),
            &mut found,
        );
    }
    let near = |pass: &Pass| near_mm(&sorted_positions(slices, &pass.members));
    let repeated = found.iter().flat_map(|pass| repeats(slices, &pass.members, near(pass)));
    repeated.flat_map(|(a, b)| [slices[a].place(), slices[b].place()]).collect()
}

/// Below this distance in millimetres two of `slices` lie at one place.
pub(super) fn near_of<'a>(slices: impl Iterator<Item = &'a Placed>) -> f64 {
    let mut positions: Vec<f64> = slices.map(|one| one.slice.z_mm).collect();
    positions.sort_by(f64::total_cmp);
    near_mm(&positions)
}

/// Splits `pass` by the first of the attributes that parts it, and each part by those after that one.
fn split(slices: &[Placed], mut pass: Pass, attributes: &[Attribute], found: &mut Vec<Pass>) {
    let positions = sorted_positions(slices, &pass.members);
    let near = near_mm(&positions);
    for (index, attribute) in attributes.iter().enumerate() {
        let Some(parts) = parts(slices, &pass.members, attribute, near) else { continue };
        let count = parts.len();
        for (number, part) in parts.into_iter().enumerate() {
            let mut parted_by = pass.parted_by.clone();
            parted_by.push(part.told(attribute, number + 1, count));
            let members = part.members();
            let rest = attributes.get(index + 1..).unwrap_or_default();
            split(slices, Pass { members, parted_by, refusal: None }, rest, found);
        }
        return;
    }
    pass.refusal = ambiguity(slices, &pass.members, near);
    found.push(pass);
}

fn sorted_positions(slices: &[Placed], members: &[usize]) -> Vec<f64> {
    let mut positions: Vec<f64> = members.iter().map(|index| slices[*index].slice.z_mm).collect();
    positions.sort_by(f64::total_cmp);
    positions
}

/// Slices of one or several values of an attribute.
#[derive(Debug, Clone)]
struct Part {
    first: Value,
    last: Value,
    slices: Vec<usize>,
    occupied: Occupied,
}

impl Part {
    fn of(slices: &[Placed], value: Value, members: Vec<usize>) -> Self {
        let occupied = Occupied::of(members.iter().map(|index| slices[*index].slice.z_mm).collect());
        Self { first: value.clone(), last: value, slices: members, occupied }
    }

    fn add(&mut self, other: Self) {
        self.last = other.last;
        self.slices.extend(other.slices);
        self.occupied.add(&other.occupied);
    }

    fn members(mut self) -> Vec<usize> {
        self.slices.sort_unstable();
        self.slices
    }

    fn told(&self, attribute: &Attribute, number: usize, count: usize) -> String {
        match (attribute.told, self.first == self.last) {
            (false, _) => format!("{} ({number} of {count})", attribute.keyword),
            (true, true) => format!("{} {}", attribute.keyword, self.first.told()),
            (true, false) => format!("{} {} to {}", attribute.keyword, self.first.told(), self.last.told()),
        }
    }

    /// Whether the two lie where the other does. A slice between others' tells nothing of a pass where `names` is false, and whoever wrote
    /// files in an order of his own made no ranges where `scanned` is false.
    fn meets(&self, other: &Self, near: f64, between: bool, rule: Rule) -> bool {
        let enough = |part: &Self| rule.names || part.occupied.len() >= FEWEST_BETWEEN;
        let between = between && enough(self) && enough(other);
        let is_range = |part: &Self| rule.scanned && part.occupied.len() >= RANGE;
        let overlap = || {
            self.occupied.covered(&other.occupied, near, between).max(other.occupied.covered(
                &self.occupied,
                near,
                between,
            ))
        };
        self.share(other, near, between) > MEET || is_range(self) && is_range(other) && overlap() >= OVERLAP
    }

    fn share(&self, other: &Self, near: f64, between: bool) -> f64 {
        let (here, there) = (&self.occupied, &other.occupied);
        here.covers(there, near, between).max(there.covers(here, near, between))
    }
}

/// How values of an attribute are compared.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// Whether each is a name.
    names: bool,
    /// Whether they are of the scanner.
    scanned: bool,
}

/// The parts that `attribute` makes of `members`; none where it parts nothing.
fn parts(slices: &[Placed], members: &[usize], attribute: &Attribute, near: f64) -> Option<Vec<Part>> {
    let values = by_value(slices, members, attribute);
    if values.len() < 2 || values.len() > MOST_VALUES {
        return None;
    }
    let between = values.len() <= MOST_BETWEEN;
    match attribute.kind {
        Kind::Name => named(values, near, between),
        Kind::Count => runs(&values, near, between, true).or_else(|| sweeps(slices, &values, near, true)),
        Kind::Clock => runs(&values, near, between, true)
            .or_else(|| runs(&between_pauses(&values), near, true, true))
            .or_else(|| sweeps(slices, &values, near, true)),
        Kind::Writer => runs(&values, near, false, false).or_else(|| runs(&between_pauses(&values), near, true, false)),
        Kind::Number => sweeps(slices, &values, near, true),
    }
}

fn by_value(slices: &[Placed], members: &[usize], attribute: &Attribute) -> Vec<Part> {
    let mut values: BTreeMap<Value, Vec<usize>> = BTreeMap::new();
    for index in members {
        values.entry((attribute.value)(&slices[*index])).or_default().push(*index);
    }
    values.into_iter().map(|(value, members)| Part::of(slices, value, members)).collect()
}

/// Each value is a part, where any two meet.
fn named(values: Vec<Part>, near: f64, between: bool) -> Option<Vec<Part>> {
    if values.len() > MOST_PASSES {
        return None;
    }
    let meets = |(a, b): (&Part, &Part)| a.meets(b, near, between, Rule { names: true, scanned: true });
    (pairs(&values).any(meets) && are_passes(&values, near, between)).then_some(values)
}

/// Values that follow one another are a part as long as they do not meet it.
fn runs(values: &[Part], near: f64, between: bool, scanned: bool) -> Option<Vec<Part>> {
    let rule = Rule { names: false, scanned };
    let mut runs: Vec<Part> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some(run) if !run.meets(value, near, between, rule) => run.add(value.clone()),
            _ => runs.push(value.clone()),
        }
    }
    ((2..=MOST_PASSES).contains(&runs.len()) && are_passes(&runs, near, between)).then_some(runs)
}

/// Whether parts can be passes: each has some slices, or all lie where the others do. Else their order was by chance.
fn are_passes(parts: &[Part], near: f64, between: bool) -> bool {
    let large = |part: &Part| part.occupied.len() >= FEWEST;
    parts.iter().all(large) || pairs(parts).all(|(a, b)| a.share(b, near, between) > MEET)
}

fn pairs(parts: &[Part]) -> impl Iterator<Item = (&Part, &Part)> {
    parts.iter().enumerate().flat_map(|(index, a)| parts.iter().skip(index + 1).map(move |b| (a, b)))
}

/// The values of a clock joined to what was made without a pause.
fn between_pauses(values: &[Part]) -> Vec<Part> {
    let seconds = |part: &Part| match part.first {
        Value::Number(seconds) => seconds,
        _ => f64::NEG_INFINITY,
    };
    // Slices of one value are no step apart: a clock that stands still for a whole pass has its pauses between the passes.
    let still = values.iter().flat_map(|value| std::iter::repeat_n(0.0, value.slices.len().saturating_sub(1)));
    let moved = values.iter().zip(values.iter().skip(1)).map(|(a, b)| seconds(b) - seconds(a));
    let steps: Vec<f64> = moved.chain(still).collect();
    let usual = crate::geometry::median(&steps).unwrap_or_default();
    let pause = (PAUSE_STEPS * usual).max(SHORTEST_PAUSE_S);
    let mut joined: Vec<Part> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for value in values {
        match joined.last_mut() {
            Some(part) if seconds(value) - last <= pause => part.add(value.clone()),
            _ => joined.push(value.clone()),
        }
        last = seconds(value);
    }
    joined
}

/// In the order of the values, each way through the positions is a part: at a slice that lies back against the way, or where the last
/// one does, the next begins. Only for values that are nearly one a slice. With `between` the ways may lie in between each other.
fn sweeps(slices: &[Placed], values: &[Part], near: f64, between: bool) -> Option<Vec<Part>> {
    let count: usize = values.iter().map(|value| value.slices.len()).sum();
    if values.len() * 2 < count {
        return None;
    }
    let order: Vec<(&Value, usize)> =
        values.iter().flat_map(|value| value.slices.iter().map(move |index| (&value.first, *index))).collect();
    let positions: Vec<f64> = order.iter().map(|(_, index)| slices[*index].slice.z_mm).collect();
    let mut sweeps: Vec<Part> = Vec::new();
    for range in ways(&positions, near) {
        let mut parts = order.iter().take(range.end).skip(range.start);
        let one = |(value, index): &(&Value, usize)| Part::of(slices, (*value).clone(), vec![*index]);
        let Some(mut sweep) = parts.next().map(one) else { continue };
        parts.for_each(|next| sweep.add(one(next)));
        sweeps.push(sweep);
    }
    let large = sweeps.iter().all(|sweep| sweep.occupied.len() >= FEWEST);
    let meet = || pairs(&sweeps).all(|(a, b)| a.share(b, near, between) > SWEEPS_MEET);
    ((2..=MOST_PASSES).contains(&sweeps.len()) && large && meet()).then_some(sweeps)
}

/// The ways through `positions`, each in one direction.
fn ways(positions: &[f64], near: f64) -> Vec<std::ops::Range<usize>> {
    let mut ways: Vec<std::ops::Range<usize>> = Vec::new();
    let step = |index: usize| positions.get(index).zip(positions.get(index + 1)).map_or(0.0, |(a, b)| b - a);
    let mut start = 0;
    for index in 0..positions.len() {
        let first = index <= start;
        let onwards =
            first || (step(index - 1).abs() >= near && (index - 1 == start || step(index - 1) * step(index - 2) > 0.0));
        if onwards {
            continue;
        }
        // The slice at the turn is the next way's first where it is out of the step that the others keep.
        let usual = step(start).abs();
        let off = |step: f64| (step.abs() - usual).abs() > near;
        let turn = index - 1 - start >= FEWEST && off(step(index - 2)) && !off(step(index - 1));
        let end = if turn { index - 1 } else { index };
        ways.push(start..end);
        start = end;
    }
    ways.push(start..positions.len());
    ways
}

/// Why `members`, which no attribute parts, cannot be one pass. Few repeats are dropped later; those where ranges behind one another
/// overlap a little are explained.
fn ambiguity(slices: &[Placed], members: &[usize], near: f64) -> Option<Reason> {
    let repeats = repeats(slices, members, near);
    let positions = members.len() - repeats.len();
    let few = if positions >= FEWEST { (REPEATS * positions as f64).max(1.0) } else { 0.0 };
    if repeats.len() as f64 <= few || ranges_overlap(slices, members, &repeats) {
        return None;
    }
    let (count, extra) = (members.len(), repeats.len());
    let detail =
        format!("{count} slices at {positions} positions, {extra} too many, and nothing tells the passes apart");
    Some(Reason::new(ReasonCode::AmbiguousPositions, detail))
}

/// Neighbours among `members` that lie at one place.
fn repeats(slices: &[Placed], members: &[usize], near: f64) -> Vec<(usize, usize)> {
    let mut ordered = members.to_vec();
    ordered.sort_by(|a, b| slices[*a].slice.z_mm.total_cmp(&slices[*b].slice.z_mm));
    let next = ordered.iter().skip(1);
    let taken = |(a, b): &(&usize, &usize)| slices[**b].slice.z_mm - slices[**a].slice.z_mm < near;
    ordered.iter().zip(next).filter(taken).map(|(a, b)| (*a, *b)).collect()
}

/// Whether each of `repeats` is between two values of an attribute of which a small part repeats: ranges behind one another.
fn ranges_overlap(slices: &[Placed], members: &[usize], repeats: &[(usize, usize)]) -> bool {
    let explains = |attribute: &&Attribute| matches!(attribute.kind, Kind::Name | Kind::Count | Kind::Clock);
    ATTRIBUTES.iter().filter(explains).any(|attribute| {
        let value = |index: usize| (attribute.value)(&slices[index]);
        let mut repeated: BTreeMap<Value, usize> = BTreeMap::new();
        for (a, b) in repeats {
            let (a, b) = (value(*a), value(*b));
            if a == b {
                return false;
            }
            *repeated.entry(a).or_default() += 1;
            *repeated.entry(b).or_default() += 1;
        }
        by_value(slices, members, attribute).iter().all(|part| {
            let repeats = repeated.get(&part.first).copied().unwrap_or_default();
            repeats as f64 <= 2.0 * MEET * part.slices.len() as f64
        })
    })
}
