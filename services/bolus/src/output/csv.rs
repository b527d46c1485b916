//! Comma-separated values, for programs and for spreadsheets.

use std::borrow::Cow;
use std::io::Write;

use bolus_ops::printable::printable;

/// What a cell begins with that a spreadsheet takes for a formula, as it is and as some keyboards write it.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '＠'];

/// Writes rows of text as CSV (RFC 4180).
///
/// A text that a spreadsheet would take for a formula and run gets an apostrophe before it, as one would write it there by hand.
/// Numbers stay numbers, and `raw` leaves all as it is.
pub struct CsvWriter<W: Write> {
    inner: csv::Writer<W>,
    numeric: Vec<bool>,
    raw: bool,
    /// Whether people read it.
    terminal: bool,
}

impl<W: Write> CsvWriter<W> {
    /// Begins with a line of `headers`. `numeric` columns hold numbers; for a `terminal` what does not print is escaped.
    pub fn begin(output: W, headers: &[String], numeric: Vec<bool>, raw: bool, terminal: bool) -> anyhow::Result<Self> {
        let inner = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(output);
        let mut writer = Self { inner, numeric: Vec::new(), raw, terminal };
        writer.row(headers)?;
        writer.numeric = numeric;
        Ok(writer)
    }

    /// Writes one row.
    pub fn row(&mut self, cells: &[String]) -> anyhow::Result<()> {
        for (column, cell) in cells.iter().enumerate() {
            let is_number = self.numeric.get(column).copied().unwrap_or(false);
            let cell = if self.raw || is_number { Cow::Borrowed(cell.as_str()) } else { guarded(cell) };
            let cell = if self.terminal { Cow::Owned(printable(&cell).into_owned()) } else { cell };
            self.inner.write_field(cell.as_bytes())?;
        }
        self.inner.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.inner.flush()?)
    }
}

fn guarded(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(FORMULA) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cells: [&str; 2], numeric: bool, raw: bool, terminal: bool) -> String {
        let mut output = Vec::new();
        let headers = ["name".to_owned(), "value".to_owned()];
        let mut writer = CsvWriter::begin(&mut output, &headers, vec![false, numeric], raw, terminal).unwrap();
        writer.row(&cells.map(str::to_owned)).unwrap();
        writer.finish().unwrap();
        String::from_utf8(output).unwrap().strip_prefix("name,value\n").unwrap().to_owned()
    }

    #[test]
    fn a_formula_is_text_and_a_number_a_number() {
        assert_eq!(written(["=HYPERLINK(\"x\")", "-1.5"], true, false, false), "\"'=HYPERLINK(\"\"x\"\")\",-1.5\n");
        for formula in ["+1", "-1", "@SUM(A1)", "＝1"] {
            assert_eq!(written([formula, "a"], true, false, false), format!("'{formula},a\n"));
            assert_eq!(written([formula, "a"], true, true, false), format!("{formula},a\n"));
        }
        assert_eq!(written(["\t=1", "-1"], false, false, false), "'\t=1,'-1\n");
        assert_eq!(written(["a=1", "1.2.3"], false, false, false), "a=1,1.2.3\n");
    }

    #[test]
    fn a_terminal_gets_nothing_that_it_would_obey() {
        let evil = "CT\u{1b}[2J\n\u{202e}";
        assert_eq!(written([evil, "1"], true, false, true), "CT\\u{1b}[2J\\n\\u{202e},1\n");
        assert_eq!(written([evil, "1"], true, false, false), format!("\"{evil}\",1\n"));
    }
}
