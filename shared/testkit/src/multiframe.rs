//! Synthetic series in one Enhanced CT file, and its slices with run-length coded pixels.

use dicom_core::value::{DataSetSequence, PixelFragmentSequence};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::mem::InMemDicomObject;
use dicom_object::meta::FileMetaTableBuilder;

use crate::SyntheticSeries;

/// How the frames of a file are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// One after the other.
    Native,
    /// One after the other, in a data set that is deflated as a whole.
    Deflated,
    /// RLE Lossless, without a table of where they lie.
    Coded,
    /// RLE Lossless, with a Basic Offset Table.
    BasicTable,
    /// RLE Lossless, with an Extended Offset Table.
    ExtendedTable,
}

impl SyntheticSeries {
    /// The whole series as one Enhanced CT file with a functional group for each slice.
    ///
    /// # Panics
    /// When the object cannot be written: tests have no better answer.
    #[must_use]
    pub fn enhanced(&self, frames: Frames) -> Vec<u8> {
        let mut object = self.instance(0);
        let text = |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
        let sequence =
            |tag: Tag, items: Vec<InMemDicomObject>| DataElement::new(tag, VR::SQ, DataSetSequence::from(items));
        let group = |tag: Tag, elements: Vec<DataElement<InMemDicomObject>>| {
            sequence(tag, vec![InMemDicomObject::from_element_iter(elements)])
        };
        let take = |object: &InMemDicomObject, tag: Tag| object.element(tag).expect("a slice has it").clone();
        let shared = [
            group(
                tags::PIXEL_MEASURES_SEQUENCE,
                vec![take(&object, tags::PIXEL_SPACING), take(&object, tags::SLICE_THICKNESS)],
            ),
            group(tags::PLANE_ORIENTATION_SEQUENCE, vec![take(&object, tags::IMAGE_ORIENTATION_PATIENT)]),
            group(
                tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
                vec![take(&object, tags::RESCALE_INTERCEPT), take(&object, tags::RESCALE_SLOPE)],
            ),
        ];
        let own = |index: usize| {
            let position = take(&self.instance(index), tags::IMAGE_POSITION_PATIENT);
            InMemDicomObject::from_element_iter([group(tags::PLANE_POSITION_SEQUENCE, vec![position])])
        };
        for tag in [
            tags::PIXEL_SPACING,
            tags::SLICE_THICKNESS,
            tags::IMAGE_ORIENTATION_PATIENT,
            tags::IMAGE_POSITION_PATIENT,
            tags::RESCALE_INTERCEPT,
            tags::RESCALE_SLOPE,
        ] {
            object.remove_element(tag);
        }
        object.put(text(tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE));
        object.put(text(tags::NUMBER_OF_FRAMES, VR::IS, &self.slices.to_string()));
        object
            .put(sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![InMemDicomObject::from_element_iter(shared)]));
        object.put(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, (0..self.slices).map(own).collect()));
        self.put_frames(&mut object, frames);
        let syntax = match frames {
            Frames::Native => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            Frames::Deflated => uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
            _ => uids::RLE_LOSSLESS,
        };
        written(object, syntax)
    }

    /// The file of slice `index`, as [`SyntheticSeries::file`], in RLE Lossless.
    ///
    /// # Panics
    /// When the object cannot be written: tests have no better answer.
    #[must_use]
    pub fn coded_file(&self, index: usize) -> Vec<u8> {
        let mut object = self.instance(index);
        put_coded(&mut object, vec![run_length(&self.pixels(index))], Vec::new());
        written(object, uids::RLE_LOSSLESS)
    }

    fn put_frames(&self, object: &mut InMemDicomObject, frames: Frames) {
        let pixels = (0..self.slices).map(|index| self.pixels(index));
        if matches!(frames, Frames::Native | Frames::Deflated) {
            let all: Vec<u16> = pixels.flatten().collect();
            object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(all.into())));
            return;
        }
        let coded: Vec<Vec<u8>> = pixels.map(|pixels| run_length(&pixels)).collect();
        let offsets: Vec<u64> = coded
            .iter()
            .scan(0, |next, frame| {
                let at = *next;
                *next += 8 + frame.len() as u64;
                Some(at)
            })
            .collect();
        let basic = if frames == Frames::BasicTable {
            offsets.iter().map(|offset| *offset as u32).collect()
        } else {
            Vec::new()
        };
        if frames == Frames::ExtendedTable {
            let lengths: Vec<u64> = coded.iter().map(|frame| frame.len() as u64).collect();
            object.put(DataElement::new(tags::EXTENDED_OFFSET_TABLE, VR::OV, PrimitiveValue::U64(offsets.into())));
            object.put(DataElement::new(
                tags::EXTENDED_OFFSET_TABLE_LENGTHS,
                VR::OV,
                PrimitiveValue::U64(lengths.into()),
            ));
        }
        put_coded(object, coded, basic);
    }
}

fn put_coded(object: &mut InMemDicomObject, coded: Vec<Vec<u8>>, table: Vec<u32>) {
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PixelFragmentSequence::new(table, coded)));
}

fn written(object: InMemDicomObject, syntax: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let meta = FileMetaTableBuilder::new().transfer_syntax(syntax);
    let file = object.with_meta(meta).expect("synthetic header is complete");
    file.write_all(&mut bytes).expect("a buffer takes every byte");
    bytes
}

/// Two byte planes of literal runs (PS3.5 annex G): as long as the pixels, and some more.
fn run_length(pixels: &[u16]) -> Vec<u8> {
    let plane = |byte: usize| -> Vec<u8> {
        let bytes: Vec<u8> = pixels.iter().map(|pixel| pixel.to_be_bytes()[byte]).collect();
        let mut plane: Vec<u8> = bytes
            .chunks(128)
            .flat_map(|run| std::iter::once((run.len() - 1) as u8).chain(run.iter().copied()))
            .collect();
        plane.resize(plane.len().next_multiple_of(2), 0x80);
        plane
    };
    let (high, low) = (plane(0), plane(1));
    let mut header = [0_u32; 16];
    header[..3].copy_from_slice(&[2, 64, 64 + high.len() as u32]);
    [header.iter().flat_map(|word| word.to_le_bytes()).collect(), high, low].concat()
}
