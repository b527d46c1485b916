//! The rows of the lake in the order of the bucket's keys, given out to studies.

use std::collections::{BTreeMap, VecDeque};

use anyhow::Context;
use bolus_lake::{Lake, PlacedRow, RowFilter, Rows};
use bolus_storage::Location;
use bolus_study::Status;

/// What the rows of one study say, the newest of each series or file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    newest: BTreeMap<String, PlacedRow>,
    /// Number of rows, replaced ones included.
    pub rows: u64,
    /// When the newest row was made, microseconds since 1970.
    pub newest_us: Option<i64>,
}

impl Account {
    fn add(&mut self, row: PlacedRow) {
        self.rows += 1;
        self.newest_us = self.newest_us.max(Some(row.created_at_us));
        match self.newest.get_mut(&row.about) {
            Some(known) if known.created_at_us >= row.created_at_us => {}
            Some(known) => *known = row,
            None => drop(self.newest.insert(row.about.clone(), row)),
        }
    }

    /// Whether something failed and nothing came of it since. An event that failed as a whole counts until anything newer came.
    pub fn failed(&self) -> bool {
        let counts = |row: &&PlacedRow| !row.of_event || Some(row.created_at_us) >= self.newest_us;
        self.newest.values().filter(counts).any(|row| row.status == Status::Failed)
    }

    /// Files that the newest rows stand for.
    pub fn files(&self) -> u64 {
        self.newest.values().map(|row| row.files).sum()
    }

    /// Whether the last that was said is that the study holds no image at all.
    pub fn of_no_images(&self) -> bool {
        self.newest
            .values()
            .any(|row| row.of_event && row.status != Status::Failed && Some(row.created_at_us) >= self.newest_us)
    }
}

/// The rows below a location, sorted by place.
pub struct RowFeed {
    rows: Rows<PlacedRow>,
    root: String,
    ready: VecDeque<PlacedRow>,
    ended: bool,
    /// Rows that lie before the last study taken and belonged to none so far.
    unclaimed: BTreeMap<String, Vec<PlacedRow>>,
    gone: u64,
}

impl RowFeed {
    /// Asks the lake. `root` is the bucket's URI with a slash at its end.
    pub async fn start(lake: &Lake, root: &str, location: &Location, bundle: Option<&str>) -> anyhow::Result<Self> {
        let filter = RowFilter {
            bundles: bundle.map(str::to_owned).into_iter().collect(),
            at: Some(location.uri()),
            ..RowFilter::default()
        };
        let rows = lake.by_place(&filter).await?;
        let (ready, unclaimed) = (VecDeque::new(), BTreeMap::new());
        Ok(Self { rows, root: root.to_owned(), ready, ended: false, unclaimed, gone: 0 })
    }

    /// The rows of the study at `place`. Studies come in the order in which they close in a sorted listing.
    pub async fn take(&mut self, place: &str) -> anyhow::Result<Account> {
        while let Some(row) = self.peek().await? {
            if row.place.as_str() > place && !row.place.starts_with(place) {
                break;
            }
            if let Some(row) = self.ready.pop_front() {
                self.unclaimed.entry(row.place.clone()).or_default().push(row);
            }
        }
        let mine: Vec<String> = self
            .unclaimed
            .range(place.to_owned()..)
            .map(|(at, _)| at)
            .take_while(|at| at.starts_with(place))
            .cloned()
            .collect();
        let mut account = Account::default();
        mine.iter().filter_map(|at| self.unclaimed.remove(at)).flatten().for_each(|row| account.add(row));
        self.forget_before(place);
        Ok(account)
    }

    /// The number of rows that no study took.
    pub async fn rest(&mut self) -> anyhow::Result<u64> {
        let mut rows = self.gone + self.unclaimed.values().map(|rows| rows.len() as u64).sum::<u64>();
        while self.peek().await?.is_some() {
            rows += self.ready.len() as u64;
            self.ready.clear();
        }
        Ok(rows)
    }

    /// Counts rows that no later study can take: a study that closes later lies behind `place`, or above it and so in the same
    /// top folder.
    fn forget_before(&mut self, place: &str) {
        let top = place.split_inclusive('/').next().unwrap_or_default();
        let kept = self.unclaimed.split_off(top);
        let gone = std::mem::replace(&mut self.unclaimed, kept);
        self.gone += gone.values().map(|rows| rows.len() as u64).sum::<u64>();
    }

    async fn peek(&mut self) -> anyhow::Result<Option<&PlacedRow>> {
        while self.ready.is_empty() && !self.ended {
            match self.rows.next_rows().await? {
                Some(rows) => {
                    let rows = rows.into_iter().map(|row| in_bucket(row, &self.root));
                    self.ready = rows.collect::<anyhow::Result<_>>()?;
                }
                None => self.ended = true,
            }
        }
        Ok(self.ready.front())
    }
}

/// A row with its place as a key of the bucket at `root`.
fn in_bucket(row: PlacedRow, root: &str) -> anyhow::Result<PlacedRow> {
    let place = row.place.strip_prefix(root).map(str::to_owned);
    let place = place
        .with_context(|| format!("the row {} of the lake lies at {}, not in {root}", row.key.as_str(), row.place))?;
    Ok(PlacedRow { place, ..row })
}
