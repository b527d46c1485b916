//! What the parts of the page are built of: sections, tables, and the sample of a bundle's line.

use maud::{Markup, html};

use super::chart;

/// A section with its title and what it is about.
pub fn section(class: &str, title: &str, lead: &str, body: &Markup) -> Markup {
    html! {
        section class=(class) {
            h2 { (title) }
            p.lead { (lead) }
            (body)
        }
    }
}

/// A table; `left` says how many of its first columns hold words.
pub fn table(headers: &[&str], left: usize, rows: &[Vec<Markup>]) -> Markup {
    let class = |column: usize| (column < left).then_some("l");
    html! {
        div.scroll {
            table {
                thead {
                    tr { @for (column, name) in headers.iter().enumerate() { th class=[class(column)] { (name) } } }
                }
                tbody {
                    @for row in rows {
                        tr { @for (column, cell) in row.iter().enumerate() { td class=[class(column)] { (cell) } } }
                    }
                }
            }
        }
    }
}

/// The sample of a bundle's line, before its name.
pub fn key(index: usize) -> Markup {
    html! {
        svg class={ "key " (chart::classes(index)) } viewBox="0 0 22 10" { line x1="0" y1="5" x2="22" y2="5" {} }
    }
}
