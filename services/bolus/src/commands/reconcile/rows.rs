//! The rows of the lake in the order of the bucket's keys, given out to studies.

use std::collections::{BTreeMap, VecDeque};

use bolus_lake::{Lake, QueryResult};
use bolus_storage::Location;

/// One row, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// Where its data lie: a folder, or an object, with a slash at its end, without the bucket.
    place: String,
    /// What the row is about; a newer row about the same replaces it.
    who: String,
    failed: bool,
    /// Whether it is about an event as a whole.
    of_event: bool,
    files: u64,
    created_us: i64,
}

/// What the rows of one study say, the newest of each series or file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    newest: BTreeMap<String, Row>,
    /// Number of rows, replaced ones included.
    pub rows: u64,
    /// When the newest row was made, microseconds since 1970.
    pub newest_us: Option<i64>,
}

impl Account {
    fn add(&mut self, row: Row) {
        self.rows += 1;
        self.newest_us = self.newest_us.max(Some(row.created_us));
        match self.newest.get_mut(&row.who) {
            Some(known) if known.created_us >= row.created_us => {}
            Some(known) => *known = row,
            None => drop(self.newest.insert(row.who.clone(), row)),
        }
    }

    /// Whether something failed and nothing came of it since. An event that failed as a whole counts until anything newer came.
    pub fn failed(&self) -> bool {
        let counts = |row: &&Row| !row.of_event || Some(row.created_us) >= self.newest_us;
        self.newest.values().filter(counts).any(|row| row.failed)
    }

    /// Files that the newest rows stand for.
    pub fn files(&self) -> u64 {
        self.newest.values().map(|row| row.files).sum()
    }

    /// Whether the last that was said is that the study holds no image at all.
    pub fn of_no_images(&self) -> bool {
        self.newest.values().any(|row| row.of_event && !row.failed && Some(row.created_us) >= self.newest_us)
    }
}

/// The rows below a location, sorted by place.
pub struct RowFeed {
    result: QueryResult,
    root: String,
    ready: VecDeque<Row>,
    ended: bool,
    /// Rows that lie before the last study taken and belonged to none so far.
    unclaimed: BTreeMap<String, Vec<Row>>,
    gone: u64,
}

impl RowFeed {
    /// Asks the lake. `root` is the bucket's URI with a slash at its end.
    pub async fn start(lake: &Lake, root: &str, location: &Location, bundle: Option<&str>) -> anyhow::Result<Self> {
        let text = |value: &str| value.replace('\'', "''");
        let bundle = bundle.map(|name| format!(" AND bundle_name = '{}'", text(name))).unwrap_or_default();
        let at = text(location.uri().trim_end_matches('/'));
        // A series of several stacks has one row a stack: its size and spacing tell them apart, content would also tell a
        // series from itself with late slices.
        let query = format!(
            r"SELECT rtrim(regexp_replace(source_uri, '(?i)(\.(?:zip|tar|tar\.gz|tgz))!/.*$', '\1'), '/') || '/' AS place,
                     concat_ws('|', coalesce(series_instance_uid, source_uri), CAST(rows AS VARCHAR),
                               CAST(columns AS VARCHAR), CAST(pixel_spacing_x_mm AS VARCHAR)) AS who,
                     status = 'failed' AS failed, series_instance_uid IS NULL AND files = 0 AS of_event, files,
                     CAST(created_at AS BIGINT) AS created_us
              FROM labels
              WHERE (source_uri = '{at}' OR starts_with(source_uri, '{at}/') OR starts_with(source_uri, '{at}!/')){bundle}
              ORDER BY place",
        );
        let result = lake.sql(&query).await?;
        let (ready, unclaimed) = (VecDeque::new(), BTreeMap::new());
        Ok(Self { result, root: root.to_owned(), ready, ended: false, unclaimed, gone: 0 })
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

    async fn peek(&mut self) -> anyhow::Result<Option<&Row>> {
        while self.ready.is_empty() && !self.ended {
            match self.result.next_rows().await? {
                Some(rows) => self.ready.extend(rows.into_iter().filter_map(|row| read(&self.root, row))),
                None => self.ended = true,
            }
        }
        Ok(self.ready.front())
    }
}

/// A row of the query's answer.
fn read(root: &str, row: Vec<String>) -> Option<Row> {
    let [place, who, failed, of_event, files, created_us] = <[String; 6]>::try_from(row).ok()?;
    Some(Row {
        place: place.strip_prefix(root)?.to_owned(),
        who,
        failed: failed == "true",
        of_event: of_event == "true",
        files: files.parse().ok()?,
        created_us: created_us.parse().ok()?,
    })
}
