//! Any row comes back from SQL as it went in.

use bolus_lake::RowFilter;
use bolus_study::{
    Audit, BodyPart, BodyPartFinding, BodyPartSource, Declared, DeclaredContrast, Evidence, LabelRow, Outcome,
    PredictedClass, Prediction, Reason, ReasonCode, Remark, RemarkCode, Says, SeriesFacts, SliceScore, SopInstanceUid,
    StackRef,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{KEEP, labelled, memory_lake};

fn facts() -> impl Strategy<Value = SeriesFacts> {
    let texts = (of(".*"), vec("[0-9.]{1,64}", 0..3), of(".*"), of(".*"));
    let sizes = (0_usize..5_000, of(0_usize..65_536), of(0_usize..65_536), 0_usize..50);
    let lengths = (of([0.01..10.0, 0.01..10.0]), of(0.01..20.0), of(0.01..20.0), of(-90.0..90.0));
    (texts, sizes, lengths).prop_map(|(texts, sizes, lengths)| SeriesFacts {
        modality: texts.0,
        transfer_syntaxes: texts.1,
        manufacturer: texts.2,
        kernel: texts.3,
        slices: sizes.0,
        rows: sizes.1,
        columns: sizes.2,
        gaps: sizes.3,
        pixel_spacing_mm: lengths.0,
        slice_spacing_mm: lengths.1,
        slice_thickness_mm: lengths.2,
        shear_deg: lengths.3,
    })
}

fn declared() -> impl Strategy<Value = DeclaredContrast> {
    let verdict = prop::sample::select(vec![Declared::Yes, Declared::No, Declared::Absent, Declared::Contradictory]);
    let says = prop::sample::select(vec![Says::Enhanced, Says::Native, Says::Undecided]);
    let evidence = ("[A-Z][A-Za-z]{1,20}", ".{0,64}", says, "[a-z-]{1,20}")
        .prop_map(|(attribute, value, says, rule)| Evidence { attribute, value, says, rule });
    (verdict, vec(evidence, 0..4)).prop_map(|(verdict, evidence)| DeclaredContrast { verdict, evidence })
}

fn prediction() -> impl Strategy<Value = Prediction> {
    let classes = vec![PredictedClass::Enhanced, PredictedClass::Native, PredictedClass::Indeterminate];
    let audits = vec![Audit::Agrees, Audit::Conflicts, Audit::FillsGap, Audit::Undecided];
    let slice = (-2_000.0..2_000.0, "[0-9]{1,10}", 0.0_f32..=1.0).prop_map(|(z_mm, uid, probability)| SliceScore {
        z_mm,
        sop_instance_uid: SopInstanceUid::new(&uid).unwrap(),
        probability,
    });
    let numbers = (0.0..=1.0, 0.0..=1.0, of(0.0..=1.0));
    (prop::sample::select(classes), numbers, prop::sample::select(audits), vec(slice, 0..70)).prop_map(
        |(class, (probability, raw_probability, coverage), audit, slices)| Prediction {
            class,
            probability,
            raw_probability,
            audit,
            slices_planned: Some(slices.len() + 3),
            coverage,
            slices,
            device: "cpu".into(),
            runtime: "1.27.0".into(),
        },
    )
}

fn body_part() -> impl Strategy<Value = BodyPartFinding> {
    let source = prop::sample::select(vec![BodyPartSource::Tag, BodyPartSource::Words, BodyPartSource::Image]);
    (prop::sample::subsequence(BodyPart::ALL.to_vec(), 1..=5), source)
        .prop_map(|(parts, source)| BodyPartFinding { parts, source })
}

fn remark() -> impl Strategy<Value = Remark> {
    (prop::sample::select(RemarkCode::ALL), ".*").prop_map(|(code, detail)| Remark::new(code, detail))
}

fn stack() -> impl Strategy<Value = StackRef> {
    (any::<u32>(), ".*").prop_map(|(number, parted_by)| StackRef { number, parted_by })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let reason = || (prop::sample::select(ReasonCode::ALL), ".*").prop_map(|(code, detail)| Reason::new(code, detail));
    prop_oneof![
        prediction().prop_map(Outcome::Labelled),
        reason().prop_map(Outcome::Refused),
        reason().prop_map(Outcome::Failed),
    ]
}

fn row() -> impl Strategy<Value = LabelRow> {
    let parts = (outcome(), facts(), of(body_part()), of(declared()));
    let rest = (any::<bool>(), of("[0-9a-f]{64}"), ".*", of(".*"), vec(("[a-z_]{1,20}", 0_usize..99), 0..3));
    let told = (of(stack()), vec(remark(), 0..3));
    let numbers = (0.0..1e6, 0_i64..4_000_000_000_000_000, 1_u32..9, 0_usize..9_999);
    (parts, rest, told, numbers).prop_map(|(parts, rest, told, numbers)| LabelRow {
        stack: told.0,
        remarks: told.1,
        outcome: parts.0,
        facts: parts.1,
        body_part: parts.2,
        declared: parts.3,
        series_uid_derived: rest.0,
        patient_key: rest.1,
        source_uri: rest.2,
        event: rest.3,
        refused_slices: rest.4,
        seconds: numbers.0,
        created_at_us: numbers.1,
        attempts: numbers.2,
        files: numbers.3,
        ..labelled(0)
    })
}

/// What `SELECT *` should give for `row`, built from the row and not by the code under test.
fn expected(row: &LabelRow) -> Value {
    let facts = &row.facts;
    let label = row.prediction();
    let declared = row.declared.as_ref();
    let evidence = declared.map_or(json!([]), |declared| serde_json::to_value(&declared.evidence).unwrap());
    let slices = label.map_or(json!([]), |label| serde_json::to_value(&label.slices).unwrap());
    let refused = row.refused_slices.iter().map(|(reason, slices)| json!({"reason": reason, "slices": slices}));
    let created = chrono::DateTime::from_timestamp_micros(row.created_at_us).unwrap();
    json!({
        "row_key": row.key, "status": row.status(), "reason_code": row.reason().map(|reason| reason.code),
        "reason": row.reason().map(|reason| &reason.detail), "study_instance_uid": row.study_uid,
        "series_instance_uid": row.series_uid, "series_uid_derived": row.series_uid_derived,
        "patient_key": row.patient_key, "source_uri": row.source_uri, "content_sha256": row.content,
        "bundle_name": row.bundle.name, "bundle_version": row.bundle.version, "bundle_digest": row.bundle.digest,
        "modality": facts.modality, "transfer_syntaxes": facts.transfer_syntaxes, "manufacturer": facts.manufacturer,
        "kernel": facts.kernel, "slice_count": facts.slices, "rows": facts.rows, "columns": facts.columns,
        "pixel_spacing_y_mm": facts.pixel_spacing_mm.map(|spacing| spacing[0]),
        "pixel_spacing_x_mm": facts.pixel_spacing_mm.map(|spacing| spacing[1]),
        "slice_spacing_mm": facts.slice_spacing_mm, "slice_thickness_mm": facts.slice_thickness_mm,
        "gaps": facts.gaps, "shear_deg": facts.shear_deg,
        "body_part": row.body_part.as_ref().map(|found| found.joined()),
        "body_part_source": row.body_part.as_ref().map(|found| found.source),
        "declared_contrast": declared.map(|declared| declared.verdict), "declared_evidence": evidence,
        "predicted_class": label.map(|label| label.class), "probability": label.map(|label| label.probability),
        "raw_probability": label.map(|label| label.raw_probability), "audit": label.map(|label| label.audit),
        "slices": slices, "device": label.map(|label| &label.device), "runtime": label.map(|label| &label.runtime),
        "files": row.files, "refused_slices": refused.collect::<Vec<_>>(), "seconds": row.seconds,
        "created_at": created.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(), "program_version": row.program_version,
        "event": row.event, "attempts": row.attempts,
        "slices_planned": label.and_then(|label| label.slices_planned),
        "stack": row.stack.as_ref().map(|stack| stack.number),
        "stack_parted_by": row.stack.as_ref().map(|stack| &stack.parted_by),
        "coverage": label.and_then(|label| label.coverage), "remarks": row.remarks,
    })
}

/// Numbers as `f64`, so that 3 and 3.0 are one; a stored `f32` is compared as such.
fn plain(value: Value) -> Value {
    match value {
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(number) => json!(number.as_f64().map(|value| value as f32)),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        other => other,
    }
}

#[test]
fn every_field_survives() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config::with_cases(24);
    TestRunner::new(config)
        .run(&vec(row(), 1..6), |mut rows| {
            for (number, row) in rows.iter_mut().enumerate() {
                row.key = labelled(number).key;
                row.event = row.event.take().map(|event| format!("{number}{event}"));
            }
            runtime.block_on(async {
                let lake = memory_lake().await;
                lake.append(&rows, &KEEP).await.unwrap();
                let mut text = Vec::new();
                lake.sql("SELECT * FROM labels").await.unwrap().write_json_lines(&mut text).await.unwrap();
                let mut found: Vec<Value> =
                    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
                let mut wanted: Vec<Value> = rows.iter().map(expected).collect();
                let key = |row: &Value| row["row_key"].to_string();
                found.sort_by_key(key);
                wanted.sort_by_key(key);
                prop_assert_eq!(found.len(), wanted.len());
                for (found, wanted) in found.into_iter().zip(wanted) {
                    prop_assert_eq!(plain(found), plain(wanted));
                }
                let mut read = lake.labels(&RowFilter::default()).await.unwrap().all().await.unwrap();
                read.sort_by(|one, other| one.key.cmp(&other.key));
                rows.sort_by(|one, other| one.key.cmp(&other.key));
                prop_assert_eq!(read, rows);
                Ok(())
            })
        })
        .unwrap();
}
