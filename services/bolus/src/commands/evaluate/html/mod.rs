//! The report: one HTML file that holds all it shows, without scripts, for screens light and dark, and for paper.

mod chart;
mod sections;
mod sheets;

use std::path::Path;

use bolus_evaluation::report::Evaluation;

use super::table::RESEARCH_USE;

/// The look of the page.
const STYLE: &str = include_str!("style.css");

/// What a report shows.
pub struct Page<'a> {
    /// The figures.
    pub evaluation: &'a Evaluation,
    /// The labelled set, as the user named it.
    pub truth_file: &'a str,
    /// The lake, as the user named it.
    pub lake: &'a str,
    /// What has to be known.
    pub notes: &'a [String],
    /// Folder of contact sheets.
    pub sheets: Option<&'a Path>,
}

/// Text that means itself in HTML, in and out of quoted attributes.
fn text(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

/// The whole page.
pub fn page(page: &Page) -> String {
    let evaluation = page.evaluation;
    let mut html = format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <title>Bolus: evaluation</title><style>{STYLE}</style></head><body><main>"
    );
    html += &head(page);
    html += &sections::facts(evaluation);
    html += &notes(page);
    html += &sections::levels(evaluation);
    html += &sections::curves(evaluation);
    html += &sections::matrices(evaluation);
    html += &sections::subgroups(evaluation);
    html += &sections::comparisons(evaluation);
    html += &sections::accounts(evaluation);
    html += &sheets::worst(evaluation, page.sheets);
    html += &sections::method(evaluation);
    html += &format!(
        "<footer>{RESEARCH_USE} Made by bolus {}; {} resamples, seed {}.</footer></main></body></html>\n",
        env!("CARGO_PKG_VERSION"),
        evaluation.resampling.replicates,
        evaluation.resampling.seed
    );
    html
}

fn head(page: &Page) -> String {
    let split = page.evaluation.truth.split.map_or_else(String::new, |split| format!(", split {split}"));
    format!(
        "<header><h1>Evaluation of contrast labels</h1><p>truth {}{split} · lake {}</p><span class=badge>{RESEARCH_USE}</span></header>",
        text(page.truth_file),
        text(page.lake),
    )
}

fn notes(page: &Page) -> String {
    let of_levels = super::table::level_notes(page.evaluation)
        .map(|(bundle, level, note)| format!("{bundle}, {level} level: {note}"));
    let items: String =
        page.notes.iter().cloned().chain(of_levels).map(|note| format!("<li>{}.</li>", text(&note))).collect();
    if items.is_empty() { items } else { format!("<ul class=notes>{items}</ul>") }
}

/// A section with its title and what it is about.
fn section(class: &str, title: &str, lead: &str, body: &str) -> String {
    format!("<section class=\"{class}\"><h2>{}</h2><p class=lead>{}</p>{body}</section>", text(title), text(lead))
}

/// A table; `left` says how many of its first columns hold words. Cells are HTML.
fn table(headers: &[&str], left: usize, rows: &[Vec<String>]) -> String {
    let class = |column: usize| if column < left { " class=l" } else { "" };
    let cells = |row: &[String]| -> String {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("<td{}>{cell}</td>", class(column)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let head: String =
        headers.iter().enumerate().map(|(column, name)| format!("<th{}>{}</th>", class(column), text(name))).collect();
    let body: String = rows.iter().map(|row| cells(row)).collect();
    format!("<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")
}

/// The sample of a bundle's line, before its name.
fn key(index: usize) -> String {
    format!("<svg class=\"key {}\" viewBox=\"0 0 22 10\"><line x1=0 y1=5 x2=22 y2=5 /></svg>", chart::classes(index))
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_of_the_outside_becomes_markup() {
        assert_eq!(super::text("<a href='x'>\"&</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&lt;/a&gt;");
    }
}
