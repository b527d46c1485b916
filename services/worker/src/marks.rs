//! Which records of a partition are being worked on, as a note that outlives the worker.
//!
//! A record that kills the process (an abort, the system's out-of-memory killer, a full stack) never ends: it would be read
//! again for ever. So a record is marked before anything of it is read, and the mark is taken away when its attempt ends. A
//! process that finds another's marks knows which records were under way when that process died. These are suspects: any of
//! them, or none, killed it. A suspect runs alone, so that if the process dies again, it was this one. Whoever was only
//! beside the killer ends alone as well as in company, and is clear.
//!
//! Marks only ever decide how a record is run, and whether it is given up as a `failed` row. What has landed is decided by the
//! lake alone; marks that are lost or stale cost a repeated attempt, never a row.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The first word of a note, with the version of its form.
const FORM: &str = "bolus-begun/1";

/// Longest note: below the 4,096 bytes that a broker takes by default.
const LONGEST_NOTE: usize = 3_800;

/// In whose company an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Others may be under way in the process.
    Others,
    /// Nothing else is.
    Alone,
}

/// What a record's past says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Clear,
    /// It was under way when a process died: it runs alone.
    Suspect,
    /// So many processes have died of it.
    Killer {
        /// Processes that died while it was under way.
        deaths: u32,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Mark {
    /// Processes that died while the record was under way.
    deaths: u32,
    /// Whether one of them had nothing else under way.
    proven: bool,
    /// The attempt that is being made.
    under_way: Option<Company>,
}

/// The marks of one partition, by offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    records: BTreeMap<i64, Mark>,
}

impl Marks {
    /// Takes in a note; `process` is the name of this process. What another process had under way was under way when it died.
    ///
    /// `stands` is where the lake says that the partition stands: records below have ended. A note of another form, or of
    /// another program, says nothing.
    #[must_use]
    pub fn read(note: &str, process: &str, stands: Option<i64>) -> Self {
        Self::parse(note, process, stands.unwrap_or(0)).unwrap_or_default()
    }

    fn parse(note: &str, process: &str, stands: i64) -> Option<Self> {
        let mut words = note.split(' ');
        let (form, writer, base) = (words.next()?, words.next()?, words.next()?.parse::<i64>().ok()?);
        if form != FORM {
            return None;
        }
        let mut records = BTreeMap::new();
        for word in words {
            let (beyond, rest) = word.split_once(':')?;
            let offset = base.checked_add(beyond.parse().ok()?)?;
            let digits = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            let (deaths, flags) = rest.split_at(rest.len() - digits.len());
            let mut mark = Mark { deaths: deaths.parse().ok()?, proven: flags.contains('!'), under_way: None };
            let alone = flags.contains('a');
            if writer != process && (alone || flags.contains('o')) {
                mark.deaths = mark.deaths.saturating_add(1);
                mark.proven |= alone;
            }
            if offset >= stands && mark.deaths > 0 {
                records.insert(offset, mark);
            }
        }
        Some(Self { records })
    }

    /// The note of these marks, with offsets counted from `base`. What is under way is always told; of more suspects than a
    /// note holds, those with the fewest deaths are left out.
    #[must_use]
    pub fn note(&self, process: &str, base: i64) -> String {
        let mut text = format!("{FORM} {process} {base}");
        let mut marks: Vec<(&i64, &Mark)> = self.records.iter().collect();
        marks.sort_by_key(|(_, mark)| (mark.under_way.is_none(), std::cmp::Reverse(mark.deaths)));
        for (offset, mark) in marks {
            let mut word = format!(" {}:{}", offset - base, mark.deaths);
            word.push_str(if mark.proven { "!" } else { "" });
            word.push_str(match mark.under_way {
                Some(Company::Alone) => "a",
                Some(Company::Others) => "o",
                None => "",
            });
            if text.len() + word.len() > LONGEST_NOTE {
                break;
            }
            // Writing to a string does not fail.
            let _ = text.write_str(&word);
        }
        text
    }

    /// The lowest offset that is marked.
    #[must_use]
    pub fn lowest(&self) -> Option<i64> {
        self.records.keys().next().copied()
    }

    /// What the past of the record at `offset` says of it. A killer is one that `deaths` processes have died of, the last of them
    /// with nothing else under way: at least one death must be nobody else's.
    #[must_use]
    pub fn standing(&self, offset: i64, deaths: u32) -> Standing {
        match self.records.get(&offset) {
            Some(mark) if mark.proven && mark.deaths >= deaths => Standing::Killer { deaths: mark.deaths },
            Some(mark) if mark.deaths > 0 => Standing::Suspect,
            _ => Standing::Clear,
        }
    }

    /// Records that have to run alone.
    #[must_use]
    pub fn suspects(&self) -> usize {
        self.records.values().filter(|mark| mark.deaths > 0).count()
    }

    /// An attempt at the record begins.
    pub fn begin(&mut self, offset: i64, company: Company) {
        self.records.entry(offset).or_default().under_way = Some(company);
    }

    /// The attempt has ended, by itself or because it was let go. What its past says stays.
    pub fn pause(&mut self, offset: i64) {
        if let Some(mark) = self.records.get_mut(&offset) {
            mark.under_way = None;
            if mark.deaths == 0 {
                self.records.remove(&offset);
            }
        }
    }

    /// Everything under way has been let go.
    pub fn pause_all(&mut self) {
        for mark in self.records.values_mut() {
            mark.under_way = None;
        }
        self.records.retain(|_, mark| mark.deaths > 0);
    }

    /// The record has ended alive: its past is forgiven. (A killer's is not, until [`Marks::landed`].)
    pub fn end(&mut self, offset: i64) {
        self.records.remove(&offset);
    }

    /// The lake has everything below `next`.
    pub fn landed(&mut self, next: i64) {
        self.records = self.records.split_off(&next);
    }
}

#[cfg(test)]
#[path = "marks_tests.rs"]
mod tests;
