//! `bolus inspect`: what is there, without a model.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bolus::output::{self, json_line, json_summary};
use bolus_ct::{Instance, Series};
use bolus_inference::BundleSet;
use bolus_labeling::{
    Progress, Routed, Router, Scan, Undecoded, discover, nothing_decoded, pixel_digest, refused_files, scan,
};
use bolus_ops::CpuPool;
use bolus_storage::{Location, ObjectRef, Spool};
use bolus_study::{BodyPartFinding, Evidence, Reason, ReasonCode, SeriesGeometry};
use futures::stream::{self, StreamExt};
use serde::Serialize;

use super::{find_bundles, locations, threads};
use crate::cli::InspectArgs;
use crate::exit;

/// Runs the command.
pub async fn run(args: InspectArgs) -> anyhow::Result<ExitCode> {
    let inputs = locations(&args.inputs)?;
    let names = Names::new(&args.inputs, &inputs);
    let bundles = Arc::new(find_bundles(&args.model)?);
    let guide = Guide { router: Router::new(Arc::clone(&bundles)).allowing(args.allow.allowed.clone()), bundles };
    let cpu = CpuPool::new(threads(args.threads))?;
    let cancel = bolus_ops::cancel_on_signal();
    let progress = Progress::default();
    let spool = Spool::new(None)?;
    let mut account = Account::default();
    for unit in discover(&inputs, &progress, &cancel).await?.into_units() {
        // Digests are told file by file before the series, which need all headers of the unit.
        let scan = scan(unit, &spool, &cpu, &progress, &cancel).await?;
        let undecoded = if args.json { file_lines(&scan, &cpu, &progress, &names).await? } else { BTreeMap::new() };
        let mut fates = Vec::with_capacity(scan.series.len());
        for series in &scan.series {
            let fate = guide.fate(series, &scan, &cpu, &progress).await;
            fates.push(fate.knowing(series, &undecoded));
        }
        account.unit(&scan, fates, args.json)?;
    }
    account.finish(args.json)?;
    Ok(if account.series > 0 && account.files_refused.is_empty() && account.would_label == account.series {
        ExitCode::SUCCESS
    } else if account.series == 0 {
        ExitCode::from(exit::NOTHING_DONE)
    } else {
        ExitCode::from(exit::SOME_REFUSED)
    })
}

/// What would become of a series.
struct Fate {
    /// Why it would not be labelled.
    refusal: Option<Reason>,
    /// The bundle that would label it.
    bundle: Option<String>,
    /// What told the bundle: `named`, `tag`, `words` or `image`.
    bundle_by: Option<&'static str>,
    body_part: Option<BodyPartFinding>,
    /// What a look at the image showed.
    seen: Option<String>,
    axial_tolerance_deg: f64,
    /// Files that no slice can come of, with the reasons.
    refused: Vec<(usize, Reason)>,
}

impl Fate {
    /// The fate, knowing which files cannot be decoded.
    fn knowing(mut self, series: &Series, undecoded: &BTreeMap<usize, Reason>) -> Self {
        if undecoded.is_empty() {
            return self;
        }
        let known: BTreeSet<usize> = series.refused.iter().map(|(object, _)| *object).collect();
        let slices: BTreeSet<usize> = series.slices.iter().map(|slice| slice.object).collect();
        let lost = undecoded.iter().filter(|(object, _)| slices.contains(object) && !known.contains(object));
        self.refused.extend(lost.map(|(object, reason)| (*object, reason.clone())));
        self.refusal = self.refusal.or_else(|| nothing_decoded(series, undecoded));
        if self.refusal.is_some() {
            (self.bundle, self.bundle_by) = (None, None);
        }
        self
    }
}

/// Tells the fate of series.
struct Guide {
    bundles: Arc<BundleSet>,
    router: Router,
}

impl Guide {
    /// The fate of one series; the image is looked at where only it can tell the bundle.
    async fn fate(&self, series: &Series, scan: &Scan, cpu: &CpuPool, progress: &Progress) -> Fate {
        let Routed { bundle, body_part, seen, .. } = self.router.route(series, &scan.objects, cpu, progress).await;
        let body_part = series.body_part.clone().or(body_part);
        let any = self.bundles.bundles().first();
        let chosen = bundle.as_ref().ok().and_then(|place| self.bundles.bundles().get(*place));
        let manifest = chosen.or(any).map(|bundle| &bundle.manifest);
        let by =
            if self.bundles.is_auto() { body_part.as_ref().map(|found| found.source.as_str()) } else { Some("named") };
        let refusal = bundle.err().or_else(|| self.router.refusal(series));
        Fate {
            bundle: chosen.filter(|_| refusal.is_none()).map(|bundle| bundle.manifest.name.clone()),
            bundle_by: by.filter(|_| refusal.is_none()),
            refusal,
            body_part,
            seen,
            axial_tolerance_deg: manifest.map_or(0.0, |manifest| manifest.preprocessing.axial_tolerance_deg),
            refused: series.refused.clone(),
        }
    }
}

/// How files are named to the user: as the input was written, with what lies below it.
struct Names {
    /// Each local input, as an absolute path and as written.
    inputs: Vec<(PathBuf, PathBuf)>,
}

impl Names {
    fn new(written: &[String], inputs: &[Location]) -> Self {
        let local = written.iter().zip(inputs).filter_map(|(written, location)| match location {
            Location::Local(path) if !written.contains("://") => Some((path.clone(), PathBuf::from(written))),
            _ => None,
        });
        Self { inputs: local.collect() }
    }

    fn of(&self, object: &ObjectRef) -> String {
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
struct RefusalLine {
    code: &'static str,
    detail: String,
}

impl From<Reason> for RefusalLine {
    fn from(reason: Reason) -> Self {
        Self { code: reason.code.as_str(), detail: reason.detail }
    }
}

/// Prints a line for every file of the unit, in the order of their names. Gives the files of which no frame can be decoded, by their
/// index in the scan.
async fn file_lines(
    scan: &Scan,
    cpu: &CpuPool,
    progress: &Progress,
    names: &Names,
) -> anyhow::Result<BTreeMap<usize, Reason>> {
    let mut objects: Vec<(usize, &ObjectRef)> = scan.objects.iter().enumerate().collect();
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
    for file in scan.refused.iter().filter(|file| !listed.contains(file.uri.as_str())) {
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

/// One series as a JSON line.
#[derive(Serialize)]
struct SeriesLine<'a> {
    r#type: &'static str,
    series_instance_uid: &'a str,
    series_uid_derived: bool,
    stack: Option<u32>,
    stack_parted_by: Option<&'a str>,
    modality: Option<&'a str>,
    transfer_syntaxes: &'a [String],
    slices: usize,
    files: usize,
    geometry: Option<GeometryLine>,
    body_part: Option<String>,
    body_part_source: Option<&'static str>,
    declared_contrast: &'static str,
    declared_evidence: &'a [Evidence],
    would_label: bool,
    /// The bundle that would label it, and what told that: `named`, `tag`, `words` or `image`.
    bundle: Option<String>,
    bundle_by: Option<&'static str>,
    /// What a look at the image showed, where it was needed.
    seen: Option<String>,
    refusal: Option<RefusalLine>,
    refused_slices: BTreeMap<&'static str, usize>,
}

/// The geometry of a series in JSON.
#[derive(Serialize)]
struct GeometryLine {
    rows: usize,
    columns: usize,
    pixel_spacing_mm: [f64; 2],
    slice_spacing_mm: Option<f64>,
    slice_thickness_mm: Option<f64>,
    spacing_deviation_mm: f64,
    gaps: usize,
    shear_deg: f64,
    axial: bool,
}

impl GeometryLine {
    fn of(geometry: &SeriesGeometry, tolerance_deg: f64) -> Self {
        Self {
            rows: geometry.rows,
            columns: geometry.columns,
            pixel_spacing_mm: geometry.pixel_spacing_mm,
            slice_spacing_mm: geometry.slice_spacing_mm,
            slice_thickness_mm: geometry.slice_thickness_mm,
            spacing_deviation_mm: geometry.spacing_deviation_mm,
            gaps: geometry.gaps,
            shear_deg: geometry.shear_deg,
            axial: geometry.orientation.is_axial(tolerance_deg),
        }
    }
}

/// What was found so far.
#[derive(Default, Serialize)]
struct Account {
    files_seen: usize,
    files_refused: BTreeMap<&'static str, usize>,
    series: usize,
    would_label: usize,
    /// Series that would be labelled, by body part; `unknown` where neither headers nor image tell it.
    would_label_by_body_part: BTreeMap<String, usize>,
    /// Series that would not, by reason.
    would_refuse: BTreeMap<&'static str, usize>,
    #[serde(skip)]
    rows: Vec<Vec<String>>,
    #[serde(skip)]
    notes: Vec<String>,
}

impl Account {
    fn unit(&mut self, scan: &Scan, fates: Vec<Fate>, json: bool) -> anyhow::Result<()> {
        self.files_seen += scan.files_seen();
        for file in &scan.refused {
            *self.files_refused.entry(file.reason.code.as_str()).or_insert(0) += 1;
            if !json && !matches!(file.reason.code, ReasonCode::NotDicom | ReasonCode::Dicomdir) {
                self.notes.push(format!("{}: {}", file.uri, file.reason));
            }
        }
        for (series, fate) in scan.series.iter().zip(fates) {
            self.series += 1;
            self.coverage(&fate);
            // A file that several stacks share is counted with one of them.
            let counted: BTreeSet<usize> = series.counted_files().collect();
            let refused = refused_files(series, fate.refused.clone(), fate.refusal.as_ref());
            for (_, reason) in refused.into_iter().filter(|(object, _)| counted.contains(object)) {
                *self.files_refused.entry(reason.code.as_str()).or_insert(0) += 1;
            }
            if json {
                json_line(&series_line(series, fate))?;
            } else {
                self.rows.push(table_row(series, scan, &fate));
                let uid = name(series);
                if let Some(stack) = &series.stack {
                    self.notes.push(format!("{uid}: parted by {}", stack.parted_by));
                }
                self.notes
                    .extend(series.remarks.iter().map(|remark| format!("{uid}: {}: {}", remark.code, remark.detail)));
                self.notes.extend(fate.seen.iter().map(|seen| format!("{uid}: body part by the image, {seen}")));
                self.notes.extend(fate.refusal.iter().map(|reason| format!("{uid}: {reason}")));
                self.notes.extend(series.declared.evidence.iter().map(|evidence| evidence_note(series, evidence)));
            }
        }
        Ok(())
    }

    /// Counts a series by what would become of it.
    fn coverage(&mut self, fate: &Fate) {
        if let Some(reason) = &fate.refusal {
            *self.would_refuse.entry(reason.code.as_str()).or_insert(0) += 1;
            return;
        }
        self.would_label += 1;
        let part = fate.body_part.as_ref().map_or_else(|| "unknown".to_owned(), BodyPartFinding::joined);
        *self.would_label_by_body_part.entry(part).or_insert(0) += 1;
    }

    fn finish(&mut self, json: bool) -> anyhow::Result<()> {
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

fn series_line(series: &Series, fate: Fate) -> SeriesLine<'_> {
    let mut refused_slices = BTreeMap::new();
    for (_, reason) in &fate.refused {
        *refused_slices.entry(reason.code.as_str()).or_insert(0) += 1;
    }
    let Fate { refusal, bundle, bundle_by, body_part, seen, axial_tolerance_deg: tolerance, .. } = fate;
    SeriesLine {
        r#type: "series",
        series_instance_uid: series.uid.as_str(),
        series_uid_derived: series.uid_derived,
        stack: series.stack.as_ref().map(|stack| stack.number),
        stack_parted_by: series.stack.as_ref().map(|stack| stack.parted_by.as_str()),
        modality: series.facts.modality.as_deref(),
        transfer_syntaxes: &series.facts.transfer_syntaxes,
        slices: series.slices.len(),
        files: series.files().count(),
        geometry: series.geometry.as_ref().map(|geometry| GeometryLine::of(geometry, tolerance)),
        body_part: body_part.as_ref().map(|finding| finding.joined()),
        body_part_source: body_part.as_ref().map(|finding| finding.source.as_str()),
        declared_contrast: series.declared.verdict.as_str(),
        declared_evidence: &series.declared.evidence,
        would_label: refusal.is_none(),
        bundle,
        bundle_by,
        seen,
        refusal: refusal.map(Into::into),
        refused_slices,
    }
}

fn table_row(series: &Series, scan: &Scan, fate: &Fate) -> Vec<String> {
    let dash = || "-".to_owned();
    let geometry = series.geometry.as_ref();
    let of = |value: &dyn Fn(&SeriesGeometry) -> String| geometry.map_or_else(dash, value);
    let uris = series.files().filter_map(|object| scan.objects.get(object)).map(|object| object.uri.as_str());
    let number = series.stack.as_ref().map(|stack| stack.number);
    vec![
        output::series_name(&bolus_storage::common_prefix(uris), series.uid.as_str(), number),
        series.facts.modality.clone().unwrap_or_else(dash),
        series.slices.len().to_string(),
        of(&|g| format!("{}x{}", g.rows, g.columns)),
        of(&|g| match g.slice_spacing_mm {
            Some(z) => format!("{z:.2} x {:.2} x {:.2}", g.pixel_spacing_mm[0], g.pixel_spacing_mm[1]),
            None => format!("{:.2} x {:.2}", g.pixel_spacing_mm[0], g.pixel_spacing_mm[1]),
        }),
        of(&|g| g.gaps.to_string()),
        of(&|g| format!("{:.1}°", g.shear_deg)),
        codecs(&series.facts.transfer_syntaxes),
        fate.body_part.as_ref().map_or_else(dash, |finding| finding.joined()),
        series.declared.verdict.as_str().to_owned(),
        match (&fate.refusal, &fate.bundle, fate.bundle_by) {
            (Some(reason), ..) => format!("no: {}", reason.code),
            (None, Some(bundle), Some(by)) => format!("{bundle} (by {by})"),
            (None, ..) => "yes".to_owned(),
        },
    ]
}

/// The first codec by name, and how many more there are.
fn codecs(uids: &[String]) -> String {
    match uids {
        [] => "-".to_owned(),
        [one] => output::codec_name(one).to_owned(),
        [first, others @ ..] => format!("{} and {} more", output::codec_name(first), others.len()),
    }
}

/// The UID, with the stack's number where there are several.
fn name(series: &Series) -> String {
    output::stacked(series.uid.as_str(), series.stack.as_ref().map(|stack| stack.number))
}

fn evidence_note(series: &Series, evidence: &Evidence) -> String {
    let uid = name(series);
    format!("{uid}: {} {:?} ({}: {:?})", evidence.attribute, evidence.value, evidence.rule, evidence.says)
}
