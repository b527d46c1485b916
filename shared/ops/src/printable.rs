//! Text from outside, made safe to show.
//!
//! Names, values and messages that files, objects, events and tables hold may hold characters that move a terminal's cursor, change
//! its title, or turn the direction of a line. Whatever is shown to people passes here, and such characters become escapes as in
//! Rust's source: `\u{1b}`, `\n`. Evidence in rows is written in the same way.

use std::borrow::Cow;
use std::io::{self, Write};

/// Whether `character` prints as itself and does nothing else: letters, marks, digits, signs and spaces do; control characters (C0,
/// DEL, C1), those that set the direction of text, invisible ones, line separators and those that Unicode has not assigned do not.
fn prints(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let is_space =
        character.is_whitespace() && !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}');
    // After a letter a mark stays as it is; alone it would be escaped.
    let after_a_letter = || ['a', character].iter().collect::<String>().escape_debug().count() == 2;
    is_space || after_a_letter()
}

/// `text` with every character escaped that does not print as itself, line breaks and tabs too. Quotes and backslashes stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    replaced(text, |_| false, |character, into| into.extend(character.escape_debug()))
}

/// As [`printable`], for a text of several lines: its line breaks stay, and each further line is indented, so that no part of it
/// passes for a line of its own.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n    ")
}

/// JSON that says the same as `json`, in which every such character of its strings is an escape of JSON.
#[must_use]
pub fn printable_json(json: &str) -> Cow<'_, str> {
    replaced(json, |character| character == '\n', escape_json)
}

fn escape_json(character: char, into: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        into.push_str(&format!("\\u{unit:04x}"));
    }
}

fn replaced(text: &str, keeps: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let is_good = |character: char| keeps(character) || prints(character);
    let Some(first) = text.find(|character| !is_good(character)) else { return Cow::Borrowed(text) };
    let (good, rest) = text.split_at(first);
    let mut safe = good.to_owned();
    for character in rest.chars() {
        if is_good(character) {
            safe.push(character);
        } else {
            escape(character, &mut safe);
        }
    }
    Cow::Owned(safe)
}

/// What a [`PrintableWriter`] is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Json,
}

/// Passes text on to `inner` with every character escaped that does not print as itself, save line breaks.
#[derive(Debug)]
pub struct PrintableWriter<W> {
    inner: W,
    kind: Kind,
    /// The beginning of a character whose end has not come yet.
    begun: Vec<u8>,
}

impl<W: Write> PrintableWriter<W> {
    /// For text of lines.
    pub fn text(inner: W) -> Self {
        Self { inner, kind: Kind::Text, begun: Vec::new() }
    }

    /// For JSON, one value a line or laid out over several.
    pub fn json(inner: W) -> Self {
        Self { inner, kind: Kind::Json, begun: Vec::new() }
    }

    fn safe<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.kind {
            Kind::Text => {
                replaced(text, |character| character == '\n', |character, into| into.extend(character.escape_debug()))
            }
            Kind::Json => printable_json(text),
        }
    }
}

impl<W: Write> Write for PrintableWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut safe = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            safe += &self.safe(chunk.valid());
            let is_cut =
                chunks.peek().is_none() && std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
            if is_cut && !chunk.invalid().is_empty() {
                self.begun = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                safe.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.inner.write_all(safe.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What may stand in a terminal's way, said in another way than [`prints`] says it.
    fn is_harmful(character: char) -> bool {
        let code = u32::from(character);
        let control = code < 0x20 || (0x7f..0xa0).contains(&code);
        let direction = matches!(code, 0x061c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069);
        let invisible =
            matches!(code, 0x00ad | 0x200b..=0x200d | 0x2028 | 0x2029 | 0x2060..=0x2064 | 0xfeff | 0xfff9..=0xfffb);
        control || direction || invisible || (0xe0000..=0xe007f).contains(&code)
    }

    fn hostile() -> impl Strategy<Value = String> {
        let character = prop_oneof![3 => any::<char>(), 1 => prop::sample::select(HARMFUL.to_vec())];
        prop::collection::vec(character, 0..40).prop_map(String::from_iter)
    }

    const HARMFUL: [char; 12] = [
        '\u{0}', '\u{1b}', '\u{7}', '\r', '\n', '\t', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{feff}',
        '\u{2028}',
    ];

    #[test]
    fn words_of_every_script_stay_as_they_are() {
        for text in
            ["Thorax m. KM, 5 mm", "胸部　造影CT", "Тест é ё", "ORIGINAL\\PRIMARY", "a \"b\" 'c'", "עברית", "e\u{301}"]
        {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_moves_a_cursor_or_turns_a_line_is_escaped() {
        assert_eq!(printable("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(printable("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(printable("\u{9b}31m\u{7f}\u{202e}"), "\\u{9b}31m\\u{7f}\\u{202e}");
        assert_eq!(printable_lines("one\ntwo\u{1b}"), "one\n    two\\u{1b}");
        assert_eq!(printable_json("{\"a\":\"\u{202e}\u{e0041}\"}\n"), "{\"a\":\"\\u202e\\udb40\\udc41\"}\n");
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_holds_a_control_or_a_bidi_character(text in hostile()) {
            prop_assert!(!printable(&text).contains(is_harmful), "{text:?}");
            let lines = printable_lines(&text);
            prop_assert!(!lines.contains(|c| c != '\n' && is_harmful(c)), "{text:?}");
            prop_assert!(lines.split('\n').skip(1).all(|line| line.starts_with("    ")));
        }

        #[test]
        fn json_says_the_same(text in hostile()) {
            let json = serde_json::to_string(&text).unwrap();
            let safe = printable_json(&json);
            prop_assert!(!safe.contains(is_harmful));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }

        #[test]
        fn a_writer_gives_the_same_however_it_is_fed(text in hostile(), cut in 1..7_usize) {
            let mut written = PrintableWriter::text(Vec::new());
            for part in text.as_bytes().chunks(cut) {
                written.write_all(part).unwrap();
            }
            let expected = text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
            prop_assert_eq!(String::from_utf8(written.inner).unwrap(), expected);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut written = PrintableWriter::text(Vec::new());
        written.write_all(b"a\xff\xc3(\x9b\n").unwrap();
        assert_eq!(String::from_utf8(written.inner).unwrap(), "a\u{fffd}\u{fffd}(\u{fffd}\n");
    }
}
