//! What a run tells: `explain.json`, JSON lines, and lines for people.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use bolus::output::{self, json_line_of, json_summary};
use serde::Serialize;

use crate::cli::ExplainArgs;
use crate::exit;

/// `explain.json`.
#[derive(Serialize)]
pub struct Report {
    pub format: u32,
    pub program_version: &'static str,
    pub patch_mm: f64,
    pub stride_mm: f64,
    pub series: Vec<SeriesLine>,
    pub refused: Vec<Refused>,
    #[serde(skip)]
    pub files_seen: usize,
}

/// One series, in `explain.json` and as a JSON line.
#[derive(Serialize)]
pub struct SeriesLine {
    pub series_uid: String,
    pub stack: Option<u32>,
    pub bundle: String,
    pub bundle_version: String,
    pub bundle_digest: String,
    pub device: String,
    pub body_part: Option<String>,
    pub predicted_class: &'static str,
    pub probability: f64,
    pub slices_scored: usize,
    /// Rows and columns of a slice, and the size of its pixels, `[y, x]`.
    pub plane: [usize; 2],
    pub spacing_mm: [f64; 2],
    /// Where the centres of the patches lie, in pixels from the middle of the first.
    pub grid_rows: Vec<f32>,
    pub grid_columns: Vec<f32>,
    /// The end of the pictures' scale.
    pub limit: f32,
    pub montage: String,
    /// The maps of `slices` in their order: the fall of the logit for each pixel, float16.
    pub maps: String,
    pub slices: Vec<SliceLine>,
}

/// One slice.
#[derive(Serialize)]
pub struct SliceLine {
    pub slice: usize,
    pub chosen: &'static str,
    pub z_mm: f64,
    pub sop_instance_uid: String,
    pub probability: f32,
    /// The fall of the logit under each patch, line by line; null where covering changes nothing.
    pub drops: Vec<Vec<Option<f32>>>,
    pub picture: String,
}

/// A series that was not explained.
#[derive(Serialize)]
pub struct Refused {
    pub series_uid: String,
    pub stack: Option<u32>,
    pub code: &'static str,
    pub detail: String,
}

impl Report {
    pub fn new(args: &ExplainArgs) -> Self {
        Self {
            format: 1,
            program_version: env!("CARGO_PKG_VERSION"),
            patch_mm: args.patch_mm,
            stride_mm: args.stride_mm,
            series: Vec::new(),
            refused: Vec::new(),
            files_seen: 0,
        }
    }

    /// Adds a series; `explain.json` is written anew, so that a run that is stopped leaves what it has.
    pub fn add(&mut self, args: &ExplainArgs, line: SeriesLine) -> anyhow::Result<()> {
        if args.json {
            json_line_of("series", &line)?;
        }
        self.series.push(line);
        self.save(&args.out.join("explain.json"))
    }

    fn save(&self, path: &Path) -> anyhow::Result<()> {
        let mut bytes = serde_json::to_vec(self).with_context(|| format!("cannot write {}", path.display()))?;
        bytes.push(b'\n');
        output::replace(path, &bytes)
    }

    /// Tells of the run.
    pub fn finish(&self, args: &ExplainArgs, elapsed_seconds: f64) -> anyhow::Result<ExitCode> {
        #[derive(Serialize)]
        struct Summary {
            files_seen: usize,
            series_explained: usize,
            series_refused: usize,
            elapsed_seconds: f64,
        }
        let (explained, refused) = (self.series.len(), self.refused.len());
        if args.json {
            let files_seen = self.files_seen;
            json_summary(&Summary {
                files_seen,
                series_explained: explained,
                series_refused: refused,
                elapsed_seconds,
            })?;
        } else {
            self.tell(args, elapsed_seconds)?;
        }
        if explained + refused == 0 {
            let what = if args.series.is_empty() { "no series" } else { "none of the series asked for" };
            anyhow::bail!("{what} found in {}", args.inputs.join(", "));
        }
        self.save(&args.out.join("explain.json"))?;
        Ok(match (explained, refused) {
            (0, _) => ExitCode::from(exit::NOTHING_DONE),
            (_, 0) => ExitCode::SUCCESS,
            _ => ExitCode::from(exit::SOME_REFUSED),
        })
    }

    fn tell(&self, args: &ExplainArgs, elapsed_seconds: f64) -> anyhow::Result<()> {
        let mut output = output::for_people();
        for line in &self.series {
            let picture = args.out.join(&line.montage);
            let (class, probability) = (line.predicted_class, line.probability);
            let name = output::stacked(&line.series_uid, line.stack);
            writeln!(output, "{name}: {class} ({probability:.3}), see {}", picture.display())?;
        }
        for Refused { series_uid, stack, code, detail } in &self.refused {
            writeln!(output, "{}: refused, {code}: {detail}", output::stacked(series_uid, *stack))?;
        }
        let explained = output::counted(self.series.len(), "series", "series");
        writeln!(output, "{explained} explained, {} refused, in {elapsed_seconds:.1} s.", self.refused.len())?;
        Ok(())
    }
}
