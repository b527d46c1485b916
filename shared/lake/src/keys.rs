//! The keys that are in the lake, as far as they are known.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use bolus_study::RowKey;

/// Hexadecimal digits of a key that is a sha256.
pub(crate) const KEY_DIGITS: usize = 64;

/// New keys that are kept apart before they are sorted in: at least this many, and an eighth of all.
const FRESH_KEYS: usize = 65_536;

/// The first half of a key: 128 bits of a sha256, so that two keys of a lake never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    pub fn of(key: &RowKey) -> Self {
        Self::of_text(key.as_str())
    }

    pub fn of_text(key: &str) -> Self {
        let digits = (key.len() == KEY_DIGITS).then(|| key.get(..KEY_DIGITS / 2)).flatten();
        let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        // A key of another form is not of this program's making.
        Self(number.unwrap_or_else(|| u128::from(hash(0, key)) << 64 | u128::from(hash(1, key))))
    }
}

fn hash(seed: u8, key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, key).hash(&mut hasher);
    hasher.finish()
}

/// The keys of the lake's rows, 16 bytes each.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    sorted: Vec<Fingerprint>,
    fresh: HashSet<Fingerprint>,
    complete: bool,
    /// Counts how often everything was forgotten.
    generation: u64,
}

impl KeyIndex {
    /// Whether every key of the lake is here. Before that only those of the entries taken in are.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether `key` is in the lake; none where that is not known.
    pub fn holds(&self, key: &RowKey) -> Option<bool> {
        let key = Fingerprint::of(key);
        self.complete.then(|| self.fresh.contains(&key) || self.sorted.binary_search(&key).is_ok())
    }

    pub fn extend(&mut self, keys: impl Iterator<Item = Fingerprint>) {
        self.fresh.extend(keys);
        if self.fresh.len() > FRESH_KEYS.max(self.sorted.len() / 8) {
            self.sorted.extend(self.fresh.drain());
            // Stable, for the sake of its speed on what is sorted for the most part.
            self.sorted.sort();
            self.sorted.dedup();
        }
    }

    /// How often everything was forgotten.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes in every key of the lake, as they were read in `generation`; nothing, where all was forgotten since.
    pub fn complete(&mut self, generation: u64, keys: impl Iterator<Item = Fingerprint>) {
        if self.generation == generation {
            self.extend(keys);
            self.complete = true;
        }
    }

    pub fn forget_all(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_what_was_put_in_before_and_after_it_was_sorted() {
        let keys: Vec<RowKey> =
            (0..200_000_u128).map(|n| RowKey::from_stored(&format!("{:032x}{n:032x}", n * 7919))).collect();
        let mut index = KeyIndex::default();
        index.extend(keys.iter().step_by(2).map(Fingerprint::of));
        assert_eq!(index.holds(&keys[0]), None);
        index.complete = true;
        assert!(index.sorted.len() > FRESH_KEYS);
        index.extend(std::iter::once(Fingerprint::of(&keys[1])));
        assert_eq!(index.fresh.len(), 1);
        assert!([0, 1, 2, 199_998].iter().all(|place| index.holds(&keys[*place]) == Some(true)));
        assert!([3, 199_999].iter().all(|place| index.holds(&keys[*place]) == Some(false)));
        assert_ne!(Fingerprint::of_text("k1"), Fingerprint::of_text("k2"));
        index.forget_all();
        assert_eq!(index.holds(&keys[0]), None);
    }
}
