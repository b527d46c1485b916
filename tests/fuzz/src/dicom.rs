//! DICOM files whole, and one frame for each codec in a file that is sound but for the frame.

use bolus_ct::pixel::{decode_window_hu, frame_byte_range};
use bolus_ct::{FIRST_READ_BYTES, Grouping, HeaderRead, Instance, Member, SeenPixels, declare, read_header};
use bolus_study::PixelWindow;

const AIR_HU: f32 = -1024.0;
/// Frames of one file that are decoded.
const FRAMES: usize = 3;

/// The header of a file, read as listing does: from a prefix that grows as asked.
fn read(data: &[u8]) -> Option<Instance> {
    let length = data.len() as u64;
    let mut bytes = FIRST_READ_BYTES.min(length);
    loop {
        match read_header(&data[..bytes as usize], length).ok()? {
            HeaderRead::Instance(instance) => return Some(*instance),
            HeaderRead::NeedMore { bytes: more } => {
                assert!(more > bytes && more <= length, "asked for {more} of {length} bytes after {bytes}");
                bytes = more;
            }
        }
    }
}

/// Header, declared contrast and series.
pub fn header(data: &[u8]) {
    if let Some(instance) = read(data) {
        let _ = declare(instance.evidence.iter().cloned());
        let members = vec![Member { object: 0, folder: String::new(), instance }];
        let _ = Grouping::of(members).series(&SeenPixels::new());
    }
}

/// The same, and pixels.
pub fn file(data: &[u8]) {
    let Some(instance) = read(data) else { return };
    let Some(format) = instance.format.clone() else { return };
    let frames = format.frames.min(FRAMES);
    let whole = PixelWindow { y0: 0, y1: format.rows, x0: 0, x1: format.columns };
    let (top, left) = (format.rows / 4, format.columns / 4);
    let middle =
        PixelWindow { y0: top, y1: (top + 16).min(format.rows), x0: left, x1: (left + 16).min(format.columns) };
    for (frame, window) in (0..frames).flat_map(|frame| [(frame, whole), (frame, middle)]) {
        let range = frame_byte_range(&instance, frame, window, data.len() as u64);
        let Some(bytes) = data.get(range.start as usize..range.end as usize) else { continue };
        let mut hu = Vec::new();
        if decode_window_hu(&instance, frame, window, bytes, range.start, AIR_HU, &mut hu).is_ok() {
            assert!(hu.iter().all(|value| value.is_finite()), "HU that is no number");
        }
    }
}

/// A frame in a file of transfer syntax `syntax`. The first four bytes of `data` are rows, columns, and how the samples lie.
pub fn codec(syntax: &str, data: &[u8]) {
    let Some((&[rows, columns, bits, flags], frame)) = data.split_first_chunk::<4>() else { return };
    let allocated: u16 = if flags & 2 == 0 { 16 } else { 8 };
    let stored = u16::from(bits % 16 + 1).min(allocated);
    let mut file = Writer(vec![0; 128]);
    file.0.extend_from_slice(b"DICM");
    file.text(2, 0x10, b"UI", syntax);
    file.text(8, 0x08, b"CS", "ORIGINAL\\PRIMARY\\AXIAL");
    file.text(8, 0x16, b"UI", "1.2.840.10008.5.1.4.1.1.2");
    file.text(8, 0x18, b"UI", "1.2.3.4");
    file.text(8, 0x60, b"CS", "CT");
    file.text(0x20, 0x0d, b"UI", "1.2.3");
    file.text(0x20, 0x0e, b"UI", "1.2.3.1");
    file.text(0x20, 0x32, b"DS", "-160\\-160\\0");
    file.text(0x20, 0x37, b"DS", "1\\0\\0\\0\\1\\0");
    file.number(0x28, 0x02, 1);
    file.text(0x28, 0x04, b"CS", "MONOCHROME2");
    file.number(0x28, 0x10, u16::from(rows).max(1));
    file.number(0x28, 0x11, u16::from(columns).max(1));
    file.text(0x28, 0x30, b"DS", "1\\1");
    file.number(0x28, 0x100, allocated);
    file.number(0x28, 0x101, stored);
    file.number(0x28, 0x102, stored - 1);
    file.number(0x28, 0x103, u16::from(flags & 1));
    file.text(0x28, 0x1052, b"DS", "-1024");
    file.text(0x28, 0x1053, b"DS", "1");
    file.frame(frame);
    self::file(&file.0);
}

/// Writes explicit VR little endian.
struct Writer(Vec<u8>);

impl Writer {
    fn tag(&mut self, group: u16, element: u16) {
        self.0.extend_from_slice(&group.to_le_bytes());
        self.0.extend_from_slice(&element.to_le_bytes());
    }

    fn text(&mut self, group: u16, element: u16, vr: &[u8; 2], text: &str) {
        let padded = text.len().next_multiple_of(2);
        self.tag(group, element);
        self.0.extend_from_slice(vr);
        self.0.extend_from_slice(&(padded as u16).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        let padding = if vr == b"UI" { 0 } else { b' ' };
        self.0.resize(self.0.len() + padded - text.len(), padding);
    }

    fn number(&mut self, group: u16, element: u16, number: u16) {
        self.tag(group, element);
        self.0.extend_from_slice(b"US\x02\x00");
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Encapsulated pixel data of one frame in one fragment (PS3.5 annex A.4).
    fn frame(&mut self, frame: &[u8]) {
        self.tag(0x7fe0, 0x0010);
        self.0.extend_from_slice(b"OB\0\0\xff\xff\xff\xff");
        self.tag(0xfffe, 0xe000);
        self.0.extend_from_slice(&0_u32.to_le_bytes());
        self.tag(0xfffe, 0xe000);
        let padded = frame.len().next_multiple_of(2);
        self.0.extend_from_slice(&(padded as u32).to_le_bytes());
        self.0.extend_from_slice(frame);
        self.0.resize(self.0.len() + padded - frame.len(), 0);
        self.tag(0xfffe, 0xe0dd);
        self.0.extend_from_slice(&0_u32.to_le_bytes());
    }
}
