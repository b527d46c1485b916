//! Tables for people.

use bolus_ops::printable::printable;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A table for people; `numeric` columns are aligned to the right. A cell is one line, whatever its text holds.
pub fn table(headers: &[String], rows: Vec<Vec<String>>, numeric: &[bool]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.iter().map(|header| printable(header).into_owned()));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell).into_owned()));
    }
    for (index, numeric) in numeric.iter().enumerate() {
        if let (true, Some(column)) = (*numeric, table.column_mut(index)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bolus_ops::printable::PrintableWriter;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_that_a_table_shows_holds_a_control_or_a_bidi_character(
            cells in prop::collection::vec(any::<String>(), 4), evil in "[\\x00-\\x1f\\x7f-\\x9f\\u{200e}\\u{202a}-\\u{202e}\\u{2066}-\\u{2069}]{1,5}"
        ) {
            let headers = [cells[0].clone(), format!("{evil}head")];
            let rows = vec![cells[1..3].to_vec(), vec![evil.clone(), format!("CT{evil}{}", cells[3])]];
            let mut shown = Vec::new();
            writeln!(PrintableWriter::text(&mut shown), "{}", table(&headers, rows, &[false, true])).unwrap();
            let shown = String::from_utf8(shown).unwrap();
            let harmful = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
            prop_assert!(!shown.contains(harmful), "{shown:?}");
            // Borders, head and two rows: nothing made a line of its own.
            prop_assert_eq!(shown.trim_end().lines().count(), 6);
        }
    }
}
