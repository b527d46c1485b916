//! What words name that is no attenuation, and how it is told.

use crate::words::ValueKind;

/// What is no attenuation of a tube voltage, whatever else is said.
pub(super) const MAPS: [ValueKind; 5] =
    [ValueKind::VirtualNative, ValueKind::Material, ValueKind::Perfusion, ValueKind::Subtraction, ValueKind::Processed];

/// What such images are.
pub(super) fn kind_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::VirtualNative => "virtual native images",
        ValueKind::Material => "a map of a material",
        ValueKind::Perfusion | ValueKind::PerfusionDerived => "a map of perfusion",
        ValueKind::Subtraction => "a subtraction",
        ValueKind::Processed => "computed values",
        ValueKind::Monoenergetic => "virtual monoenergetic images",
        ValueKind::Projection => "a projection or a curved plane",
        ValueKind::Localizer => "a localizer",
        ValueKind::Screen => "a page of text",
    }
}
