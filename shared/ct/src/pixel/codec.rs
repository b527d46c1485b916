//! Transfer syntaxes to decoders.

use bolus_study::{Reason, ReasonCode};
use dicom_dictionary_std::uids;

/// How the frames of a transfer syntax are coded (PS3.5 annexes A and 8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// Samples as they are, least significant byte first.
    LittleEndian,
    /// Samples as they are, most significant byte first.
    BigEndian,
    /// PackBits in byte planes.
    Rle,
    /// JPEG by any process that libjpeg-turbo decodes: baseline, extended, progressive and lossless.
    Jpeg,
    /// JPEG-LS, lossless or near lossless.
    JpegLs,
    /// JPEG 2000 part 1 and High-Throughput JPEG 2000.
    Jpeg2000,
    /// JPEG XL.
    JpegXl,
    /// Each frame is a raw deflate stream of little endian samples.
    DeflatedFrame,
}

/// Explicit VR big endian, retired.
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// JPEG extended by spectral selection, processes 6 and 8, retired.
const JPEG_SPECTRAL_SELECTION: &str = "1.2.840.10008.1.2.4.53";
/// JPEG full progression, processes 10 and 12, retired.
const JPEG_PROGRESSION: &str = "1.2.840.10008.1.2.4.55";
/// Encapsulated uncompressed, explicit little endian.
const ENCAPSULATED_UNCOMPRESSED: &str = "1.2.840.10008.1.2.1.98";
/// Deflated image frame compression.
const DEFLATED_FRAME: &str = "1.2.840.10008.1.2.8.1";

impl Codec {
    /// The codec of a transfer syntax.
    ///
    /// *Errors*: `TransferSyntax` with UID and name where no decoder is known.
    pub(super) fn of(transfer_syntax_uid: &str) -> Result<Self, Reason> {
        match transfer_syntax_uid {
            uids::IMPLICIT_VR_LITTLE_ENDIAN
            | uids::EXPLICIT_VR_LITTLE_ENDIAN
            | uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
            | ENCAPSULATED_UNCOMPRESSED => Ok(Self::LittleEndian),
            BIG_ENDIAN => Ok(Self::BigEndian),
            uids::RLE_LOSSLESS => Ok(Self::Rle),
            uids::JPEG_BASELINE8_BIT
            | uids::JPEG_EXTENDED12_BIT
            | JPEG_SPECTRAL_SELECTION
            | JPEG_PROGRESSION
            | uids::JPEG_LOSSLESS
            | uids::JPEG_LOSSLESS_SV1 => Ok(Self::Jpeg),
            uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => Ok(Self::JpegLs),
            uids::JPEG2000_LOSSLESS
            | uids::JPEG2000
            | uids::HTJ2K_LOSSLESS
            | uids::HTJ2K_LOSSLESS_RPCL
            | uids::HTJ2K => Ok(Self::Jpeg2000),
            uids::JPEGXL_LOSSLESS | uids::JPEGXLJPEG_RECOMPRESSION | uids::JPEGXL => Ok(Self::JpegXl),
            DEFLATED_FRAME => Ok(Self::DeflatedFrame),
            other => Err(Reason::new(ReasonCode::TransferSyntax, format!("no decoder for {}", named(other)))),
        }
    }

    /// Whether a frame's samples lie uncompressed in the value.
    pub(super) fn is_native(self) -> bool {
        matches!(self, Self::LittleEndian | Self::BigEndian)
    }
}

fn named(uid: &str) -> String {
    format!("{uid} ({})", crate::transfer_syntax_name(uid).unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_names_the_transfer_syntax() {
        let reason = Codec::of("1.2.840.10008.1.2.4.94").unwrap_err();
        assert_eq!(reason.code, ReasonCode::TransferSyntax);
        assert!(reason.detail.contains("1.2.840.10008.1.2.4.94 (JPIP"), "{}", reason.detail);
        assert!(Codec::of("1.2.3").unwrap_err().detail.ends_with("1.2.3 (unknown)"));
    }
}
