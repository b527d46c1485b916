//! How the words of real descriptions are read, against an independent reading of them.

use std::fmt;
use std::path::Path;

use bolus_ct::{body_parts_of_words, declare, evidence_of_words};
use bolus_study::Declared;

/// A description of the table, with the reading.
pub struct Row {
    pub study: String,
    pub series: String,
    /// Series that have it.
    pub weight: u64,
    pub declared: Declared,
    /// Body parts joined by `+`; empty where the words name none.
    pub parts: String,
}

/// A description that the reading takes wrong, and the right verdict; `*` stands for every text.
pub struct Exception {
    pub study: String,
    pub series: String,
    pub verdict: Declared,
}

impl Exception {
    pub fn is_for(&self, row: &Row) -> bool {
        let same = |pattern: &str, text: &str| pattern == "*" || pattern == text;
        same(&self.study, &row.study) && same(&self.series, &row.series)
    }
}

fn verdict_of(text: &str) -> Declared {
    match text {
        "yes" => Declared::Yes,
        "no" => Declared::No,
        "absent" => Declared::Absent,
        other => panic!("{other} is no verdict"),
    }
}

/// The rows of `descriptions.csv`.
pub fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let headers = reader.headers().expect("a head line").clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap_or_else(|| panic!("no {name}"));
    let [study, series, weight, declared, parts] =
        ["StudyDescription", "SeriesDescription", "n_series", "declared", "parts_in_words"].map(column);
    let row = |record: csv::StringRecord| Row {
        study: record[study].to_owned(),
        series: record[series].to_owned(),
        weight: record[weight].parse().expect("a count of series"),
        declared: verdict_of(&record[declared]),
        parts: record[parts].to_owned(),
    };
    reader.records().map(|record| row(record.expect("a row"))).collect()
}

/// The exceptions, which are listed beside this file with their reasons.
pub fn exceptions() -> Vec<Exception> {
    let mut reader = csv::Reader::from_reader(include_str!("exceptions.csv").as_bytes());
    let exception = |record: csv::StringRecord| {
        assert!(!record[3].is_empty(), "an exception has its reason: {record:?}");
        Exception { study: record[0].to_owned(), series: record[1].to_owned(), verdict: verdict_of(&record[2]) }
    };
    reader.records().map(|record| exception(record.expect("a row"))).collect()
}

/// What the two descriptions of a series declare together.
pub fn declared(study: &str, series: &str) -> Declared {
    let texts = [("StudyDescription", study), ("SeriesDescription", series)];
    declare(texts.into_iter().filter_map(|(attribute, text)| evidence_of_words(attribute, text))).verdict
}

/// The body parts that the two descriptions name together, joined by `+`.
pub fn parts(study: &str, series: &str) -> String {
    let parts = body_parts_of_words(&format!("{study}\n{series}"));
    parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join("+")
}

/// Counts of series, save `opposite`, which counts rows.
#[derive(Default)]
pub struct Score {
    hits: [u64; 2],
    stated: [u64; 2],
    read: [u64; 2],
    opposite: u64,
    exact: u64,
    with_parts: u64,
}

impl Score {
    pub fn of<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Self {
        let mut score = Self::default();
        for row in rows {
            let verdict = declared(&row.study, &row.series);
            for (place, wanted) in [Declared::Yes, Declared::No].into_iter().enumerate() {
                let (stated, read) = (row.declared == wanted, verdict == wanted);
                score.stated[place] += row.weight * u64::from(stated);
                score.read[place] += row.weight * u64::from(read);
                score.hits[place] += row.weight * u64::from(stated && read);
            }
            let pair = (row.declared, verdict);
            score.opposite += u64::from(matches!(pair, (Declared::Yes, Declared::No) | (Declared::No, Declared::Yes)));
            if !row.parts.is_empty() {
                score.with_parts += row.weight;
                score.exact += row.weight * u64::from(parts(&row.study, &row.series) == row.parts);
            }
        }
        score
    }

    /// Of the series stated to be with contrast (0) or without (1), the share that is read so.
    pub fn recall(&self, place: usize) -> f64 {
        ratio(self.hits[place], self.stated[place])
    }

    /// Of the series read to be with contrast (0) or without (1), the share that is stated so.
    pub fn precision(&self, place: usize) -> f64 {
        ratio(self.hits[place], self.read[place])
    }

    /// Rows read as the opposite of what they say.
    pub fn opposite(&self) -> u64 {
        self.opposite
    }

    /// Of the series whose words name a body part, the share where all are read and no other.
    pub fn body_exact(&self) -> f64 {
        ratio(self.exact, self.with_parts)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "recall_yes={:.4} recall_no={:.4} precision_yes={:.4} precision_no={:.4} opposite={} body_exact={:.4}",
            self.recall(0),
            self.recall(1),
            self.precision(0),
            self.precision(1),
            self.opposite,
            self.body_exact()
        )
    }
}
