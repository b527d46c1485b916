//! The page of an evaluation: one HTML file that holds all it shows, without scripts, for screens light and dark, and for paper.

mod cells;
mod chart;
mod curves;
mod parts;
mod sections;
mod sheets;
mod tables;

use std::path::Path;

use bolus_evaluation::report::Evaluation;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::words::{RESEARCH_USE, level_notes};

/// The look of the page. Ours, so that it stands as it is.
const STYLE: &str = include_str!("style.css");

/// What the page of an evaluation shows.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationPage<'a> {
    /// The figures.
    pub evaluation: &'a Evaluation,
    /// The labelled set, as the user named it.
    pub truth_file: &'a str,
    /// The lake, as the user named it.
    pub lake: &'a str,
    /// What has to be known.
    pub notes: &'a [String],
    /// Folder of contact sheets; those that cannot be read are left out.
    pub sheets: Option<&'a Path>,
}

impl EvaluationPage<'_> {
    /// The whole page as HTML.
    #[must_use]
    pub fn to_html(&self) -> String {
        let evaluation = self.evaluation;
        let page = html! {
            (DOCTYPE) "\n"
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "Bolus: evaluation" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        (self.head())
                        (sections::facts(evaluation))
                        (self.notes())
                        (tables::levels(evaluation))
                        (curves::curves(evaluation))
                        (sections::matrices(evaluation))
                        (tables::subgroups(evaluation))
                        (tables::comparisons(evaluation))
                        (tables::accounts(evaluation))
                        (sheets::worst(evaluation, self.sheets))
                        (sections::method(evaluation))
                        footer {
                            (RESEARCH_USE) " Made by bolus " (env!("CARGO_PKG_VERSION")) "; "
                            (evaluation.resampling.replicates) " resamples, seed " (evaluation.resampling.seed) "."
                        }
                    }
                }
            }
            "\n"
        };
        page.into_string()
    }

    fn head(&self) -> Markup {
        html! {
            header {
                h1 { "Evaluation of contrast labels" }
                p {
                    "truth " (self.truth_file)
                    @if let Some(split) = self.evaluation.truth.split { ", split " (split.to_string()) }
                    " · lake " (self.lake)
                }
                span.badge { (RESEARCH_USE) }
            }
        }
    }

    fn notes(&self) -> Markup {
        let of_levels =
            level_notes(self.evaluation).map(|(bundle, level, note)| format!("{bundle}, {level} level: {note}"));
        let notes: Vec<String> = self.notes.iter().cloned().chain(of_levels).collect();
        html! {
            @if !notes.is_empty() {
                ul.notes { @for note in &notes { li { (note) "." } } }
            }
        }
    }
}

#[cfg(test)]
mod tests;
