//! What Image Type says of the values of a frame (PS3.3 sections C.8.2.1.1.1 and C.8.16.1.4).

use super::kinds::MAPS;
use crate::FrameInfo;
use crate::words::{ValueKind, ValueWords, read_image_type};

/// All that the values of an Image Type, Frame Type or their like say. `ORIGINAL`, `PRIMARY` and their opposites stand in no
/// table, so that values that are out of their place are read too.
pub(super) fn words_of(values: &[String]) -> ValueWords {
    let mut all = ValueWords::default();
    for words in values.iter().map(|value| read_image_type(value)) {
        all.found.extend(words.found);
        all.energies_kev.extend(words.energies_kev);
    }
    all
}

/// The words that name something else than attenuation.
pub(super) fn map_of(frame: &FrameInfo) -> Option<(ValueKind, String)> {
    let words = words_of(&frame.image_type);
    let owned = |(kind, text): (ValueKind, &str)| (kind, text.to_owned());
    let derived = frame.image_type.first().is_some_and(|value| value.trim().eq_ignore_ascii_case("DERIVED"));
    let dynamic = || words.first_of(&[ValueKind::PerfusionDerived]).filter(|_| derived);
    words.first_of(&MAPS).or_else(dynamic).map(owned)
}

/// The words that name a projection or a curved plane.
pub(super) fn projection_of(frame: &FrameInfo) -> Option<String> {
    words_of(&frame.image_type).first_of(&[ValueKind::Projection]).map(|(_, text)| text.to_owned())
}

/// The screen that the frame is a page of, by Image Type.
pub(crate) fn screen_type(frame: &FrameInfo) -> Option<String> {
    words_of(&frame.image_type).first_of(&[ValueKind::Screen]).map(|(_, text)| text.to_owned())
}

/// The words that say that the frame is a localizer.
pub(crate) fn localizer_type(frame: &FrameInfo) -> Option<String> {
    let words = words_of(&frame.image_type);
    // A page that shows the localizer for reference is a page.
    let named = words.first_of(&[ValueKind::Localizer, ValueKind::Screen])?;
    (named.0 == ValueKind::Localizer).then(|| named.1.to_owned())
}

/// The value of an Image Type that names something else than planes of attenuation as a tube voltage shows it, and what it names.
pub(crate) fn unlike_plain(image_type: &[String]) -> Option<(ValueKind, String)> {
    let others = [ValueKind::Projection, ValueKind::Monoenergetic, ValueKind::Screen];
    let kinds: Vec<ValueKind> = MAPS.into_iter().chain(others).collect();
    image_type.iter().find_map(|value| Some((read_image_type(value).first_of(&kinds)?.0, value.clone())))
}

/// Whether a value of an Image Type names `kind`.
pub(crate) fn names(image_type: &[String], kind: ValueKind) -> bool {
    words_of(image_type).first_of(&[kind]).is_some()
}

/// The first of `names` that is a value of an Image Type or one of a value's words.
pub(crate) fn named(image_type: &[String], names: &[&'static str]) -> Option<&'static str> {
    let is = |value: &str, name: &str| {
        value.trim().eq_ignore_ascii_case(name)
            || (!name.contains(' ') && value.split_whitespace().any(|word| word.eq_ignore_ascii_case(name)))
    };
    names.iter().copied().find(|name| image_type.iter().any(|value| is(value, name)))
}
