//! The attributes that may tell passes apart, in the order in which they are asked.

use std::cmp::Ordering;

use dicom_dictionary_std::uids;

use crate::FrameInfo;
use crate::series::placed::Placed;

/// The longest value that is told.
const LONGEST: usize = 64;

/// A value of an attribute, in an order.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Nothing,
    Number(f64),
    Text(String),
}

impl Value {
    fn number(value: Option<f64>) -> Self {
        value.map_or(Self::Nothing, Self::Number)
    }

    /// Hundredths: writers round.
    fn rounded(value: Option<f64>) -> Self {
        Self::number(value.map(|value| (value * 100.0).round() / 100.0))
    }

    fn text(value: Option<&str>) -> Self {
        let Some(text) = value else { return Self::Nothing };
        text.parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map_or_else(|| Self::Text(text.to_owned()), Self::Number)
    }

    /// Index values of dimensions, in their order.
    fn dimensions(values: Option<&[u32]>) -> Self {
        match values {
            None | Some([]) => Self::Nothing,
            Some([value]) => Self::Number(f64::from(*value)),
            Some(values) => {
                Self::Text(values.iter().map(|value| format!("{value:010}")).collect::<Vec<_>>().join("\\"))
            }
        }
    }

    /// The value in words, without anything that could act on a terminal.
    pub fn told(&self) -> String {
        match self {
            Self::Nothing => "not stated".into(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.chars().filter(char::is_ascii_graphic).take(LONGEST).collect(),
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

/// How the values of an attribute are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each value names a pass.
    Name,
    /// Values count on: a pass may have several, one after the other.
    Count,
    /// The scanner's clock: as a count, and a pause may part passes.
    Clock,
    /// The clock of whoever wrote the file. Only a pause, or a position that comes again, parts passes.
    Writer,
    /// A number that any order may have given. Only sweeps over positions that come again part passes.
    Number,
}

/// An attribute.
pub(super) struct Attribute {
    pub keyword: &'static str,
    pub kind: Kind,
    /// Whether its values may be told: neither times of a patient's examination nor free text are.
    pub told: bool,
    pub value: fn(&Placed) -> Value,
}

/// All, the surest first.
pub(super) const ATTRIBUTES: [Attribute; 21] = [
    named("StackID", |one| Value::text(one.marks().stack_id.as_deref())),
    Attribute {
        keyword: "TemporalPositionIndex",
        kind: Kind::Count,
        told: true,
        value: |one| Value::number(one.marks().temporal_position),
    },
    Attribute {
        keyword: "AcquisitionNumber",
        kind: Kind::Count,
        told: true,
        value: |one| Value::number(one.marks().acquisition_number),
    },
    Attribute {
        keyword: "TemporalPositionTimeOffset",
        kind: Kind::Count,
        told: true,
        value: |one| Value::rounded(one.marks().temporal_offset_s),
    },
    hidden("IrradiationEventUID", Kind::Name, |one| Value::text(one.marks().irradiation_event_uid.as_deref())),
    hidden("AcquisitionTime", Kind::Clock, |one| Value::number(one.marks().acquired_s)),
    hidden("FrameReferenceDateTime", Kind::Clock, |one| Value::number(one.marks().referenced_s)),
    Attribute {
        keyword: "NominalPercentageOfCardiacPhase",
        kind: Kind::Count,
        told: true,
        value: |one| Value::rounded(one.marks().phase_percent),
    },
    Attribute {
        keyword: "TriggerTime",
        kind: Kind::Count,
        told: true,
        value: |one| Value::rounded(one.marks().trigger_ms),
    },
    named("KVP", |one| Value::rounded(one.marks().kvp)),
    named("ConvolutionKernel", |one| Value::text(one.marks().kernel.as_deref())),
    named("FilterType", |one| Value::text(one.marks().filter.as_deref())),
    named("MonoenergeticEnergyEquivalent", |one| Value::rounded(one.kev())),
    hidden("DimensionIndexValues", Kind::Count, |one| Value::dimensions(one.marks().dimensions.as_deref())),
    named("ImageType", |one| Value::text(Some(&one.image_type().join("\\")))),
    named("SeriesNumber", |one| Value::text(one.slice.instance.series_number.as_deref())),
    hidden("SeriesDescription", Kind::Name, |one| Value::text(one.slice.instance.series_description.as_deref())),
    hidden("ContrastBolusAgent", Kind::Name, |one| Value::text(Some(&contrast(one)))),
    hidden("TransferSyntaxUID", Kind::Name, |one| Value::text(lossy(one))),
    hidden("ContentTime", Kind::Writer, |one| Value::number(one.marks().made_s)),
    hidden("InstanceNumber", Kind::Number, |one| Value::number(one.marks().instance_number)),
];

const fn named(keyword: &'static str, value: fn(&Placed) -> Value) -> Attribute {
    Attribute { keyword, kind: Kind::Name, told: true, value }
}

const fn hidden(keyword: &'static str, kind: Kind, value: fn(&Placed) -> Value) -> Attribute {
    Attribute { keyword, kind, told: false, value }
}

/// The transfer syntax where it may lose something: such an image beside its original is no copy of it.
fn lossy(one: &Placed) -> Option<&str> {
    const LOSSY: [&str; 7] = [
        uids::JPEG_BASELINE8_BIT,
        uids::JPEG_EXTENDED12_BIT,
        uids::JPEGLS_NEAR_LOSSLESS,
        uids::JPEG2000,
        uids::JPEG2000MC,
        uids::HTJ2K,
        uids::JPEGXL,
    ];
    let syntax = one.slice.instance.transfer_syntax_uid.as_str();
    LOSSY.contains(&syntax).then_some(syntax)
}

/// What the attributes of contrast say, the instance's and the frame's own. Whether a program saw the agent depends on what is to see in
/// a slice, not on the pass.
fn contrast(one: &Placed) -> String {
    let own = one.info().map_or(&[][..], FrameInfo::evidence);
    let of = one.slice.instance.evidence.iter().chain(own).filter(|evidence| {
        evidence.attribute.starts_with("Contrast") && evidence.attribute != "ContrastBolusAgentDetected"
    });
    of.map(|evidence| format!("{} {}", evidence.attribute, evidence.value)).collect::<Vec<_>>().join("; ")
}
