//! The event time up to which the first stage has read everything.

use std::collections::HashMap;

use crate::wire::Progress;

/// What one partition of the internal topic has heard of the first stage.
///
/// The watermark is the least advanced of all partitions of the object topics: while one lags, or has not been heard of,
/// it holds. It follows what was heard last, also backwards: where a store's clock jumped forwards by mistake, the next
/// record puts it right.
#[derive(Debug, Default)]
pub(super) struct Watermark {
    expected: usize,
    sources: HashMap<(String, i32), Source>,
    serial: u64,
}

#[derive(Debug)]
struct Source {
    at: i64,
    heard: u64,
}

impl Watermark {
    /// Takes note of what one process of the first stage tells.
    pub(super) fn hear(&mut self, progress: Progress) {
        self.serial += 1;
        self.expected = progress.of;
        for (topic, partition, at) in progress.at {
            self.sources.insert((topic, partition), Source { at, heard: self.serial });
        }
        // More than there are: a topic was taken out of the configuration. What is still read is heard of again and again.
        while self.sources.len() > self.expected {
            let silent = self.sources.iter().min_by_key(|(_, source)| source.heard).map(|(name, _)| name.clone());
            let Some(silent) = silent else { break };
            self.sources.remove(&silent);
        }
    }

    /// The watermark in milliseconds since 1970; `None` while a partition has not been heard of.
    pub(super) fn at(&self) -> Option<i64> {
        if self.expected == 0 || self.sources.len() < self.expected {
            return None;
        }
        self.sources.values().map(|source| source.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(of: usize, at: &[(i32, i64)]) -> Progress {
        Progress { of, at: at.iter().map(|&(partition, at)| ("objects".to_owned(), partition, at)).collect() }
    }

    #[test]
    fn the_slowest_decides_and_the_unheard_of_holds() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.at(), None);
        watermark.hear(progress(3, &[(0, 50), (1, 20)]));
        assert_eq!(watermark.at(), None);
        watermark.hear(progress(3, &[(2, 60)]));
        assert_eq!(watermark.at(), Some(20));
        watermark.hear(progress(3, &[(1, 90)]));
        assert_eq!(watermark.at(), Some(50));
    }

    #[test]
    fn a_wrong_time_is_put_right_by_the_next() {
        let mut watermark = Watermark::default();
        watermark.hear(progress(1, &[(0, 1_000_000)]));
        watermark.hear(progress(1, &[(0, 70)]));
        assert_eq!(watermark.at(), Some(70));
    }

    #[test]
    fn a_topic_that_is_gone_holds_nothing() {
        let mut watermark = Watermark::default();
        watermark.hear(progress(2, &[(0, 5), (1, 6)]));
        watermark.hear(progress(1, &[(1, 9)]));
        assert_eq!(watermark.at(), Some(9));
    }
}
