//! From rows of text to a [`LabelledSet`].

use std::collections::BTreeMap;

use bolus_study::SeriesUid;

use super::error::{TruthError, TruthProblem};
use super::set::{LabelledSeries, LabelledSet, TruthKey};

/// What the column `contrast` may say.
const CONTRAST: &str =
    "1/0, yes/no, true/false, enhanced/native or with/without; nothing or unknown where it is not known";
/// What UTF-8 files of some programs begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl LabelledSet {
    /// Reads a CSV file with a header; `name` is what errors call it.
    ///
    /// # Errors
    /// [`TruthError`] names the first line and column that is not as it should be, and what would be right.
    pub fn from_csv(name: &str, bytes: &[u8]) -> Result<Self, TruthError> {
        read_csv(bytes).map_err(|problem| problem.of(name))
    }

    /// Takes the rows of a table as text, such as those of a Parquet file; `name` is what errors call it, and rows count from 1.
    ///
    /// # Errors
    /// As [`LabelledSet::from_csv`].
    pub fn from_table(name: &str, columns: &[String], rows: &[Vec<String>]) -> Result<Self, TruthError> {
        read_table(columns, rows).map_err(|problem| problem.of(name))
    }
}

/// Where the columns are that mean something.
struct Columns {
    series_uid: usize,
    contrast: usize,
    stack: Option<usize>,
    patient: Option<usize>,
    body_part: Option<usize>,
    split: Option<usize>,
    site: Option<usize>,
}

impl Columns {
    fn find<'a>(header: impl Iterator<Item = &'a str> + Clone) -> Result<Self, TruthProblem> {
        let named = |column: &'static str| {
            let same = |name: &str| name.trim().eq_ignore_ascii_case(column);
            let mut places = header.clone().enumerate().filter(|(_, name)| same(name)).map(|(place, _)| place);
            let place = places.next();
            if places.next().is_some() { Err(TruthProblem::TwoColumns { column }) } else { Ok(place) }
        };
        let required = |column| {
            let found = || header.clone().collect::<Vec<_>>().join(", ");
            named(column)?.ok_or_else(|| TruthProblem::NoColumn { column, found: found() })
        };
        Ok(Self {
            series_uid: required("series_uid")?,
            contrast: required("contrast")?,
            stack: named("stack")?,
            patient: named("patient")?,
            body_part: named("body_part")?,
            split: named("split")?,
            site: named("site")?,
        })
    }
}

/// Collects rows and remembers the line of each series, to name both where two contradict.
struct Reader {
    columns: Columns,
    set: LabelledSet,
    lines: BTreeMap<TruthKey, u64>,
    rows: usize,
}

impl Reader {
    fn new(columns: Columns) -> Self {
        Self { columns, set: LabelledSet::default(), lines: BTreeMap::new(), rows: 0 }
    }

    fn add<'a>(&mut self, line: u64, field: impl Fn(usize) -> Option<&'a str>) -> Result<(), TruthProblem> {
        self.rows += 1;
        let text = |place: Option<usize>| place.and_then(&field).map(str::trim).filter(|text| !text.is_empty());
        let wrong = |column, found: Option<&str>, expected| {
            let found = found.unwrap_or_default().to_owned();
            TruthProblem::Field { line, column, found, expected }
        };
        let uid = text(Some(self.columns.series_uid));
        // As the data itself is read: UIDs with letters are some archives' own.
        let series = uid
            .and_then(|uid| SeriesUid::try_from(uid.to_owned()).ok())
            .ok_or_else(|| wrong("series_uid", uid, "a Series Instance UID: at most 64 digits and dots"))?;
        let said = text(Some(self.columns.contrast));
        let Some(contrast) = contrast(said).ok_or_else(|| wrong("contrast", said, CONTRAST))? else {
            self.set.pass_over();
            return Ok(());
        };
        let split = text(self.columns.split)
            .map(|name| name.parse().map_err(|_| wrong("split", Some(name), "train, validation or test, or nothing")));
        let stack = text(self.columns.stack)
            .map(|number| whole(number).ok_or_else(|| wrong("stack", Some(number), "a stack's number, or nothing")));
        let labelled = LabelledSeries {
            series: series.clone(),
            stack: stack.transpose()?,
            contrast,
            patient: text(self.columns.patient).map(str::to_owned),
            body_part: text(self.columns.body_part).map(str::to_lowercase),
            split: split.transpose()?,
            site: text(self.columns.site).map(str::to_owned),
        };
        let earlier = *self.lines.entry(labelled.key()).or_insert(line);
        let contradiction = |column| TruthProblem::Contradiction { line, column, series: series.to_string(), earlier };
        self.set.add(labelled).map_err(contradiction)
    }

    fn finish(self) -> Result<LabelledSet, TruthProblem> {
        match (self.rows, self.set.is_empty()) {
            (0, _) => Err(TruthProblem::Empty),
            (rows, true) => Err(TruthProblem::NothingKnown { rows }),
            _ => Ok(self.set),
        }
    }
}

/// A stack's number, from 1. Tables write whole numbers in columns with gaps as 1.0.
fn whole(text: &str) -> Option<u32> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok().filter(|number| *number > 0)
}

/// What a field of the column `contrast` says: `None` where it is not understood, `Some(None)` where it is not known.
fn contrast(said: Option<&str>) -> Option<Option<bool>> {
    let Some(said) = said else { return Some(None) };
    match said.to_lowercase().as_str() {
        // Tables write whole numbers in columns with gaps as 1.0 and 0.0.
        "1" | "1.0" | "yes" | "true" | "enhanced" | "with" => Some(Some(true)),
        "0" | "0.0" | "no" | "false" | "native" | "without" => Some(Some(false)),
        "unknown" => Some(None),
        _ => None,
    }
}

/// Reads CSV (RFC 4180) with a header.
fn read_csv(bytes: &[u8]) -> Result<LabelledSet, TruthProblem> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut rows = csv::ReaderBuilder::new().from_reader(bytes);
    let header = rows.headers().map_err(|error| line_problem(&error))?.clone();
    if header.is_empty() {
        return Err(TruthProblem::Empty);
    }
    let mut reader = Reader::new(Columns::find(header.iter())?);
    for row in rows.records() {
        let row = row.map_err(|error| line_problem(&error))?;
        let line = row.position().map_or(0, csv::Position::line);
        reader.add(line, |place| row.get(place))?;
    }
    reader.finish()
}

/// A line that is no CSV, in words.
fn line_problem(error: &csv::Error) -> TruthProblem {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields, the header has {expected_len}: expected as many as in the header")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8 text: save the file as CSV in UTF-8".to_owned(),
        other => format!("it cannot be read as CSV: {other:?}"),
    };
    TruthProblem::Line { line, what }
}

/// Takes rows of text.
fn read_table(columns: &[String], rows: &[Vec<String>]) -> Result<LabelledSet, TruthProblem> {
    if columns.is_empty() {
        return Err(TruthProblem::Empty);
    }
    let mut reader = Reader::new(Columns::find(columns.iter().map(String::as_str))?);
    for (row, line) in rows.iter().zip(1..) {
        reader.add(line, |place| row.get(place).map(String::as_str))?;
    }
    reader.finish()
}
