//! What the lake has already, asked for several parts at a time while others are labelled.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context;
use bolus_labeling::{Labeler, Part, SeriesKeys};
use bolus_lake::Lake;
use bolus_study::{LabelRow, ReasonCode, RowKey};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Parts that are asked for together, and as many that wait to be labelled.
const TOGETHER: usize = 4;

/// A part with what the lake has of it.
pub struct Asked {
    /// The part.
    pub part: Part,
    /// For each series: whether it is to be labelled, or has its row.
    pub series: Vec<Standing>,
    /// The rows of refused files that the lake does not have.
    pub file_rows: Vec<LabelRow>,
}

/// How a series stands in the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has no row.
    New,
    /// It has one; with the reason where it says that the image, and not the headers, kept the series from a label.
    Known(Option<ReasonCode>),
}

/// Asks for all parts. The task ends with them, or once nobody takes its answers.
pub fn ask_lake(
    labeler: Arc<Labeler>,
    lake: Arc<Lake>,
    relabel: bool,
    mut parts: mpsc::Receiver<Part>,
) -> (mpsc::Receiver<Asked>, JoinHandle<anyhow::Result<()>>) {
    let (sender, asked) = mpsc::channel(TOGETHER);
    let task = tokio::spawn(async move {
        let mut batch = Vec::with_capacity(TOGETHER);
        while parts.recv_many(&mut batch, TOGETHER).await > 0 {
            for asked in ask(&labeler, &lake, relabel, std::mem::take(&mut batch)).await? {
                if sender.send(asked).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    });
    (asked, task)
}

async fn ask(labeler: &Labeler, lake: &Lake, relabel: bool, parts: Vec<Part>) -> anyhow::Result<Vec<Asked>> {
    let with_keys: Vec<(Part, Vec<SeriesKeys>, Vec<LabelRow>)> = parts
        .into_iter()
        .map(|part| {
            let inventory = &part.inventory;
            let keys = inventory.series.iter().map(|series| labeler.keys(series, &inventory.objects)).collect();
            let rows = inventory.refused.iter().filter_map(|file| labeler.file_row(file)).collect();
            (part, keys, rows)
        })
        .collect();
    let mut keys: Vec<RowKey> = Vec::new();
    for (_, series, rows) in &with_keys {
        keys.extend(series.iter().flat_map(SeriesKeys::all).flat_map(|key| [key.clone(), key.of_failure()]));
        keys.extend(rows.iter().map(|row| row.key.clone()));
    }
    let known: HashSet<RowKey> = if relabel || keys.is_empty() {
        HashSet::new()
    } else {
        lake.known_keys(&keys).await.context("cannot ask the lake which rows it has")?
    };
    let standing = |keys: &SeriesKeys| match keys.known(|key| known.contains(key)) {
        Some(key) => Standing::Known(keys.refusal_by_image(key)),
        None => Standing::New,
    };
    let asked = with_keys.into_iter().map(|(part, keys, mut file_rows)| {
        file_rows.retain(|row| !known.contains(&row.key));
        Asked { part, series: keys.iter().map(standing).collect(), file_rows }
    });
    Ok(asked.collect())
}
