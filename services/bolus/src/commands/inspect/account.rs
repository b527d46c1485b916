//! What was found, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use bolus::output::{self, json_line, json_summary};
use bolus_labeling::{Inventory, refused_files};
use bolus_study::{BodyPartFinding, ReasonCode};
use serde::Serialize;

use super::forecast::Forecast;
use super::series::{evidence_note, name, series_line, table_row};

/// What was found so far.
#[derive(Default, Serialize)]
pub struct Account {
    pub files_seen: usize,
    pub files_refused: BTreeMap<&'static str, usize>,
    pub series: usize,
    pub would_label: usize,
    /// Series that would be labelled, by body part; `unknown` where neither headers nor image tell it.
    pub would_label_by_body_part: BTreeMap<String, usize>,
    /// Series that would not, by reason.
    pub would_refuse: BTreeMap<&'static str, usize>,
    #[serde(skip)]
    pub rows: Vec<Vec<String>>,
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl Account {
    pub fn unit(&mut self, inventory: &Inventory, forecasts: Vec<Forecast>, json: bool) -> anyhow::Result<()> {
        self.files_seen += inventory.files_seen();
        for file in &inventory.refused {
            *self.files_refused.entry(file.reason.code.as_str()).or_insert(0) += 1;
            if !json && !matches!(file.reason.code, ReasonCode::NotDicom | ReasonCode::Dicomdir) {
                self.notes.push(format!("{}: {}", file.uri, file.reason));
            }
        }
        for (series, forecast) in inventory.series.iter().zip(forecasts) {
            self.series += 1;
            self.coverage(&forecast);
            // A file that several stacks share is counted with one of them.
            let counted: BTreeSet<usize> = series.counted_files().collect();
            let refused = refused_files(series, forecast.refused.clone(), forecast.refusal.as_ref());
            for (_, reason) in refused.into_iter().filter(|(object, _)| counted.contains(object)) {
                *self.files_refused.entry(reason.code.as_str()).or_insert(0) += 1;
            }
            if json {
                json_line(&series_line(series, forecast))?;
            } else {
                self.rows.push(table_row(series, inventory, &forecast));
                let uid = name(series);
                if let Some(stack) = &series.stack {
                    self.notes.push(format!("{uid}: parted by {}", stack.parted_by));
                }
                self.notes
                    .extend(series.remarks.iter().map(|remark| format!("{uid}: {}: {}", remark.code, remark.detail)));
                self.notes.extend(forecast.seen.iter().map(|seen| format!("{uid}: body part by the image, {seen}")));
                self.notes.extend(forecast.refusal.iter().map(|reason| format!("{uid}: {reason}")));
                self.notes.extend(series.declared.evidence.iter().map(|evidence| evidence_note(series, evidence)));
            }
        }
        Ok(())
    }

    /// Counts a series by what would become of it.
    fn coverage(&mut self, forecast: &Forecast) {
        if let Some(reason) = &forecast.refusal {
            *self.would_refuse.entry(reason.code.as_str()).or_insert(0) += 1;
            return;
        }
        self.would_label += 1;
        let part = forecast.body_part.as_ref().map_or_else(|| "unknown".to_owned(), BodyPartFinding::joined);
        *self.would_label_by_body_part.entry(part).or_insert(0) += 1;
    }

    pub fn finish(&mut self, json: bool) -> anyhow::Result<()> {
        if json {
            return json_summary(self);
        }
        let headers = [
            "series",
            "modality",
            "slices",
            "size",
            "spacing mm",
            "gaps",
            "tilt",
            "codec",
            "body part",
            "declared",
            "would label",
        ];
        let headers: Vec<String> = headers.into_iter().map(str::to_owned).collect();
        self.rows.sort();
        let mut output = output::for_people();
        let numeric = [false, false, true, true, true, true, true, false, false, false, false];
        writeln!(output, "{}", output::table(&headers, std::mem::take(&mut self.rows), &numeric))?;
        self.notes.iter().try_for_each(|note| writeln!(output, "{note}"))?;
        let refused: usize = self.files_refused.values().sum();
        let files = output::counted(self.files_seen, "file", "files");
        let (series, would) = (output::counted(self.series, "series", "series"), self.would_label);
        let counts =
            |counted: Vec<String>| if counted.is_empty() { String::new() } else { format!(": {}", counted.join(", ")) };
        let parts = self.would_label_by_body_part.iter().map(|(part, count)| format!("{count} {part}")).collect();
        let reasons = self.would_refuse.iter().map(|(code, count)| format!("{count} {code}")).collect();
        writeln!(output, "{files}, {refused} refused; {series}.")?;
        writeln!(output, "{would} would be labelled{}.", counts(parts))?;
        if would < self.series {
            writeln!(output, "{} would be refused{}.", self.series - would, counts(reasons))?;
        }
        writeln!(output, "What headers and positions tell; the pixel values of each are judged when it is labelled.")?;
        Ok(())
    }
}
