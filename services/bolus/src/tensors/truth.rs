//! The labelled set: which series are enhanced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The reason that a labelled set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// The file cannot be read or is no CSV.
    #[error("cannot read the labelled set {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// A column is not there.
    #[error("{}: no column {column}: the header must name series_uid and contrast", .path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// What is missing.
        column: &'static str,
    },
    /// A row cannot be used.
    #[error("{}, line {line}: {problem}", .path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// What is known of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthRow {
    /// Whether intravenous contrast was given.
    pub contrast: bool,
    /// A pseudonym of the patient.
    pub patient: Option<String>,
    /// The body part.
    pub body_part: Option<String>,
    /// train, validation or test.
    pub split: Option<String>,
    /// Where the series is from.
    pub site: Option<String>,
}

/// A labelled set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// The series of known status, by Series Instance UID.
    pub series: BTreeMap<String, TruthRow>,
    /// Rows without a status.
    pub unknown: usize,
}

impl Truth {
    /// Reads a CSV file.
    ///
    /// # Errors
    /// [`TruthError`] names the file, the line and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, TruthError> {
        let read = |source| TruthError::Read { path: path.to_owned(), source };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(read)?;
        let header = reader.headers().map_err(read)?.clone();
        let place = |name: &str| {
            header.iter().position(|column| column.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
        };
        let required = |column| place(column).ok_or(TruthError::Column { path: path.to_owned(), column });
        let (uid, contrast) = (required("series_uid")?, required("contrast")?);
        let others = ["patient", "body_part", "split", "site"].map(place);
        let mut truth = Self::default();
        for record in reader.records() {
            let record = record.map_err(read)?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |place: usize| record.get(place).filter(|text| !text.is_empty());
            let [patient, body_part, split, site] = others.map(|place| place.and_then(cell).map(str::to_owned));
            let fail = |problem| TruthError::Row { path: path.to_owned(), line, problem };
            let uid = cell(uid).ok_or_else(|| fail("the series UID is empty".to_owned()))?;
            let Some(status) = cell(contrast) else {
                truth.unknown += 1;
                continue;
            };
            let contrast = parse_contrast(status).map_err(fail)?;
            let row = TruthRow { contrast, patient, body_part, split, site };
            if truth.series.get(uid).is_some_and(|known| *known != row) {
                return Err(fail(format!("series {uid} stands in an earlier line with other values: keep one")));
            }
            truth.series.insert(uid.to_owned(), row);
        }
        Ok(truth)
    }
}

fn parse_contrast(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "enhanced" | "with" => Ok(true),
        "0" | "no" | "false" | "native" | "without" => Ok(false),
        _ => Err(format!(
            "contrast is {text:?}: expected 1 or 0, yes or no, enhanced or native, or nothing where unknown"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Truth, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.csv");
        std::fs::write(&path, text).unwrap();
        Truth::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_read_whatever_the_order_of_the_columns_and_the_unknown_are_counted() {
        let truth = read("\u{feff}site,Contrast,series_uid,x\nA, Yes ,1.2,y\n,native,1.3,\nB,,1.4,\n").unwrap();
        assert_eq!((truth.series.len(), truth.unknown), (2, 1));
        let row = &truth.series["1.2"];
        assert_eq!((row.contrast, row.site.as_deref(), row.patient.as_deref()), (true, Some("A"), None));
        assert!(!truth.series["1.3"].contrast);
    }

    #[test]
    fn errors_name_line_and_mend() {
        assert!(read("series_uid\n1.2\n").unwrap_err().contains("no column contrast"));
        assert!(read("series_uid,contrast\n1.2,1\n1.3,maybe\n").unwrap_err().contains("line 3: contrast is \"maybe\""));
        assert!(read("series_uid,contrast\n1.2,1\n1.2,0\n").unwrap_err().contains("keep one"));
        assert_eq!(read("series_uid,contrast\n1.2,1\n1.2,yes\n").unwrap().series.len(), 1);
    }
}
