//! The files as JSON lines.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use bolus::output::json_line;
use bolus_ct::Instance;
use bolus_labeling::{Inventory, Progress, Undecoded, pixel_digest};
use bolus_ops::CpuPool;
use bolus_storage::{Location, ObjectRef};
use bolus_study::Reason;
use futures::stream::{self, StreamExt};
use serde::Serialize;

/// How files are named to the user: as the input was written, with what lies below it.
pub struct Names {
    /// Each local input, as an absolute path and as written.
    inputs: Vec<(PathBuf, PathBuf)>,
}

impl Names {
    pub fn new(written: &[String], inputs: &[Location]) -> Self {
        let local = written.iter().zip(inputs).filter_map(|(written, location)| match location {
            Location::Local(path) if !written.contains("://") => Some((path.clone(), PathBuf::from(written))),
            _ => None,
        });
        Self { inputs: local.collect() }
    }

    pub fn of(&self, object: &ObjectRef) -> String {
        let Some(path) = object.local_path() else { return object.uri.clone() };
        let below = self.inputs.iter().find_map(|(root, written)| Some((path.strip_prefix(root).ok()?, written)));
        match below {
            Some((rest, written)) if rest.as_os_str().is_empty() => written.display().to_string(),
            Some((rest, written)) => written.join(rest).display().to_string(),
            None => path.display().to_string(),
        }
    }
}

/// One file as a JSON line.
#[derive(Serialize)]
struct FileLine {
    r#type: &'static str,
    path: String,
    transfer_syntax: Option<String>,
    /// sha256 of the decoded stored values, little endian; null where `refusal` says why.
    pixel_sha256: Option<String>,
    refusal: Option<RefusalLine>,
    modality: Option<String>,
    sop_class_uid: Option<String>,
    rows: Option<usize>,
    columns: Option<usize>,
    frames: Option<usize>,
    series_instance_uid: Option<String>,
}

/// A reason in JSON.
#[derive(Serialize)]
pub struct RefusalLine {
    code: &'static str,
    detail: String,
}

impl From<Reason> for RefusalLine {
    fn from(reason: Reason) -> Self {
        Self { code: reason.code.as_str(), detail: reason.detail }
    }
}

/// Prints a line for every file of the unit, in the order of their names. Gives the files of which no frame can be decoded, by their
/// index in the inventory.
pub async fn file_lines(
    inventory: &Inventory,
    cpu: &CpuPool,
    progress: &Progress,
    names: &Names,
) -> anyhow::Result<BTreeMap<usize, Reason>> {
    let mut objects: Vec<(usize, &ObjectRef)> = inventory.objects.iter().enumerate().collect();
    objects.sort_by(|(_, a), (_, b)| a.uri.cmp(&b.uri));
    let listed: HashSet<&str> = objects.iter().map(|(_, object)| object.uri.as_str()).collect();
    let lines = stream::iter(objects).map(|(index, object)| async move {
        let (line, undecoded) = file_line(object, names.of(object), cpu, progress).await;
        (line, undecoded.map(|reason| (index, reason)))
    });
    let mut lines = lines.buffered(cpu.threads());
    let mut undecoded = BTreeMap::new();
    while let Some((line, bad)) = lines.next().await {
        json_line(&line)?;
        undecoded.extend(bad);
    }
    for file in inventory.refused.iter().filter(|file| !listed.contains(file.uri.as_str())) {
        json_line(&refused_line(file.uri.clone(), file.reason.clone()))?;
    }
    Ok(undecoded)
}

/// The line, and why no frame of the instance can be decoded where that is so.
async fn file_line(object: &ObjectRef, path: String, cpu: &CpuPool, progress: &Progress) -> (FileLine, Option<Reason>) {
    match pixel_digest(object, cpu, progress).await {
        Ok((instance, Ok(digest))) => (instance_line(path, &instance, Ok(digest)), None),
        Ok((instance, Err(Undecoded { reason, all_frames }))) => {
            (instance_line(path, &instance, Err(reason.clone())), all_frames.then_some(reason))
        }
        Err(reason) => (refused_line(path, reason), None),
    }
}

fn instance_line(path: String, instance: &Instance, digest: Result<String, Reason>) -> FileLine {
    let (pixel_sha256, refusal) = match digest {
        Ok(digest) => (Some(digest), None),
        Err(reason) => (None, Some(reason.into())),
    };
    let format = instance.format.as_ref();
    FileLine {
        r#type: "file",
        path,
        transfer_syntax: Some(instance.transfer_syntax_uid.clone()),
        pixel_sha256,
        refusal,
        modality: instance.modality.clone(),
        sop_class_uid: instance.sop_class_uid.clone(),
        rows: format.map(|format| format.rows),
        columns: format.map(|format| format.columns),
        frames: format.map(|format| format.frames),
        series_instance_uid: instance.series_uid.as_ref().map(ToString::to_string),
    }
}

fn refused_line(path: String, reason: Reason) -> FileLine {
    FileLine {
        r#type: "file",
        path,
        transfer_syntax: None,
        pixel_sha256: None,
        refusal: Some(reason.into()),
        modality: None,
        sop_class_uid: None,
        rows: None,
        columns: None,
        frames: None,
        series_instance_uid: None,
    }
}
