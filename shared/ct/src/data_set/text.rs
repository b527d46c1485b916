//! Texts in the character set that Specific Character Set (0008,0005) names (PS3.3 section C.12.1.1.2, PS3.5 section
//! 6.1.2).
//!
//! What is declared decides, also where the bytes would make sense in another set: the GB18030 bytes of 平扫, plain
//! scan, are valid UTF-8 for something else. A file that declares the wrong set so has no evidence in its texts; to
//! guess would find words that nobody wrote. Where nothing is declared, UTF-8 is taken where it is valid (ASCII always
//! is), else Latin-1.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
    ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1254,
};

/// How the bytes of a text become characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// Nothing is declared, or nothing that is known.
    Undeclared,
    /// One set without code extensions.
    One(High),
    /// Code extensions (ISO 2022): escape sequences change what bytes mean.
    Extended {
        /// What bytes above 0x80 mean at the start of each value.
        first: High,
        /// What they mean where the set that the value needs was declared and never called.
        uncalled: High,
    },
}

/// What bytes above 0x80 mean; below it all sets of this kind are ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum High {
    /// Nothing: the default repertoire.
    Nothing,
    /// ISO 8859-1.
    Latin1,
    /// Half-width katakana of JIS X 0201.
    Katakana,
    /// All that this encoding says.
    Of(&'static Encoding),
}

/// What bytes from 0x21 to 0x7E mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Low {
    Ascii,
    /// Pairs of JIS X 0208.
    Jis0208,
    /// Pairs of JIS X 0212.
    Jis0212,
}

const ESCAPE: u8 = 0x1B;

impl Charset {
    /// The character set that the value of Specific Character Set names.
    pub fn of(declared: &[u8]) -> Self {
        let text = String::from_utf8_lossy(declared);
        let terms: Vec<Term> = text.split('\\').map(Term::of).collect();
        // Sets that cannot be extended stand alone; what stands beside them says nothing (PS3.3 section C.12.1.1.2).
        if let Some(whole) = terms.iter().find_map(|term| term.whole) {
            return Self::One(whole);
        }
        let first = terms.first().and_then(|term| term.high);
        if terms.len() == 1 && !terms.iter().any(|term| term.extends) {
            return first.map_or(Self::Undeclared, Self::One);
        }
        let uncalled = terms.iter().filter_map(|term| term.high).find(|high| *high != High::Nothing);
        Self::Extended { first: first.unwrap_or(High::Nothing), uncalled: uncalled.unwrap_or(High::Nothing) }
    }

    /// The text that `bytes` hold. Bytes that mean nothing become U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Undeclared => match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => High::Latin1.decode(bytes),
            },
            Self::One(high) => high.decode(bytes),
            Self::Extended { first, uncalled } => decode_extended(bytes, first, uncalled),
        }
    }
}

/// One value of Specific Character Set.
#[derive(Debug, Clone, Copy, Default)]
struct Term {
    /// The bytes above 0x80, where the term is known.
    high: Option<High>,
    /// A set that cannot be extended.
    whole: Option<High>,
    /// The term speaks of code extensions.
    extends: bool,
}

impl Term {
    /// Reads a defined term, with the spellings that files have: `ISO IR 100`, `iso-ir-100`, `ISO_IR100`.
    fn of(term: &str) -> Self {
        let plain: String =
            term.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect();
        let whole = |high| Self { high: Some(high), whole: Some(high), extends: false };
        match plain.as_str() {
            "" => return Self { high: Some(High::Nothing), ..Self::default() },
            "GB18030" => return whole(High::Of(GB18030)),
            "GBK" | "GB2312" | "CP936" => return whole(High::Of(GBK)),
            "ISOIR192" | "UTF8" => return whole(High::Of(UTF_8)),
            "SHIFTJIS" | "SJIS" => return whole(High::Of(SHIFT_JIS)),
            "BIG5" => return whole(High::Of(BIG5)),
            _ => {}
        }
        let (number, extends) = match plain.strip_prefix("ISO2022IR").or_else(|| plain.strip_prefix("ISO2022")) {
            Some(number) => (number, true),
            None => (plain.strip_prefix("ISOIR").or_else(|| plain.strip_prefix("ISO")).unwrap_or(&plain), false),
        };
        Self { high: high_of(number), whole: None, extends }
    }
}

/// The set of a registration number, or of a part of ISO 8859.
fn high_of(number: &str) -> Option<High> {
    Some(match number {
        "6" => High::Nothing,
        "100" | "88591" | "LATIN1" => High::Latin1,
        "101" | "88592" => High::Of(ISO_8859_2),
        "109" | "88593" => High::Of(ISO_8859_3),
        "110" | "88594" => High::Of(ISO_8859_4),
        "144" | "88595" => High::Of(ISO_8859_5),
        "127" | "88596" => High::Of(ISO_8859_6),
        "126" | "88597" => High::Of(ISO_8859_7),
        "138" | "88598" => High::Of(ISO_8859_8),
        "148" | "88599" => High::Of(WINDOWS_1254),
        "166" => High::Of(WINDOWS_874),
        "203" | "885915" => High::Of(ISO_8859_15),
        "13" => High::Katakana,
        // JIS X 0208 and 0212 are called into the low bytes; some writers set their high bits, which is EUC-JP.
        "87" | "159" => High::Of(EUC_JP),
        "149" => High::Of(EUC_KR),
        "58" => High::Of(GBK),
        _ => return None,
    })
}

impl High {
    fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Nothing => {
                bytes.iter().map(|&byte| if byte < 0x80 { char::from(byte) } else { '\u{FFFD}' }).collect()
            }
            Self::Latin1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
            Self::Katakana => bytes.iter().map(|&byte| katakana(byte)).collect(),
            Self::Of(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        }
    }
}

/// JIS X 0201; its yen sign and overline are read as the ASCII characters they stand in for.
fn katakana(byte: u8) -> char {
    match byte {
        0x00..=0x7F => char::from(byte),
        0xA1..=0xDF => char::from_u32(0xFF61 + u32::from(byte) - 0xA1).unwrap_or('\u{FFFD}'),
        _ => '\u{FFFD}',
    }
}

/// Text with escape sequences (PS3.5 section 6.1.2.5): runs between them are decoded one by one. At the end of a line
/// or of a value the sets of the start hold again.
fn decode_extended(bytes: &[u8], first: High, uncalled: High) -> String {
    let start = if first == High::Nothing { uncalled } else { first };
    let (mut low, mut high) = (Low::Ascii, start);
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&byte) = rest.first() {
        if byte == ESCAPE {
            let (call, length) = called(rest);
            match call {
                Some(Call::Low(set)) => low = set,
                Some(Call::High(set)) => high = set,
                None => {}
            }
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let resets = |byte: u8| low == Low::Ascii && matches!(byte, b'\\' | b'\r' | b'\n' | b'\t' | 0x0C);
        let length = rest.iter().position(|&byte| byte == ESCAPE || resets(byte)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        decode_run(run, low, high, &mut text);
        rest = after;
        if let Some((&byte, after)) = rest.split_first().filter(|(byte, _)| resets(**byte)) {
            text.push(char::from(byte));
            (low, high) = (Low::Ascii, start);
            rest = after;
        }
    }
    text
}

fn decode_run(run: &[u8], low: Low, high: High, text: &mut String) {
    let raised = |byte: &u8| if (0x21..=0x7E).contains(byte) { byte | 0x80 } else { *byte };
    match low {
        Low::Ascii => text.push_str(&high.decode(run)),
        Low::Jis0208 => {
            let pairs: Vec<u8> = run.iter().map(raised).collect();
            text.push_str(&High::Of(EUC_JP).decode(&pairs));
        }
        Low::Jis0212 => {
            let pairs: Vec<u8> =
                run.chunks(2).flat_map(|pair| std::iter::once(0x8F).chain(pair.iter().map(raised))).collect();
            text.push_str(&High::Of(EUC_JP).decode(&pairs));
        }
    }
}

/// What an escape sequence calls.
enum Call {
    Low(Low),
    High(High),
}

/// The escape sequence at the start of `bytes` (PS3.3 tables C.12-3 and C.12-4), and its length.
fn called(bytes: &[u8]) -> (Option<Call>, usize) {
    let call = match bytes.get(1..).unwrap_or_default() {
        [b'(', b'B' | b'J', ..] => (Some(Call::Low(Low::Ascii)), 3),
        [b'$', b'B' | b'@', ..] => (Some(Call::Low(Low::Jis0208)), 3),
        [b'$', b'(', b'D', ..] => (Some(Call::Low(Low::Jis0212)), 4),
        [b'$', b'(', b'B' | b'@', ..] => (Some(Call::Low(Low::Jis0208)), 4),
        [b')', b'I', ..] => (Some(Call::High(High::Katakana)), 3),
        [b'$', b')', b'C', ..] => (Some(Call::High(High::Of(EUC_KR))), 4),
        [b'$', b')', b'A', ..] => (Some(Call::High(High::Of(GBK))), 4),
        [b'-', part, ..] => (part_of_8859(*part).map(Call::High), 3),
        [b'$', b'(' | b')', _, ..] => (None, 4),
        [b'$' | b'(' | b')', _, ..] => (None, 3),
        _ => (None, 1),
    };
    (call.0, call.1.min(bytes.len()))
}

fn part_of_8859(code: u8) -> Option<High> {
    let number = match code {
        b'A' => "100",
        b'B' => "101",
        b'C' => "109",
        b'D' => "110",
        b'F' => "126",
        b'G' => "127",
        b'H' => "138",
        b'L' => "144",
        b'M' => "148",
        b'T' => "166",
        b'b' => "203",
        _ => return None,
    };
    high_of(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(declared: &str, bytes: &[u8]) -> String {
        Charset::of(declared.as_bytes()).decode(bytes)
    }

    #[test]
    fn what_is_declared_decides() {
        let plain_scan = b"\xC6\xBD\xC9\xA8";
        assert!(std::str::from_utf8(plain_scan).is_ok(), "the bytes are valid UTF-8 too");
        assert_eq!(read("GB18030", plain_scan), "平扫");
        assert_eq!(read("GBK", plain_scan), "平扫");
        assert_eq!(read("GB18030\\ISO 2022 IR 58", plain_scan), "平扫");
        assert_eq!(read("\\GB18030", plain_scan), "平扫");
        assert_eq!(read("ISO_IR 100", plain_scan), "Æ½É¨");
        assert_eq!(read("ISO_IR 192", "平扫".as_bytes()), "平扫");
        assert_eq!(read("ISO_IR 6", plain_scan), "\u{FFFD}".repeat(4));
        assert_eq!(read("ISO_IR 192", b"sans \xE9t\xE9"), "sans \u{FFFD}t\u{FFFD}");
    }

    #[test]
    fn nothing_declared_is_utf8_where_it_can_be() {
        assert_eq!(read("NO SUCH SET", "plié".as_bytes()), "plié");
        assert_eq!(Charset::Undeclared.decode(b"pli\xE9"), "plié");
    }

    #[test]
    fn single_byte_sets_are_read_in_all_spellings() {
        for declared in
            ["ISO_IR 144", "ISO IR 144", "iso-ir-144", "ISO_IR_144 ", "ISO 2022 IR 144", "\\ISO 2022 IR 144"]
        {
            assert_eq!(read(declared, b"\xD1\xD5\xD7"), "без", "{declared}");
        }
        assert_eq!(read("ISO_IR 126", b"\xF7\xF9\xF1\xDF\xF2"), "χωρίς");
        assert_eq!(read("ISO_IR 13", b"\xC0\xDD\xBC\xDE\xAD\xDD CT"), "ﾀﾝｼﾞｭﾝ CT");
        assert_eq!(read("ISO_IR 166", b"\xA1"), "ก");
        assert_eq!(read("ISO_IR 148", b"kontrasts\xFDz"), "kontrastsız");
    }

    #[test]
    fn escape_sequences_change_sets_and_the_end_of_a_value_changes_them_back() {
        assert_eq!(read("\\ISO 2022 IR 87", b"CT \x1B$BC1=c\x1B(B CT"), "CT 単純 CT");
        assert_eq!(read("ISO 2022 IR 6\\ISO 2022 IR 149", b"\x1B$)C\xC1\xB6\xBF\xB5 CT"), "조영 CT");
        assert_eq!(read("ISO 2022 IR 6\\ISO 2022 IR 149", b"\xC1\xB6\xBF\xB5"), "조영", "declared and not called");
        assert_eq!(read("\\ISO 2022 IR 58", b"\x1B$)A\xC6\xBD\xC9\xA8"), "平扫");
        assert_eq!(read("ISO 2022 IR 100\\ISO 2022 IR 144", b"\xE9 \x1B-L\xD1\\\xE9"), "é б\\é");
        assert_eq!(read("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xC0\x1B$BC1\x1B(J\xC0"), "ﾀ単ﾀ");
        assert_eq!(read("\\ISO 2022 IR 159", b"\x1B$(D\x22\x2F\x1B(B."), "˘.");
        for broken in [&b"\x1B"[..], b"\x1B$", b"\x1B$(", b"\x1B\x1B$B\x30", b"\x1B$(D\x22"] {
            read("\\ISO 2022 IR 87", broken);
        }
    }

    #[test]
    fn a_backslash_inside_a_character_is_no_separator() {
        assert_eq!(read("GBK", b"\x81\x5C").chars().count(), 1);
        assert_eq!(read("\\ISO 2022 IR 87", b"\x1B$B\x30\x5C\x1B(B").chars().count(), 1);
    }
}
