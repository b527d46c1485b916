//! DICOM RLE (PS3.5 annex G): PackBits in byte planes, most significant plane first.

use bolus_study::Reason;

use super::reasons::pixel_data;

/// Bytes of the header: a count and 15 offsets, 32 bits each.
const HEADER_BYTES: usize = 64;

/// The most bytes that two coded bytes can stand for.
const LARGEST_RUN: usize = 128;

/// Decodes the first `pixels` pixels of a frame to little endian samples, interleaved by pixel.
///
/// *Errors*: `PixelData` where the segments are not as many as the planes or end early.
pub(super) fn decode(frame: &[u8], pixels: usize, samples: usize, sample_bytes: usize) -> Result<Vec<u8>, Reason> {
    let planes = samples * sample_bytes;
    let segments = segments(frame, planes)?;
    if pixels > frame.len().saturating_mul(LARGEST_RUN) {
        return Err(pixel_data(format!("RLE frame of {} bytes cannot hold {pixels} pixels", frame.len())));
    }
    let mut out = vec![0; pixels * planes];
    for (plane, segment) in segments.into_iter().enumerate() {
        let (sample, byte) = (plane / sample_bytes, plane % sample_bytes);
        let offset = sample * sample_bytes + (sample_bytes - 1 - byte);
        unpack(segment, &mut out, offset, planes)
            .ok_or_else(|| pixel_data(format!("RLE segment {plane} ends before its {pixels} pixels")))?;
    }
    Ok(out)
}

fn segments(frame: &[u8], planes: usize) -> Result<Vec<&[u8]>, Reason> {
    let word = |index: usize| -> Option<usize> {
        let bytes = frame.get(index * 4..index * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let header_end = || pixel_data("RLE header ends early");
    let count = word(0).ok_or_else(header_end)?;
    if count != planes || count * 4 + 4 > HEADER_BYTES {
        return Err(pixel_data(format!("expected {planes} RLE segments, found {count}")));
    }
    (0..count)
        .map(|index| {
            let start = word(index + 1).ok_or_else(header_end)?;
            let end = if index + 1 < count { word(index + 2).ok_or_else(header_end)? } else { frame.len() };
            frame.get(start..end).ok_or_else(|| pixel_data(format!("RLE segment {index} lies outside the frame")))
        })
        .collect()
}

/// Writes a segment's bytes to `out[offset]`, `out[offset + stride]` and so on until `out` is full.
fn unpack(segment: &[u8], out: &mut [u8], offset: usize, stride: usize) -> Option<()> {
    let mut position = offset;
    let mut rest = segment;
    while position < out.len() {
        let (&control, after) = rest.split_first()?;
        if control < 128 {
            let (literal, next) = after.split_at_checked(usize::from(control) + 1)?;
            let target = out.get_mut(position..)?;
            target.iter_mut().step_by(stride).zip(literal).for_each(|(to, from)| *to = *from);
            position += literal.len() * stride;
            rest = next;
        } else if control > 128 {
            let (&value, next) = after.split_first()?;
            let run = 257 - usize::from(control);
            let target = out.get_mut(position..)?;
            target.iter_mut().step_by(stride).take(run).for_each(|to| *to = value);
            position += run * stride;
            rest = next;
        } else {
            rest = after;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(planes: &[&[u8]]) -> Vec<u8> {
        let mut header = vec![u32::try_from(planes.len()).unwrap()];
        let mut position = 64;
        for plane in planes {
            header.push(position);
            position += u32::try_from(plane.len()).unwrap();
        }
        header.resize(16, 0);
        header.into_iter().flat_map(u32::to_le_bytes).chain(planes.concat()).collect()
    }

    #[test]
    fn planes_become_little_endian_samples() {
        let coded = frame(&[&[254, 1], &[128, 2, 10, 20, 30]]);
        assert_eq!(decode(&coded, 3, 1, 2).unwrap(), [10, 1, 20, 1, 30, 1]);
    }

    #[test]
    fn short_or_wrong_segments_are_refused() {
        assert!(decode(&frame(&[&[254, 1], &[1, 10, 20]]), 3, 1, 2).is_err());
        assert!(decode(&frame(&[&[254, 1]]), 3, 1, 2).is_err());
        assert!(decode(&[2, 0, 0], 3, 1, 2).is_err());
    }
}
