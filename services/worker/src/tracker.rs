//! The events of one partition: which have ended, and how far the unbroken prefix of ended ones reaches.

use std::collections::VecDeque;

/// Events that have been taken from one partition, in the order of their offsets.
///
/// Offsets only rise: an offset that does not is one that was taken before. Gaps between offsets are the broker's (compacted
/// records, transaction markers) and do not break the prefix.
#[derive(Debug)]
pub struct Tracker<T> {
    /// The lowest offset that may still be taken.
    next: Option<i64>,
    slots: VecDeque<Slot<T>>,
    open: usize,
}

#[derive(Debug)]
struct Slot<T> {
    offset: i64,
    outcome: Option<T>,
}

/// The ended events that nothing unfinished precedes.
#[derive(Debug, PartialEq, Eq)]
pub struct Prefix<T> {
    /// The outcomes, in the order of their offsets.
    pub outcomes: Vec<T>,
    /// The offset after the last of them: what the lake is to say of the partition once they have landed.
    pub next: i64,
}

impl<T> Tracker<T> {
    /// Starts at offset `start`: all before it has ended. None: nothing is known, the first offset taken is the start.
    #[must_use]
    pub fn new(start: Option<i64>) -> Self {
        Self { next: start, slots: VecDeque::new(), open: 0 }
    }

    /// Takes the event at `offset`; false where it was taken before, or lies before the start.
    pub fn begin(&mut self, offset: i64) -> bool {
        if self.next.is_some_and(|next| offset < next) {
            return false;
        }
        self.next = Some(offset + 1);
        self.slots.push_back(Slot { offset, outcome: None });
        self.open += 1;
        true
    }

    /// Ends the event at `offset`; gives `outcome` back where no such event is open.
    ///
    /// # Errors
    /// The outcome itself.
    pub fn finish(&mut self, offset: i64, outcome: T) -> Result<(), T> {
        let place = self.slots.partition_point(|slot| slot.offset < offset);
        match self.slots.get_mut(place) {
            Some(slot) if slot.offset == offset && slot.outcome.is_none() => {
                slot.outcome = Some(outcome);
                self.open -= 1;
                Ok(())
            }
            _ => Err(outcome),
        }
    }

    /// Whether [`Tracker::take_prefix`] would give anything.
    #[must_use]
    pub fn has_prefix(&self) -> bool {
        self.slots.front().is_some_and(|slot| slot.outcome.is_some())
    }

    /// Takes the unbroken prefix of ended events out; none where the oldest event is open or nothing is there.
    pub fn take_prefix(&mut self) -> Option<Prefix<T>> {
        let mut outcomes = Vec::new();
        let mut next = None;
        while self.has_prefix() {
            let Some(slot) = self.slots.pop_front() else { break };
            outcomes.extend(slot.outcome);
            next = Some(slot.offset + 1);
        }
        next.map(|next| Prefix { outcomes, next })
    }

    /// Events that have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open
    }

    /// Events that are held: open ones, and ended ones that wait for them or for their commit.
    #[must_use]
    pub fn held(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What may happen to a tracker; numbers choose among what is possible.
    #[derive(Debug, Clone)]
    enum Step {
        Begin { gap: i64 },
        Again { which: usize },
        Finish { which: usize },
        Take,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..3_i64).prop_map(|gap| Step::Begin { gap }),
            1 => any::<usize>().prop_map(|which| Step::Again { which }),
            3 => any::<usize>().prop_map(|which| Step::Finish { which }),
            1 => Just(Step::Take),
        ]
    }

    /// The same, told by a map that forgets nothing.
    #[derive(Default)]
    struct Oracle {
        events: BTreeMap<i64, bool>,
        taken: i64,
    }

    impl Oracle {
        fn prefix(&self) -> Vec<i64> {
            let rest = self.events.range(self.taken..);
            rest.take_while(|(_, ended)| **ended).map(|(offset, _)| *offset).collect()
        }
    }

    proptest! {
        #[test]
        fn prefixes_are_unbroken_complete_and_in_order(start in 0..100_i64, steps in prop::collection::vec(step(), 0..200)) {
            let mut tracker = Tracker::new(Some(start));
            let mut oracle = Oracle { taken: start, ..Oracle::default() };
            let mut last = start - 1;
            for step in steps {
                match step {
                    Step::Begin { gap } => {
                        last += 1 + gap;
                        prop_assert!(tracker.begin(last));
                        oracle.events.insert(last, false);
                    }
                    Step::Again { which } if last >= 0 => {
                        prop_assert!(!tracker.begin(which as i64 % (last + 1)));
                    }
                    Step::Finish { which } if !oracle.events.is_empty() => {
                        let offset = *oracle.events.keys().nth(which % oracle.events.len()).unwrap();
                        let open = !oracle.events[&offset];
                        prop_assert_eq!(tracker.finish(offset, offset).is_ok(), open);
                        oracle.events.insert(offset, true);
                    }
                    Step::Take => {
                        let expected = oracle.prefix();
                        let next = expected.last().map(|last| last + 1);
                        let prefix = tracker.take_prefix();
                        prop_assert_eq!(prefix.as_ref().map(|prefix| prefix.next), next);
                        prop_assert_eq!(prefix.map_or(Vec::new(), |prefix| prefix.outcomes), expected);
                        oracle.taken = next.unwrap_or(oracle.taken);
                    }
                    Step::Again { .. } | Step::Finish { .. } => {}
                }
                let held = oracle.events.range(oracle.taken..);
                prop_assert_eq!(tracker.held(), held.clone().count());
                prop_assert_eq!(tracker.open(), held.filter(|(_, ended)| !**ended).count());
            }
        }
    }

    #[test]
    fn without_a_start_the_first_offset_is_the_start() {
        let mut tracker = Tracker::new(None);
        assert!(tracker.begin(40));
        assert!(!tracker.begin(40) && !tracker.begin(7));
        assert_eq!(tracker.finish(40, 'a'), Ok(()));
        assert_eq!(tracker.finish(40, 'b'), Err('b'));
        assert_eq!(tracker.finish(41, 'c'), Err('c'));
        assert_eq!(tracker.take_prefix(), Some(Prefix { outcomes: vec!['a'], next: 41 }));
        assert_eq!(tracker.take_prefix(), None);
    }
}
