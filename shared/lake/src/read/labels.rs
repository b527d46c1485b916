//! Whole rows: what [`crate::columns`] puts into columns comes back.

use bolus_study::{
    Audit, BodyPartFinding, BodyPartSource, BundleRef, ContentDigest, Declared, DeclaredContrast, Evidence, LabelRow,
    Outcome, PredictedClass, Prediction, Reason, ReasonCode, Remark, RemarkCode, RowKey, Says, SeriesFacts, SeriesUid,
    SliceScore, SopInstanceUid, StackRef, Status, StudyUid,
};

use crate::error::LakeError;
use crate::read::batch::{Batch, Odd};
use crate::read::filter::RowFilter;
use crate::read::rows::{Rows, ask};
use crate::table::Table;

/// Reads one part of a row by the row's place.
type Part<T> = Box<dyn Fn(usize) -> Result<T, Odd>>;

pub(crate) async fn read(table: &Table, filter: &RowFilter) -> Result<Rows<LabelRow>, LakeError> {
    ask(table, filter, None, "SELECT * FROM chosen", rows).await
}

fn rows(batch: &Batch) -> Result<Vec<LabelRow>, LakeError> {
    let (keys, study, series) =
        (batch.texts("row_key")?, batch.texts("study_instance_uid")?, batch.texts("series_instance_uid")?);
    let (derived, patients) = (batch.flags("series_uid_derived")?, batch.texts("patient_key")?);
    let (sources, contents) = (batch.texts("source_uri")?, batch.texts("content_sha256")?);
    let names = (batch.texts("bundle_name")?, batch.texts("bundle_version")?, batch.texts("bundle_digest")?);
    let (outcome, stack, facts) = (outcome(batch)?, stack(batch)?, facts(batch)?);
    let (body_part, declared) = (body_part(batch)?, declared(batch)?);
    let (refused_slices, remarks) = (refused_slices(batch)?, remarks(batch)?);
    let (files, seconds, made) = (batch.longs("files")?, batch.numbers("seconds")?, batch.instants("created_at")?);
    let (programs, events, attempts) =
        (batch.texts("program_version")?, batch.texts("event")?, batch.longs("attempts")?);
    batch.rows(|row| {
        Ok(LabelRow {
            key: RowKey::from_stored(keys.required(row)?),
            outcome: outcome(row)?,
            study_uid: study.optional_parsed(row, "a UID", |text| StudyUid::try_from(text.to_owned()).ok())?,
            series_uid: series.optional_parsed(row, "a UID", |text| SeriesUid::try_from(text.to_owned()).ok())?,
            series_uid_derived: derived.required(row)?,
            stack: stack(row)?,
            patient_key: patients.optional(row).map(str::to_owned),
            source_uri: sources.owned(row)?,
            content: ContentDigest::from_stored(contents.required(row)?),
            bundle: BundleRef { name: names.0.owned(row)?, version: names.1.owned(row)?, digest: names.2.owned(row)? },
            facts: facts(row)?,
            body_part: body_part(row)?,
            declared: declared(row)?,
            files: files.required(row)?,
            refused_slices: refused_slices(row)?,
            remarks: remarks(row)?,
            seconds: seconds.required(row)?,
            created_at_us: made.required(row)?,
            program_version: programs.owned(row)?,
            event: events.optional(row).map(str::to_owned),
            attempts: attempts.required(row)?,
        })
    })
}

fn outcome(batch: &Batch) -> Result<Part<Outcome>, LakeError> {
    let (statuses, prediction) = (batch.texts("status")?, prediction(batch)?);
    let (codes, details) = (batch.texts("reason_code")?, batch.texts("reason")?);
    Ok(Box::new(move |row| {
        let code = codes.optional_parsed(row, "a reason that this version knows", ReasonCode::from_name)?;
        let reason = code.map(|code| Ok(Reason::new(code, details.required(row)?))).transpose()?;
        let status = statuses.parsed(row, "labelled, refused or failed", Status::from_name)?;
        match (status, reason, prediction(row)?) {
            (Status::Labelled, None, Some(prediction)) => Ok(Outcome::Labelled(prediction)),
            (Status::Refused, Some(reason), None) => Ok(Outcome::Refused(reason)),
            (Status::Failed, Some(reason), None) => Ok(Outcome::Failed(reason)),
            (status, reason, prediction) => {
                let has = |there: bool| if there { "a" } else { "no" };
                let (reason, prediction) = (has(reason.is_some()), has(prediction.is_some()));
                Err(Odd(format!("it is {status} and has {reason} reason and {prediction} prediction")))
            }
        }
    }))
}

fn prediction(batch: &Batch) -> Result<Part<Option<Prediction>>, LakeError> {
    let (classes, audits) = (batch.texts("predicted_class")?, batch.texts("audit")?);
    let (probability, raw, coverage) =
        (batch.numbers("probability")?, batch.numbers("raw_probability")?, batch.numbers("coverage")?);
    let (planned, slices) = (batch.longs("slices_planned")?, slices(batch)?);
    let (devices, runtimes) = (batch.texts("device")?, batch.texts("runtime")?);
    Ok(Box::new(move |row| {
        let class = classes.optional_parsed(row, "enhanced, native or indeterminate", PredictedClass::from_name)?;
        let Some(class) = class else { return Ok(None) };
        Ok(Some(Prediction {
            class,
            probability: probability.required(row)?,
            raw_probability: raw.required(row)?,
            audit: audits.parsed(row, "agrees, conflicts, fills_gap or undecided", Audit::from_name)?,
            slices: slices(row)?,
            slices_planned: planned.optional(row)?,
            coverage: coverage.optional(row),
            device: devices.owned(row)?,
            runtime: runtimes.owned(row)?,
        }))
    }))
}

fn slices(batch: &Batch) -> Result<Part<Vec<SliceScore>>, LakeError> {
    let slices = batch.struct_lists("slices")?;
    let (z_mm, probability) = (slices.elements.numbers("z_mm")?, slices.elements.singles("probability")?);
    let instances = slices.elements.texts("sop_instance_uid")?;
    Ok(Box::new(move |row| {
        slices.read(row, |slice| {
            let uid = |text: &str| SopInstanceUid::try_from(text.to_owned()).ok();
            Ok(SliceScore {
                z_mm: z_mm.required(slice)?,
                sop_instance_uid: instances.parsed(slice, "a UID", uid)?,
                probability: probability.required(slice)?,
            })
        })
    }))
}

fn stack(batch: &Batch) -> Result<Part<Option<StackRef>>, LakeError> {
    let (numbers, parted_by) = (batch.longs("stack")?, batch.texts("stack_parted_by")?);
    Ok(Box::new(move |row| {
        let number = numbers.optional(row)?;
        number.map(|number| Ok(StackRef { number, parted_by: parted_by.owned(row)? })).transpose()
    }))
}

fn facts(batch: &Batch) -> Result<Part<SeriesFacts>, LakeError> {
    let (modality, manufacturer, kernel) =
        (batch.texts("modality")?, batch.texts("manufacturer")?, batch.texts("kernel")?);
    let syntaxes = batch.text_lists("transfer_syntaxes")?;
    let (slices, rows, columns) = (batch.longs("slice_count")?, batch.longs("rows")?, batch.longs("columns")?);
    let (y_mm, x_mm) = (batch.numbers("pixel_spacing_y_mm")?, batch.numbers("pixel_spacing_x_mm")?);
    let (spacing, thickness) = (batch.numbers("slice_spacing_mm")?, batch.numbers("slice_thickness_mm")?);
    let (gaps, shear) = (batch.longs("gaps")?, batch.numbers("shear_deg")?);
    Ok(Box::new(move |row| {
        let pixel_spacing_mm = match (y_mm.optional(row), x_mm.optional(row)) {
            (Some(y), Some(x)) => Some([y, x]),
            (None, None) => None,
            (Some(_), None) => return Err(x_mm.odd("null", "a number as of `pixel_spacing_y_mm`")),
            (None, Some(_)) => return Err(y_mm.odd("null", "a number as of `pixel_spacing_x_mm`")),
        };
        Ok(SeriesFacts {
            modality: modality.optional(row).map(str::to_owned),
            transfer_syntaxes: syntaxes.read(row, |at| syntaxes.elements.owned(at))?,
            manufacturer: manufacturer.optional(row).map(str::to_owned),
            kernel: kernel.optional(row).map(str::to_owned),
            slices: slices.required(row)?,
            rows: rows.optional(row)?,
            columns: columns.optional(row)?,
            pixel_spacing_mm,
            slice_spacing_mm: spacing.optional(row),
            slice_thickness_mm: thickness.optional(row),
            gaps: gaps.required(row)?,
            shear_deg: shear.optional(row),
        })
    }))
}

fn body_part(batch: &Batch) -> Result<Part<Option<BodyPartFinding>>, LakeError> {
    let (parts, sources) = (batch.texts("body_part")?, batch.texts("body_part_source")?);
    Ok(Box::new(move |row| {
        if parts.optional(row).is_none() {
            return Ok(None);
        }
        let source = sources.parsed(row, "tag, words or image", BodyPartSource::from_name)?;
        let finding = |joined: &str| BodyPartFinding::from_joined(joined, source).ok();
        parts.optional_parsed(row, "body parts joined by +", finding)
    }))
}

fn declared(batch: &Batch) -> Result<Part<Option<DeclaredContrast>>, LakeError> {
    let (verdicts, evidence) = (batch.texts("declared_contrast")?, batch.struct_lists("declared_evidence")?);
    let (attributes, values) = (evidence.elements.texts("attribute")?, evidence.elements.texts("value")?);
    let (says, rules) = (evidence.elements.texts("says")?, evidence.elements.texts("rule")?);
    Ok(Box::new(move |row| {
        let verdict = verdicts.optional_parsed(row, "yes, no, absent or contradictory", Declared::from_name)?;
        let Some(verdict) = verdict else { return Ok(None) };
        let evidence = evidence.read(row, |at| {
            Ok(Evidence {
                attribute: attributes.owned(at)?,
                value: values.owned(at)?,
                says: says.parsed(at, "enhanced, native or undecided", Says::from_name)?,
                rule: rules.owned(at)?,
            })
        })?;
        Ok(Some(DeclaredContrast { verdict, evidence }))
    }))
}

fn refused_slices(batch: &Batch) -> Result<Part<Vec<(String, usize)>>, LakeError> {
    let refused = batch.struct_lists("refused_slices")?;
    let (reasons, slices) = (refused.elements.texts("reason")?, refused.elements.longs("slices")?);
    Ok(Box::new(move |row| refused.read(row, |at| Ok((reasons.owned(at)?, slices.required(at)?)))))
}

/// Rows of earlier versions have null: nothing was remarked.
fn remarks(batch: &Batch) -> Result<Part<Vec<Remark>>, LakeError> {
    let remarks = batch.struct_lists("remarks")?;
    let (codes, details) = (remarks.elements.texts("code")?, remarks.elements.texts("detail")?);
    Ok(Box::new(move |row| {
        remarks.read(row, |at| {
            let code = codes.parsed(at, "a remark that this version knows", RemarkCode::from_name)?;
            Ok(Remark::new(code, details.required(at)?))
        })
    }))
}
