//! How elements are encoded (PS3.5 section 7): with or without their value representation, and how long their lengths are.

/// How elements are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// The value representation is written out.
    pub explicit: bool,
    /// Numbers are big endian.
    pub big: bool,
}

impl Encoding {
    /// Of file meta groups, of deflated data sets and of most files.
    pub const EXPLICIT: Self = Self { explicit: true, big: false };
    /// Of the default transfer syntax, and inside values of VR UN (PS3.5 section 6.2.2).
    pub const IMPLICIT: Self = Self { explicit: false, big: false };
}

/// Value representations with a 32-bit length (PS3.5 table 7.1-1).
pub(crate) fn is_long_vr(vr: [u8; 2]) -> bool {
    matches!(&vr, b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV")
}

/// Value representations with a 16-bit length (PS3.5 table 7.1-2).
pub(crate) fn is_short_vr(vr: [u8; 2]) -> bool {
    #[rustfmt::skip]
    let known = matches!(
        &vr,
        b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FL" | b"FD" | b"IS" | b"LO" | b"LT" | b"PN"
            | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US"
    );
    known
}

/// Whether `vr` is a value representation of the standard.
pub(crate) fn is_known_vr(vr: [u8; 2]) -> bool {
    is_long_vr(vr) || is_short_vr(vr)
}
