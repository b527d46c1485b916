//! The account of an export, and `export.json`.

use std::collections::BTreeMap;
use std::io::Write;

use bolus::output::{self, json_line_of, json_summary};
use bolus::tensors::Shard;
use bolus_ct::Series;
use bolus_preprocess::Spec;
use bolus_study::{BodyPart, BundleRef};
use serde::Serialize;

use super::recipe::Recipe;
use crate::cli::ExportArgs;
use crate::exit;

/// A series of the labelled set that was not exported.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    pub series_uid: String,
    pub stack: Option<u32>,
    pub code: &'static str,
    pub detail: String,
}

/// The account of an export.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub files_seen: usize,
    /// Files outside every series, by reason.
    pub files_refused: BTreeMap<&'static str, usize>,
    pub series_exported: usize,
    pub series_enhanced: usize,
    pub slices: usize,
    pub shards: usize,
    /// Series of the labelled set that were found and not exported, by reason.
    pub series_refused: BTreeMap<&'static str, usize>,
    /// Series found that the labelled set does not name.
    pub series_not_in_truth: usize,
    /// Series of the labelled set that were not found.
    pub truth_not_found: usize,
    /// Rows of the labelled set without a status.
    pub truth_unknown: usize,
    pub elapsed_seconds: f64,
    #[serde(skip)]
    pub refused: Vec<Refused>,
    #[serde(skip)]
    pub not_found: Vec<String>,
}

impl Summary {
    pub fn refuse(&mut self, json: bool, series: &Series, code: &'static str, detail: String) -> anyhow::Result<()> {
        let refused = Refused { series_uid: series.uid.as_str().to_owned(), stack: number(series), code, detail };
        if json {
            json_line_of("refused_series", &refused)?;
        }
        tracing::info!(series = refused.series_uid, code, detail = refused.detail, "refused");
        *self.series_refused.entry(code).or_insert(0) += 1;
        self.refused.push(refused);
        Ok(())
    }

    /// 0 the whole labelled set was exported, 3 a part of it, 1 nothing.
    pub fn exit_code(&self) -> u8 {
        match self.series_exported {
            0 => exit::NOTHING_DONE,
            _ if self.refused.is_empty() && self.truth_not_found == 0 => 0,
            _ => exit::SOME_REFUSED,
        }
    }

    pub fn print(&self, args: &ExportArgs) -> anyhow::Result<()> {
        if args.json {
            return json_summary(self);
        }
        let mut output = output::for_people();
        writeln!(
            output,
            "{} exported ({} enhanced, {} native), {} in {}, in {:.1} s.",
            output::counted(self.series_exported, "series", "series"),
            self.series_enhanced,
            self.series_exported - self.series_enhanced,
            output::counted(self.slices, "slice", "slices"),
            output::counted(self.shards, "shard", "shards"),
            self.elapsed_seconds,
        )?;
        if !self.refused.is_empty() {
            let reasons: Vec<String> =
                self.series_refused.iter().map(|(code, count)| format!("{code} {count}")).collect();
            writeln!(output, "{} refused: {}.", self.refused.len(), reasons.join(", "))?;
        }
        writeln!(
            output,
            "Labelled set: {} not found, {} of unknown status left out; {} found that it does not name.",
            self.truth_not_found, self.truth_unknown, self.series_not_in_truth
        )?;
        writeln!(output, "Tensors: {}", args.out.display())?;
        Ok(())
    }
}

/// `export.json`.
#[derive(Serialize)]
pub struct Statement<'a> {
    format: u32,
    program_version: &'static str,
    bundle: Bundle<'a>,
    body_parts: Option<&'a [BodyPart]>,
    preprocessing: &'a Spec,
    dtype: &'static str,
    rounding: &'static str,
    rows: usize,
    columns: usize,
    shards: &'a [Shard],
    series: usize,
    enhanced: usize,
    slices: usize,
    refused: &'a [Refused],
    not_found: &'a [String],
    unknown: usize,
}

/// What the tensors were made by.
#[derive(Serialize)]
struct Bundle<'a> {
    name: &'a str,
    version: &'a str,
    digest: &'a str,
}

impl<'a> Statement<'a> {
    pub fn of(recipe: &'a Recipe, summary: &'a Summary, shards: &'a [Shard]) -> Self {
        let BundleRef { name, version, digest } = &recipe.reference;
        let [_, rows, columns] = recipe.spec.crop;
        Self {
            format: 1,
            program_version: env!("CARGO_PKG_VERSION"),
            bundle: Bundle { name, version, digest },
            body_parts: recipe.body_parts.as_deref(),
            preprocessing: &recipe.spec,
            dtype: "float16",
            rounding: "to nearest, ties to even",
            rows,
            columns,
            shards,
            series: summary.series_exported,
            enhanced: summary.series_enhanced,
            slices: summary.slices,
            refused: &summary.refused,
            not_found: &summary.not_found,
            unknown: summary.truth_unknown,
        }
    }
}

/// The number of the stack, where its series has several.
pub fn number(series: &Series) -> Option<u32> {
    series.stack.as_ref().map(|stack| stack.number)
}
