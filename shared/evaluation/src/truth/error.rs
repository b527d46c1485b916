//! What can be wrong with a truth file.

/// A truth file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("truth file {file}: {problem}")]
pub struct TruthError {
    /// The file's name, as the user gave it.
    pub file: String,
    /// What is wrong, and where.
    pub problem: TruthProblem,
}

/// What is wrong with a truth file, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TruthProblem {
    /// There is no header, or nothing at all.
    #[error("it is empty: expected a header with the columns series_uid and contrast, and one row a series")]
    Empty,
    /// A required column is missing.
    #[error("it has no column `{column}`: its columns are {found}; series_uid and contrast are required")]
    NoColumn {
        /// The column.
        column: &'static str,
        /// The columns that are there.
        found: String,
    },
    /// A column is there twice.
    #[error("it has two columns `{column}`: expected one")]
    TwoColumns {
        /// The column.
        column: &'static str,
    },
    /// The line is not CSV, or has another number of fields than the header.
    #[error("line {line}: {what}")]
    Line {
        /// The line, from 1; in a table, the row.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A field does not say what its column is for.
    #[error("line {line}, column `{column}`: {found:?} is not understood; expected {expected}")]
    Field {
        /// The line, from 1; in a table, the row.
        line: u64,
        /// The column.
        column: &'static str,
        /// What stands there.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Two lines of the same series say different things.
    #[error(
        "line {line}, column `{column}`: series {series} was said to be something else in line {earlier}; keep one of the two"
    )]
    Contradiction {
        /// The later line.
        line: u64,
        /// The column in which they differ.
        column: &'static str,
        /// The series.
        series: String,
        /// The earlier line.
        earlier: u64,
    },
    /// No row has a known status.
    #[error("none of its {rows} rows says whether there is contrast: the column `contrast` is empty throughout")]
    NothingKnown {
        /// Rows read.
        rows: usize,
    },
}

impl TruthProblem {
    pub(super) fn of(self, file: &str) -> TruthError {
        TruthError { file: file.to_owned(), problem: self }
    }
}
