//! Remembers what was read, thread by thread: all headers of a series hold the same descriptions.

use std::cell::RefCell;
use std::collections::HashMap;

use bolus_study::BodyPart;

use super::agents::Route;
use super::contrast::Reading;
use super::statements::Level;
use super::values::ValueWords;

/// Texts remembered by a thread; when there are more it begins anew, so that memory stays small.
const MOST_TEXTS: usize = 256;
/// Bytes of the longest text that is remembered.
const LONGEST_TEXT: usize = 512;

thread_local! {
    static MEMO: RefCell<HashMap<String, Known>> = RefCell::default();
}

/// What is known of a text; none where nobody asked yet.
#[derive(Default)]
struct Known {
    of_series: Option<Option<Reading>>,
    of_study: Option<Option<Reading>>,
    parts: Option<Vec<BodyPart>>,
    parts_of_tag: Option<Vec<BodyPart>>,
    described: Option<ValueWords>,
    image_type: Option<ValueWords>,
    route: Option<(Route, String)>,
    agent: Option<Reading>,
    agent_in_vessel: Option<Reading>,
    agent_elsewhere: Option<Reading>,
}

/// What `read` gives for `text`, read once. `read` must not ask here again.
fn remembered<T: Clone>(text: &str, place: impl Fn(&mut Known) -> &mut Option<T>, read: impl FnOnce() -> T) -> T {
    if text.len() > LONGEST_TEXT {
        return read();
    }
    MEMO.with_borrow_mut(|memo| {
        if let Some(known) = memo.get_mut(text) {
            return place(known).get_or_insert_with(read).clone();
        }
        if memo.len() >= MOST_TEXTS {
            memo.clear();
        }
        place(memo.entry(text.to_owned()).or_default()).get_or_insert_with(read).clone()
    })
}

/// What `text` says about intravenous contrast; `None` where it says nothing.
pub(crate) fn read_contrast(text: &str, level: Level) -> Option<Reading> {
    let read = || super::contrast::read_contrast(text, level);
    match level {
        Level::Series => remembered(text, |known| &mut known.of_series, read),
        Level::Study => remembered(text, |known| &mut known.of_study, read),
    }
}

/// The parts that the words of `text` name, in the order of the body, each once.
#[must_use]
pub fn body_parts_of_words(text: &str) -> Vec<BodyPart> {
    remembered(text, |known| &mut known.parts, || super::body::body_parts_of_words(text))
}

/// The parts that a value of Body Part Examined names.
pub(crate) fn body_parts_of_tag(value: &str) -> Vec<BodyPart> {
    remembered(value, |known| &mut known.parts_of_tag, || super::body::body_parts_of_tag(value))
}

/// What a description says of the pixel values.
pub(crate) fn read_description(text: &str) -> ValueWords {
    remembered(text, |known| &mut known.described, || super::values::read_description(text))
}

/// What one value of Image Type says of the pixel values.
pub(crate) fn read_image_type(value: &str) -> ValueWords {
    remembered(value, |known| &mut known.image_type, || super::values::read_image_type(value))
}

/// A route in words, and those of them that say it.
pub(crate) fn read_route(text: &str) -> (Route, String) {
    remembered(text, |known| &mut known.route, || super::agents::read_route(text))
}

/// What the text of Contrast/Bolus Agent says, where the other attributes state `route`, and the words that say it.
pub(crate) fn read_agent(text: &str, route: Route) -> Reading {
    let read = || super::agents::read_agent(text, route);
    match route {
        Route::Unstated => remembered(text, |known| &mut known.agent, read),
        Route::Vascular => remembered(text, |known| &mut known.agent_in_vessel, read),
        Route::Other => remembered(text, |known| &mut known.agent_elsewhere, read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_read() {
        for round in 0..3 {
            for number in 0..MOST_TEXTS + 3 {
                let text = format!("CHEST {} CONTRAST {number}", if number % 2 == 0 { "WITH" } else { "W/O" });
                let fresh = super::super::contrast::read_contrast(&text, Level::Series);
                assert_eq!(read_contrast(&text, Level::Series), fresh, "round {round}: {text}");
                assert_eq!(body_parts_of_words(&text), [BodyPart::Chest]);
            }
        }
        assert!(MEMO.with_borrow(HashMap::len) <= MOST_TEXTS);
    }
}
