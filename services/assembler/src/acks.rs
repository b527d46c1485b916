//! How far the first stage is in one partition of an object topic.

use std::collections::VecDeque;

/// How old the broker's word on a partition's end may be when it reaches us, in milliseconds: it comes with each answer to
/// a fetch, which takes half a second where there is nothing new, and is looked at once a second.
const END_AGE_MS: i64 = 2_000;

/// Records that are taken and not done with, in order. Records are done in any order; only the unbroken prefix counts.
#[derive(Debug, Default)]
pub struct Acks {
    pending: VecDeque<Pending>,
    next: Option<i64>,
    latest: Option<Latest>,
}

#[derive(Debug)]
struct Pending {
    offset: i64,
    latest: Option<Latest>,
    done: bool,
}

/// The event time of a record, and when it was taken by the monotone clock.
#[derive(Debug, Clone, Copy)]
struct Latest {
    event_ms: i64,
    taken_ms: u64,
}

impl Acks {
    /// A record was taken, the next in order, that was written at `event_ms` if that is known.
    pub fn take(&mut self, offset: i64, event_ms: Option<i64>, now_ms: u64) {
        let latest = event_ms.map(|event_ms| Latest { event_ms, taken_ms: now_ms });
        self.pending.push_back(Pending { offset, latest, done: false });
    }

    /// All that a record led to has been acknowledged.
    pub fn done(&mut self, offset: i64) {
        let Ok(index) = self.pending.binary_search_by_key(&offset, |pending| pending.offset) else { return };
        if let Some(pending) = self.pending.get_mut(index) {
            pending.done = true;
        }
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.done) {
            self.next = Some(pending.offset + 1);
            self.latest = pending.latest.or(self.latest);
        }
    }

    /// The offset that may be committed; `None` before the first record is done with.
    #[must_use]
    pub fn committable(&self) -> Option<i64> {
        self.next
    }

    /// Whether nothing is taken that is not done with.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// What time it is by the clock of the records: that of the latest one, and since then our monotone clock. A record that
    /// was written long before it was taken makes it late, never early.
    #[must_use]
    pub fn event_clock_ms(&self, now_ms: u64) -> Option<i64> {
        let latest = self.latest?;
        let since_ms = i64::try_from(now_ms.saturating_sub(latest.taken_ms)).unwrap_or(i64::MAX);
        Some(latest.event_ms.saturating_add(since_ms))
    }

    /// The event time (when records were written) up to which all is done, in milliseconds since 1970.
    ///
    /// That of the latest record, not the greatest, so that a record with a wrong time does harm only until the next. Where
    /// the partition has been read to its end (`at_end`) and nothing is in flight, it is the present, `clock_ms`. A partition
    /// that lags and has not told the time holds everything ([`i64::MIN`]).
    #[must_use]
    pub fn progress(&self, at_end: bool, clock_ms: i64) -> i64 {
        if at_end && self.is_idle() {
            return clock_ms.saturating_sub(END_AGE_MS);
        }
        self.latest.map_or(i64::MIN, |latest| latest.event_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a naive oracle: in whatever order records are done, all below the committed offset is done, and it is the
        /// greatest such offset.
        #[test]
        fn only_the_unbroken_prefix_counts(gaps in prop::collection::vec(1i64..4, 1..40), order in any::<u64>(), done in 0usize..40) {
            let offsets: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut shuffled = offsets.clone();
            shuffled.sort_by_key(|offset| offset.unsigned_abs().wrapping_mul(order | 1).rotate_left(17));
            let mut acks = Acks::default();
            for (index, offset) in offsets.iter().enumerate() {
                acks.take(*offset, Some(offset * 10), index as u64);
            }
            let finished: Vec<i64> = shuffled.into_iter().take(done).collect();
            for offset in &finished {
                acks.done(*offset);
            }
            let prefix = offsets.iter().take_while(|offset| finished.contains(offset)).last();
            prop_assert_eq!(acks.committable(), prefix.map(|last| last + 1));
            prop_assert_eq!(acks.progress(false, 1_000_000), prefix.map_or(i64::MIN, |last| last * 10));
            prop_assert_eq!(acks.is_idle(), finished.len() == offsets.len());
        }
    }

    #[test]
    fn a_partition_at_its_end_is_as_far_as_the_clock() {
        let mut acks = Acks::default();
        assert_eq!((acks.progress(true, 9_000), acks.progress(false, 9_000)), (7_000, i64::MIN));
        acks.take(7, Some(4_000), 1_000);
        assert_eq!(acks.progress(true, 9_000), i64::MIN, "in flight");
        acks.done(7);
        assert_eq!((acks.progress(true, 9_000), acks.progress(false, 9_000)), (7_000, 4_000));
        assert_eq!((acks.event_clock_ms(61_000), acks.event_clock_ms(500)), (Some(64_000), Some(4_000)));
    }
}
