//! JPEG XL (ISO 18181-1) by jxl-oxide, 1 to 16 bits.

use bolus_study::{PixelWindow, Reason, ReasonCode};
use jxl_oxide::image::BitDepth;
use jxl_oxide::{AllocTracker, CropInfo, InitializeResult, JxlImage, JxlThreadPool};

use super::reasons::{pixel_data, too_large};
use super::samples::{Block, Coded, Samples};
use crate::PixelFormat;

/// The most frames of a codestream: one to show, and those that it takes patches from.
const MAX_FRAMES: usize = 8;

/// The most memory that the decoder takes: this, and some planes of 32 bits for each sample.
const LEAST_MEMORY: usize = 16 << 20;
const MEMORY_PER_SAMPLE: usize = 64;

/// The header is looked for in the first bytes, then in twice as many, and so on.
const FIRST_BYTES: usize = 256;

/// Decodes `window` of a frame.
///
/// *Errors*: `PixelData` where the codestream is damaged, of another size or kind than the header says, or asks for
/// more memory than an image of its size needs; `Truncated`; `TooLarge` for an animation or a pile of layers.
pub(super) fn decode(frame: &[u8], format: &PixelFormat, window: PixelWindow) -> Result<Block, Reason> {
    let (mut image, read) = read_header(frame, format)?;
    let precision = precision_of(&image, format)?;
    feed(frame.get(read..).unwrap_or_default(), |bytes| image.feed_bytes(bytes))?;
    image.finalize().map_err(damaged)?;
    if !image.is_loading_done() {
        return Err(Reason::new(ReasonCode::Truncated, "JPEG XL codestream ends early"));
    }
    if image.num_loaded_keyframes() != 1 || image.num_loaded_frames() > MAX_FRAMES {
        return Err(too_large("frames of a JPEG XL codestream", image.num_loaded_frames(), MAX_FRAMES));
    }
    // A region is told in the codestream's orientation, a window in the image's.
    let turned = image.image_header().metadata.orientation != 1;
    let window = if turned { PixelWindow::whole(format.rows, format.columns) } else { window };
    if !turned {
        image.set_image_region(region(window)?);
    }
    let samples = render(&image, window, format, precision)?;
    let coded = Some(Coded { precision, signed: false });
    Ok(Block { y0: window.y0, x0: window.x0, height: window.height(), width: window.width(), samples, coded })
}

fn damaged(error: impl std::fmt::Display) -> Reason {
    pixel_data(format!("JPEG XL: {error}"))
}

/// Reads the image header alone, with the memory limited; and how many bytes of `frame` that took.
fn read_header(frame: &[u8], format: &PixelFormat) -> Result<(JxlImage, usize), Reason> {
    let samples = format.rows.saturating_mul(format.columns).saturating_mul(format.samples_per_pixel.into());
    let limit = LEAST_MEMORY.saturating_add(samples.saturating_mul(MEMORY_PER_SAMPLE));
    let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(AllocTracker::with_limit(limit));
    let mut unread = builder.build_uninit();
    let (mut read, mut end) = (0, FIRST_BYTES);
    loop {
        let bytes = frame.get(read..end.min(frame.len())).unwrap_or_default();
        if bytes.is_empty() {
            return Err(Reason::new(ReasonCode::Truncated, "JPEG XL header ends early"));
        }
        feed(bytes, |bytes| unread.feed_bytes(bytes))?;
        read += bytes.len();
        end = end.saturating_mul(2);
        match unread.try_init().map_err(damaged)? {
            InitializeResult::NeedMoreData(more) => unread = more,
            InitializeResult::Initialized(image) => return Ok((image, read)),
        }
    }
}

/// Gives the decoder all of `bytes`.
fn feed(mut bytes: &[u8], mut take: impl FnMut(&[u8]) -> jxl_oxide::Result<usize>) -> Result<(), Reason> {
    while !bytes.is_empty() {
        let taken = take(bytes).map_err(damaged)?;
        if taken == 0 {
            return Ok(());
        }
        bytes = bytes.get(taken..).unwrap_or_default();
    }
    Ok(())
}

/// Bits of a sample, where size and kind are the header's.
fn precision_of(image: &JxlImage, format: &PixelFormat) -> Result<u32, Reason> {
    let (rows, columns) = (image.height() as usize, image.width() as usize);
    let channels = image.pixel_format().channels();
    if (rows, columns, channels) != (format.rows, format.columns, usize::from(format.samples_per_pixel)) {
        return Err(pixel_data(format!(
            "JPEG XL frame is {rows} x {columns} x {channels}, expected {} x {} x {}",
            format.rows, format.columns, format.samples_per_pixel
        )));
    }
    let metadata = &image.image_header().metadata;
    match metadata.bit_depth {
        BitDepth::IntegerSample { bits_per_sample: bits @ 1..=16 } if metadata.ec_info.is_empty() => Ok(bits),
        other => {
            Err(pixel_data(format!("JPEG XL samples of {other:?} with {} extra channels", metadata.ec_info.len())))
        }
    }
}

fn region(window: PixelWindow) -> Result<CropInfo, Reason> {
    let narrow = |value: usize| u32::try_from(value).map_err(damaged);
    Ok(CropInfo {
        width: narrow(window.width())?,
        height: narrow(window.height())?,
        left: narrow(window.x0)?,
        top: narrow(window.y0)?,
    })
}

/// Renders the region. The decoder gives fractions of the largest value, which single precision holds exactly.
fn render(image: &JxlImage, window: PixelWindow, format: &PixelFormat, precision: u32) -> Result<Samples, Reason> {
    let render = image.render_frame(0).map_err(damaged)?;
    let mut stream = render.stream();
    let given = [stream.height(), stream.width(), stream.channels()].map(|length| length as usize);
    let expected = [window.height(), window.width(), usize::from(format.samples_per_pixel)];
    if given != expected {
        return Err(pixel_data(format!("JPEG XL: expected {expected:?} samples, the decoder gave {given:?}")));
    }
    let mut fractions = vec![0f32; expected.iter().product()];
    let written = stream.write_to_buffer(&mut fractions);
    fractions.truncate(written);
    let largest = ((1u32 << precision) - 1) as f32;
    let value = |fraction: f32| (fraction * largest + 0.5).clamp(0.0, largest) as u16;
    Ok(Samples::U16(fractions.into_iter().map(value).collect()))
}
