//! Where results go, and what they look like. Standard output carries results, standard error everything else.
//!
//! Whatever is shown passes here, where text that comes from files, objects, events and tables loses its hold on a terminal: see
//! [`bolus_ops::printable`]. Nothing else of this program prints, save completions.

mod csv;
mod error;
mod files;
mod json;
mod progress;
mod spinner;
mod streams;
mod table;
mod words;

pub use self::csv::CsvWriter;
pub use self::error::{is_broken_pipe, print_error};
pub use self::files::{replace, save};
pub use self::json::{json_line, json_line_of, json_summary};
pub use self::progress::Display;
pub use self::spinner::Spinner;
pub use self::streams::{complain, for_json, for_people, for_programs};
pub use self::table::table;
pub use self::words::{codec_name, counted, megabytes, series_name, short_digest, stacked};
