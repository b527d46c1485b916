//! A frame as dicom-rs wants it, for the decoders of its transfer syntax registry.
//!
//! The decoders take an object that they ask for attributes and fragments. It is this one, made of the format and the
//! coded bytes of one frame: no file is parsed again for them.

use std::borrow::Cow;

use bolus_study::Reason;
use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};

use super::reasons::pixel_data;
use crate::PixelFormat;

/// Decodes a frame by what the registry has for `transfer_syntax_uid`: samples as cells of the decoder's choice, least
/// significant byte first.
///
/// *Errors*: `PixelData` where the registry has no decoder or that gives up.
pub(super) fn decode(transfer_syntax_uid: &str, coded: &[u8], format: &PixelFormat) -> Result<Vec<u8>, Reason> {
    let syntax = TransferSyntaxRegistry.get(transfer_syntax_uid);
    let reader = syntax.and_then(|syntax| syntax.pixel_data_reader());
    let reader = reader.ok_or_else(|| pixel_data(format!("no decoder for {transfer_syntax_uid}")))?;
    let mut cells = Vec::new();
    reader
        .decode_frame(&Frame { transfer_syntax_uid, coded, format }, 0, &mut cells)
        .map_err(|error| pixel_data(error.to_string()))?;
    Ok(cells)
}

/// One coded frame.
struct Frame<'a> {
    transfer_syntax_uid: &'a str,
    coded: &'a [u8],
    format: &'a PixelFormat,
}

impl PixelDataObject for Frame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.transfer_syntax_uid
    }

    fn rows(&self) -> Option<u16> {
        self.format.rows.try_into().ok()
    }

    fn cols(&self) -> Option<u16> {
        self.format.columns.try_into().ok()
    }

    fn samples_per_pixel(&self) -> Option<u16> {
        Some(self.format.samples_per_pixel)
    }

    fn bits_allocated(&self) -> Option<u16> {
        Some(self.format.bits_allocated)
    }

    fn bits_stored(&self) -> Option<u16> {
        Some(self.format.bits_stored)
    }

    fn photometric_interpretation(&self) -> Option<&str> {
        Some(&self.format.photometric)
    }

    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }

    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }

    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(self.coded))
    }

    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }

    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        Some(RawPixelData { fragments: vec![self.coded.to_vec()].into(), offset_table: Vec::new().into() })
    }
}
