//! Where the contact sheet of a series lies in its folder.

/// The file name of a series' contact sheet: enough of the row's key to tell two stacks of one series UID apart.
#[must_use]
pub fn sheet_name(series: &str, key: &str) -> String {
    format!("{series}-{}.png", key.chars().take(8).collect::<String>())
}
