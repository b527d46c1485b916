//! From a listing to series: when a series has all its files. No IO: names and numbers in, closed series out.
//!
//! Files come folder by folder: between two files of one folder there are only files at or below it. No listing says that a
//! series is complete, so a series **closes** when
//!
//! 1. the listing has left the folder of each of its files, and
//! 2. [`Cutter::new`]'s `window` of files has gone by without one of its study, or
//! 3. the listing ends.
//!
//! The first keeps a folder together in which many series are mixed, the second a study that lies in several folders side by
//! side. What neither sees is a study that goes on far away in the listing. Its series **come back**: they are open again, with
//! all their files, and close with the end of the listing alone, so that each comes back once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::inventory::is_inside;

/// What tells series, and studies, apart: a digest, since there may be many.
pub(crate) type Id = u128;

/// The open series of a listing. Memory grows with them, and with nothing else.
#[derive(Debug)]
pub(crate) struct Cutter {
    window: u64,
    /// Files so far.
    position: u64,
    next_sweep: u64,
    /// The folder of the newest file.
    folder: Arc<str>,
    open: HashMap<Id, Open>,
    studies: HashMap<Id, Study>,
}

#[derive(Debug)]
struct Open {
    first: u64,
    study: Id,
    /// The outermost folder of its files that the listing is still in.
    folder: Option<Arc<str>>,
    came_back: bool,
}

/// A study that has open series.
#[derive(Debug, Default)]
struct Study {
    last: u64,
    open: usize,
}

/// A series whose files are all known, as far as the listing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    /// The series.
    pub id: Id,
    /// Whether it was closed before, with fewer files.
    pub came_back: bool,
}

impl Cutter {
    /// Without series. A `window` of `u64::MAX` closes nothing before the end.
    pub fn new(window: u64) -> Self {
        let (open, studies) = (HashMap::new(), HashMap::new());
        Self { window, position: 0, next_sweep: 0, folder: Arc::from(""), open, studies }
    }

    /// Whether more files of the series are waited for.
    pub fn is_open(&self, id: Id) -> bool {
        self.open.contains_key(&id)
    }

    /// Takes a file in `folder` that belongs to no series; gives the series that close before it.
    pub fn pass(&mut self, folder: &str) -> Vec<Closed> {
        self.position += 1;
        self.enter(folder);
        if self.position < self.next_sweep {
            return Vec::new();
        }
        self.sweep()
    }

    /// Takes a file of the series `id`, of `study`, in `folder`; gives the series that close before it, never this one.
    /// `came_back` says of a series that is not open that it has been closed before.
    pub fn add(&mut self, id: Id, study: Id, folder: &str, came_back: bool) -> Vec<Closed> {
        let position = self.position + 1;
        self.enter(folder);
        let study = match self.open.get_mut(&id) {
            Some(open) => {
                if !open.folder.as_deref().is_some_and(|outer| is_inside(folder, outer)) {
                    open.folder = Some(Arc::clone(&self.folder));
                }
                open.study
            }
            None => {
                self.studies.entry(study).or_default().open += 1;
                self.open
                    .insert(id, Open { first: position, study, folder: Some(Arc::clone(&self.folder)), came_back });
                study
            }
        };
        if let Some(study) = self.studies.get_mut(&study) {
            study.last = position;
        }
        self.pass(folder)
    }

    /// Keeps the name of the folder once for all series that it holds.
    fn enter(&mut self, folder: &str) {
        if *self.folder != *folder {
            self.folder = Arc::from(folder);
        }
    }

    /// Ends the listing: the series that are open, those that came back last.
    pub fn finish(self) -> Vec<Closed> {
        let mut open: Vec<(bool, u64, Id)> =
            self.open.into_iter().map(|(id, open)| (open.came_back, open.first, id)).collect();
        open.sort_unstable();
        open.into_iter().map(|(came_back, _, id)| Closed { id, came_back }).collect()
    }

    /// Looks at all open series, which costs a step for each: so not at every file.
    fn sweep(&mut self) -> Vec<Closed> {
        let (position, window, studies, here) = (self.position, self.window, &self.studies, &self.folder);
        let mut closed: Vec<(u64, Id)> = Vec::new();
        for (id, open) in &mut self.open {
            if open.folder.as_deref().is_some_and(|outer| !is_inside(here, outer)) {
                open.folder = None;
            }
            let last = studies.get(&open.study).map_or(0, |study| study.last);
            if !open.came_back && open.folder.is_none() && position - last > window {
                closed.push((open.first, *id));
            }
        }
        closed.sort_unstable();
        for (_, id) in &closed {
            self.forget(*id);
        }
        self.next_sweep = position + (self.open.len() as u64 / 4).max(1);
        closed.into_iter().map(|(_, id)| Closed { id, came_back: false }).collect()
    }

    fn forget(&mut self, id: Id) {
        let Some(open) = self.open.remove(&id) else { return };
        if let Some(study) = self.studies.get_mut(&open.study) {
            study.open -= 1;
            if study.open == 0 {
                self.studies.remove(&open.study);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// A file of a listing: its folder and its series, where it has one. A series' study is its number by ten.
    type File = (String, Option<Id>);

    /// All series as they close, each with its files by their places in the listing.
    fn cut(files: &[File], window: u64) -> Vec<(Closed, Vec<usize>)> {
        let mut cutter = Cutter::new(window);
        let mut held: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        let mut closed: Vec<(Closed, Vec<usize>)> = Vec::new();
        for (place, (folder, series)) in files.iter().enumerate() {
            let ended = match series {
                Some(id) => {
                    let came_back = known.contains(id) && !cutter.is_open(*id);
                    held.entry(*id).or_default().push(place);
                    cutter.add(*id, id / 10, folder, came_back)
                }
                None => cutter.pass(folder),
            };
            for one in ended {
                assert_ne!(Some(one.id), *series, "the series of the newest file");
                known.insert(one.id);
                closed.push((one, held[&one.id].clone()));
            }
        }
        closed.extend(cutter.finish().into_iter().map(|one| (one, held[&one.id].clone())));
        closed
    }

    fn files(listing: &[(&str, Id)]) -> Vec<File> {
        listing.iter().map(|(folder, id)| ((*folder).to_owned(), Some(*id))).collect()
    }

    fn ids(closed: &[(Closed, Vec<usize>)]) -> Vec<(Id, bool, usize)> {
        closed.iter().map(|(closed, files)| (closed.id, closed.came_back, files.len())).collect()
    }

    #[test]
    fn a_series_closes_once_its_folder_is_left_and_others_have_come() {
        let listing = files(&[("a", 10), ("a", 20), ("a", 10), ("b", 30), ("b", 30), ("b", 30), ("c", 40)]);
        assert_eq!(ids(&cut(&listing, 2)), [(20, false, 1), (10, false, 2), (30, false, 3), (40, false, 1)]);
        let mut cutter = Cutter::new(0);
        assert_eq!(cutter.add(10, 1, "a", false), []);
        assert_eq!(cutter.add(20, 2, "b", false), [Closed { id: 10, came_back: false }]);
    }

    #[test]
    fn a_folder_stays_together_with_those_below_it_whatever_lies_there() {
        let mixed: Vec<File> = (0..100).map(|n| ("a".to_owned(), Some(10 * (n % 7 + 1)))).collect();
        assert!(ids(&cut(&mixed, 0)).iter().all(|(_, came_back, _)| !came_back));
        let below = files(&[("a", 10), ("a/b", 20), ("a/b", 20), ("a", 10), ("ab", 30)]);
        assert_eq!(ids(&cut(&below, 0)), [(20, false, 2), (10, false, 2), (30, false, 1)]);
    }

    #[test]
    fn a_study_in_several_folders_stays_together_while_others_are_few() {
        let listing = files(&[("s/1", 10), ("s/2", 11), ("s/3", 20), ("s/4", 10), ("t", 30), ("t", 30), ("t", 30)]);
        assert_eq!(ids(&cut(&listing, 2)), [(20, false, 1), (10, false, 2), (11, false, 1), (30, false, 3)]);
    }

    #[test]
    fn what_comes_back_closes_at_the_end_with_all_its_files() {
        let listing = files(&[("a", 10), ("b", 20), ("c", 30), ("d", 10), ("e", 20), ("f", 10), ("g", 40)]);
        let closed = cut(&listing, 0);
        let expected = [(10, false, 1), (20, false, 1), (30, false, 1), (40, false, 1), (10, true, 3), (20, true, 2)];
        assert_eq!(ids(&closed), expected);
    }

    /// A tree as a walk gives it: folder names of up to three levels, in an order in which each folder's files come together.
    fn trees() -> impl Strategy<Value = Vec<File>> {
        let file = (0..3_u8, 0..3_u8, 0..3_u8, prop::option::weighted(0.9, 10..40_u128));
        prop::collection::vec(file, 0..200).prop_map(|files| {
            let mut files: Vec<File> = files
                .into_iter()
                .map(|(a, b, c, series)| {
                    let parts = [a, b, c].map(|part| part.to_string());
                    (parts[..usize::from(a % 3) + 1].join("/"), series)
                })
                .collect();
            files.sort_by(|(one, _), (other, _)| one.cmp(other));
            files
        })
    }

    proptest! {
        #[test]
        fn every_file_ends_in_its_whole_series(files in trees(), window in prop::sample::select(vec![0, 1, 5, 40, u64::MAX])) {
            let closed = cut(&files, window);
            let mut whole: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
            for (place, (_, series)) in files.iter().enumerate() {
                if let Some(id) = series {
                    whole.entry(*id).or_default().push(place);
                }
            }
            let last: BTreeMap<Id, Vec<usize>> = closed.iter().map(|(closed, files)| (closed.id, files.clone())).collect();
            // The last time that a series closes, it has what grouping all at once gives it.
            prop_assert_eq!(&last, &whole);
            let mut times: BTreeMap<Id, Vec<bool>> = BTreeMap::new();
            for (closed, _) in &closed {
                times.entry(closed.id).or_default().push(closed.came_back);
            }
            for (id, times) in times {
                prop_assert!(times == [false] || times == [false, true], "{}: {:?}", id, times);
                prop_assert!(window < u64::MAX || times.len() == 1);
            }
            let ends = closed.iter().skip_while(|(closed, _)| !closed.came_back);
            prop_assert!(ends.into_iter().all(|(closed, _)| closed.came_back), "what came back is last");
        }
    }
}
