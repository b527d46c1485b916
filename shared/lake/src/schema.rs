//! The columns of the table `labels`. `schemas/labels.json` says what each means; a test holds the two together.

use std::sync::Arc;

use deltalake::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// The version of the schema in `schemas/labels.json`.
pub const SCHEMA_VERSION: u32 = 3;

/// The table property that states [`SCHEMA_VERSION`].
pub(crate) const SCHEMA_PROPERTY: &str = "bolus.schemaVersion";

/// The columns whose smallest and largest values the log keeps for each file: those that queries filter on. Few,
/// so that the log stays small; none that could hold a free text.
pub(crate) const STATISTICS_COLUMNS: &str =
    "row_key,status,study_instance_uid,series_instance_uid,predicted_class,probability,created_at";

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

fn count(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Int64, nullable)
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

fn flag(name: &str) -> Field {
    Field::new(name, DataType::Boolean, false)
}

fn list(name: &str, element: DataType, nullable: bool) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new("element", element, false))), nullable)
}

/// The fields of an element of `declared_evidence`.
pub(crate) fn evidence_fields() -> Fields {
    Fields::from(vec![text("attribute", false), text("value", false), text("says", false), text("rule", false)])
}

/// The fields of an element of `slices`.
pub(crate) fn slice_fields() -> Fields {
    Fields::from(vec![
        Field::new("z_mm", DataType::Float64, false),
        text("sop_instance_uid", false),
        Field::new("probability", DataType::Float32, false),
    ])
}

/// The fields of an element of `refused_slices`.
pub(crate) fn refused_fields() -> Fields {
    Fields::from(vec![text("reason", false), count("slices", false)])
}

/// The fields of an element of `remarks`.
pub(crate) fn remark_fields() -> Fields {
    Fields::from(vec![text("code", false), text("detail", false)])
}

/// The columns that later versions of the schema added to the first, in the order of their coming: version 2 the first, version 3 the
/// rest. They stand last, so that a table
/// that was upgraded has the order of a new one, and may be null, as rows of before are.
fn added_fields() -> Vec<Field> {
    vec![
        count("slices_planned", true),
        count("stack", true),
        text("stack_parted_by", true),
        number("coverage"),
        list("remarks", DataType::Struct(remark_fields()), true),
    ]
}

/// The Arrow schema of the table `labels`, in the order of `schemas/labels.json`.
pub(crate) fn labels_schema() -> SchemaRef {
    let mut fields = identity_fields();
    fields.extend(series_fields());
    fields.extend(label_fields());
    fields.extend(run_fields());
    fields.extend(added_fields());
    Arc::new(Schema::new(fields))
}

fn identity_fields() -> Vec<Field> {
    vec![
        text("row_key", false),
        text("status", false),
        text("reason_code", true),
        text("reason", true),
        text("study_instance_uid", true),
        text("series_instance_uid", true),
        flag("series_uid_derived"),
        text("patient_key", true),
        text("source_uri", false),
        text("content_sha256", false),
        text("bundle_name", false),
        text("bundle_version", false),
        text("bundle_digest", false),
    ]
}

fn series_fields() -> Vec<Field> {
    vec![
        text("modality", true),
        list("transfer_syntaxes", DataType::Utf8, false),
        text("manufacturer", true),
        text("kernel", true),
        count("slice_count", false),
        count("rows", true),
        count("columns", true),
        number("pixel_spacing_y_mm"),
        number("pixel_spacing_x_mm"),
        number("slice_spacing_mm"),
        number("slice_thickness_mm"),
        count("gaps", false),
        number("shear_deg"),
        text("body_part", true),
        text("body_part_source", true),
    ]
}

fn label_fields() -> Vec<Field> {
    vec![
        text("declared_contrast", true),
        list("declared_evidence", DataType::Struct(evidence_fields()), false),
        text("predicted_class", true),
        number("probability"),
        number("raw_probability"),
        text("audit", true),
        list("slices", DataType::Struct(slice_fields()), false),
        text("device", true),
        text("runtime", true),
    ]
}

fn run_fields() -> Vec<Field> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    vec![
        count("files", false),
        list("refused_slices", DataType::Struct(refused_fields()), false),
        Field::new("seconds", DataType::Float64, false),
        Field::new("created_at", instant, false),
        text("program_version", false),
        text("event", true),
        count("attempts", false),
    ]
}

/// The columns that `found`, a table of an earlier version, does not have yet.
pub(crate) fn missing_fields(found: &Schema) -> Vec<Field> {
    added_fields().into_iter().filter(|field| found.field_with_name(field.name()).is_err()).collect()
}

/// The first way in which `found` differs from the schema in code, in words; none where they agree. Columns that later versions added may
/// be missing.
pub(crate) fn difference(found: &Schema) -> Option<String> {
    let (expected, missing) = (labels_schema(), missing_fields(found));
    for field in expected.fields() {
        match found.field_with_name(field.name()) {
            Err(_) if missing.contains(field) => {}
            Err(_) => return Some(format!("it has no column `{}`", field.name())),
            Ok(other) if other.data_type() != field.data_type() || other.is_nullable() != field.is_nullable() => {
                return Some(format!("its column `{}` is {other:?}, not {field:?}", field.name()));
            }
            Ok(_) => {}
        }
    }
    found
        .fields()
        .iter()
        .find(|field| expected.field_with_name(field.name()).is_err())
        .map(|field| format!("it has a column `{}` that is not known here", field.name()))
}
