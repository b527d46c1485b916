//! Streams of JPEG and JPEG-LS whose markers are odd, rewritten as the standards have them.
//!
//! Writers leave EOI out, put zeros before SOI or EOI, bytes between segments, spectral selection into sequential scans
//! (ISO 10918-1 section B.2.3 fixes it), or the height behind the first scan (DNL, section B.2.5). None of it touches
//! the entropy-coded data, which is copied as it is. Decoders warn of such things with the words that they also use
//! for damaged data, so a frame that a decoder does not like is decoded anew from the rewritten stream, and then any
//! warning is a refusal.

/// Which bytes may follow 0xFF in entropy-coded data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// A stuffed zero byte.
    Jpeg,
    /// A stuffed zero bit: anything below 0x80 (ISO 14495-1 section A.1).
    JpegLs,
}

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DNL: u8 = 0xDC;
const COM: u8 = 0xFE;
/// Segments whose content says how colour is coded: JFIF and Adobe.
const COLOUR: [u8; 2] = [0xE0, 0xEE];

/// Rewrites a stream; `None` where it is none, or where only EOI could say that it is whole. `colour` keeps the segments that tell how colour is coded; with one
/// component all application data are dropped.
///
/// Zeros before EOI may be data or not, and only the decoder can tell: `drop_zeros` takes them away.
pub(super) fn rewritten(frame: &[u8], syntax: Syntax, colour: bool, drop_zeros: bool) -> Option<Vec<u8>> {
    let start = frame.iter().position(|byte| *byte != 0)?;
    let mut rest = frame.get(start..)?.strip_prefix(&[0xFF, SOI])?;
    let mut out = vec![0xFF, SOI];
    let (mut sequential, mut height, mut ended) = (false, None, false);
    while let Some((marker, after)) = next_marker(rest) {
        if marker == EOI {
            ended = true;
            break;
        }
        let length = usize::from(u16::from_be_bytes(after.get(..2)?.try_into().ok()?));
        let (segment, after) = after.split_at_checked(length.max(2))?;
        rest = after;
        match marker {
            DNL => patch_height(&mut out, height, segment)?,
            COM => {}
            0xE0..=0xEF if !(colour && COLOUR.contains(&marker)) => {}
            _ => {
                out.extend([0xFF, marker]);
                out.extend(segment);
            }
        }
        if is_start_of_frame(marker, syntax) {
            sequential = matches!(marker, 0xC0 | 0xC1 | 0xC9);
            height = Some(out.len() - segment.len() + 3);
        }
        if marker == SOS {
            if sequential && let Some(selection) = out.last_chunk_mut::<3>() {
                *selection = [0, 63, 0];
            }
            let data = entropy_coded(rest, syntax);
            out.extend(data);
            rest = rest.get(data.len()..)?;
        }
    }
    // CharLS reads the end of a last code that is not there as zeros, and says nothing: a stream without EOI may be cut.
    if !ended && syntax == Syntax::JpegLs {
        return None;
    }
    // Without EOI nobody knows whether zeros at the end are data or fill a fragment: a cut stream must not gain by them.
    if drop_zeros || !ended {
        drop_last_zeros(&mut out);
    }
    out.extend([0xFF, EOI]);
    Some(out)
}

/// The next marker and the bytes behind it: bytes that are none and fill bytes (ISO 10918-1 section B.1.1.2) are
/// skipped.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let start = bytes.iter().position(|byte| *byte == 0xFF)?;
    let marker = bytes.get(start..)?.iter().position(|byte| *byte != 0xFF)? + start;
    Some((bytes[marker], bytes.get(marker + 1..)?))
}

fn is_start_of_frame(marker: u8, syntax: Syntax) -> bool {
    match syntax {
        // 0xC4, 0xC8 and 0xCC are DHT, JPG and DAC.
        Syntax::Jpeg => matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC),
        Syntax::JpegLs => marker == 0xF7,
    }
}

/// Writes the number of lines of a DNL segment into the frame header, where that says zero.
fn patch_height(out: &mut [u8], position: Option<usize>, segment: &[u8]) -> Option<()> {
    let lines = segment.get(2..4)?;
    let height = out.get_mut(position?..position? + 2)?;
    if height == [0, 0] {
        height.copy_from_slice(lines);
    }
    Some(())
}

/// The entropy-coded data at the start of `bytes`: up to a marker other than a restart, or to the end.
fn entropy_coded(bytes: &[u8], syntax: Syntax) -> &[u8] {
    let is_data = |next: u8| match syntax {
        Syntax::Jpeg => next == 0 || (0xD0..=0xD7).contains(&next),
        Syntax::JpegLs => next < 0x80 || (0xD0..=0xD7).contains(&next),
    };
    let end = bytes.windows(2).position(|pair| pair[0] == 0xFF && !is_data(pair[1]));
    bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default()
}

/// Drops zero bytes at the end, save one that is stuffed behind 0xFF.
fn drop_last_zeros(out: &mut Vec<u8>) {
    let used = out.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let stuffed = out.get(used.saturating_sub(1)) == Some(&0xFF) && used < out.len();
    out.truncate(used + usize::from(stuffed));
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 13] = [0xFF, 0xC3, 0, 11, 12, 0, 0, 0, 9, 1, 1, 0x11, 0];
    const SCAN: [u8; 10] = [0xFF, SOS, 0, 8, 1, 1, 0, 1, 0, 0];
    const DATA: [u8; 6] = [1, 0xFF, 0, 0xFF, 0xD0, 2];

    fn stream(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn odd_markers_become_plain_ones() {
        let odd = stream(&[
            &[0, 0, 0xFF, SOI, 0xFF, COM, 0, 3, 7, 0xFF, 0xFF],
            &HEADER,
            &[9, 9],
            &SCAN,
            &DATA,
            &[0xFF, DNL, 0, 4, 0, 5],
        ]);
        let mut header = HEADER;
        header[6] = 5;
        let plain = stream(&[&[0xFF, SOI], &header, &SCAN, &DATA, &[0xFF, EOI]]);
        assert_eq!(rewritten(&odd, Syntax::Jpeg, false, false).unwrap(), plain);
        assert_eq!(rewritten(&plain, Syntax::Jpeg, false, true).unwrap(), plain);
    }

    #[test]
    fn sequential_scans_have_no_spectral_selection() {
        let mut header = HEADER;
        header[1] = 0xC1;
        let odd = stream(&[&[0xFF, SOI], &header, &SCAN, &DATA, &[0xFF, EOI]]);
        let found = rewritten(&odd, Syntax::Jpeg, false, false).unwrap();
        assert_eq!(found[2 + 13 + 7..2 + 13 + 10], [0, 63, 0]);
    }

    #[test]
    fn zeros_before_the_end_are_dropped_where_asked() {
        let odd = stream(&[&[0xFF, SOI], &HEADER, &SCAN, &DATA, &[0, 0, 0xFF, EOI, 0, 0]]);
        let kept = rewritten(&odd, Syntax::Jpeg, false, false).unwrap();
        assert_eq!(kept, odd[..odd.len() - 2]);
        let dropped = rewritten(&odd, Syntax::Jpeg, false, true).unwrap();
        assert_eq!(dropped, stream(&[&[0xFF, SOI], &HEADER, &SCAN, &DATA, &[0xFF, EOI]]));
    }

    #[test]
    fn bytes_that_are_no_stream_are_none() {
        assert_eq!(rewritten(&[], Syntax::Jpeg, false, false), None);
        assert_eq!(rewritten(&[0, 0], Syntax::Jpeg, false, false), None);
        assert_eq!(rewritten(b"garbage", Syntax::JpegLs, false, false), None);
        assert_eq!(rewritten(&[0xFF, SOI, 0xFF, SOS, 0], Syntax::JpegLs, false, false), None);
    }
}
