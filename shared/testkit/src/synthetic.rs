//! Synthetic axial CT series: a body-like disc with a bright vessel, written as uncompressed DICOM.

use std::path::{Path, PathBuf};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::mem::InMemDicomObject;
use dicom_object::meta::FileMetaTableBuilder;

/// A series to write. Every field may be changed before [`SyntheticSeries::write`].
#[derive(Debug, Clone)]
pub struct SyntheticSeries {
    /// Series Instance UID; instances get `.1`, `.2`, … below it.
    pub uid: String,
    /// Number of slices.
    pub slices: usize,
    /// Rows and columns of a slice.
    pub size: u16,
    /// Pixel spacing in millimetres.
    pub pixel_spacing_mm: f64,
    /// Distance between slices in millimetres.
    pub slice_spacing_mm: f64,
    /// HU of the vessel in the middle.
    pub vessel_hu: i16,
    /// Body Part Examined.
    pub body_part: &'static str,
    /// Patient ID.
    pub patient_id: String,
    /// Acquisition Number, of a series of several passes; the UIDs of its instances then have it in them.
    pub acquisition: Option<u16>,
}

impl SyntheticSeries {
    /// A chest series of `slices` slices of 128 × 128 pixels, 3 mm apart.
    #[must_use]
    pub fn chest(uid: &str, slices: usize) -> Self {
        Self {
            uid: uid.to_owned(),
            slices,
            size: 128,
            pixel_spacing_mm: 2.5,
            slice_spacing_mm: 3.0,
            vessel_hu: 40,
            body_part: "CHEST",
            patient_id: "SYNTHETIC^PATIENT".to_owned(),
            acquisition: None,
        }
    }

    /// A chest series of 8 slices of 32 × 32 pixels, 5 mm apart, some 25 KB in all, made for `tests/data/bundles/cheap`.
    /// `number` decides the brightness of the vessel and so the label.
    #[must_use]
    pub fn tiny(uid: &str, number: usize) -> Self {
        let vessel_hu = (number * 37 % 350) as i16 - 150;
        Self { size: 32, pixel_spacing_mm: 10.0, slice_spacing_mm: 5.0, vessel_hu, ..Self::chest(uid, 8) }
    }

    /// The file of slice `index`, counted from the feet, as bytes.
    ///
    /// # Panics
    /// When the object cannot be written: tests have no better answer.
    #[must_use]
    pub fn file(&self, index: usize) -> Vec<u8> {
        let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        let mut bytes = Vec::new();
        let file = self.instance(index).with_meta(meta).expect("synthetic header is complete");
        file.write_all(&mut bytes).expect("a buffer takes every byte");
        bytes
    }

    /// Writes one file a slice into `folder` and gives their paths in slice order, from the feet to the head.
    ///
    /// # Panics
    /// When a file cannot be written: tests have no better answer.
    pub fn write(&self, folder: &Path) -> Vec<PathBuf> {
        std::fs::create_dir_all(folder).expect("test folder can be made");
        (0..self.slices)
            .map(|index| {
                let path = folder.join(format!("slice-{index:04}.dcm"));
                std::fs::write(&path, self.file(index)).expect("test file can be written");
                path
            })
            .collect()
    }

    pub(crate) fn instance(&self, index: usize) -> InMemDicomObject {
        let z = index as f64 * self.slice_spacing_mm;
        let spacing = format!("{0}\\{0}", self.pixel_spacing_mm);
        let text = |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
        let number = |tag: Tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        let pixels = DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(self.pixels(index).into()));
        let of_pass = self.acquisition.map(|pass| format!(".{pass}")).unwrap_or_default();
        let acquisition = self.acquisition.map(|pass| text(tags::ACQUISITION_NUMBER, VR::IS, &pass.to_string()));
        let elements = [
            text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
            text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            text(tags::SOP_INSTANCE_UID, VR::UI, &format!("{}{of_pass}.{}", self.uid, index + 1)),
            text(tags::MODALITY, VR::CS, "CT"),
            text(tags::PATIENT_ID, VR::LO, &self.patient_id),
            text(tags::BODY_PART_EXAMINED, VR::CS, self.body_part),
            text(tags::SLICE_THICKNESS, VR::DS, &self.slice_spacing_mm.to_string()),
            text(tags::STUDY_INSTANCE_UID, VR::UI, &format!("{}.9", self.uid)),
            text(tags::SERIES_INSTANCE_UID, VR::UI, &self.uid),
            text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &format!("{}.8", self.uid)),
            text(tags::IMAGE_POSITION_PATIENT, VR::DS, &format!("-160\\-160\\{z}")),
            text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
            number(tags::SAMPLES_PER_PIXEL, 1),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            number(tags::ROWS, self.size),
            number(tags::COLUMNS, self.size),
            text(tags::PIXEL_SPACING, VR::DS, &spacing),
            number(tags::BITS_ALLOCATED, 16),
            number(tags::BITS_STORED, 12),
            number(tags::HIGH_BIT, 11),
            number(tags::PIXEL_REPRESENTATION, 0),
            text(tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
            text(tags::RESCALE_SLOPE, VR::DS, "1"),
            pixels,
        ];
        InMemDicomObject::from_element_iter(elements.into_iter().chain(acquisition))
    }

    /// Stored values of a rough trunk: air, fat below the skin and around a vessel in the middle, soft tissue, lungs, a spine, and a
    /// texture that differs by slice. What is no patient is not labelled.
    #[must_use]
    pub fn pixels(&self, index: usize) -> Vec<u16> {
        let middle = f64::from(self.size) / 2.0;
        (0..usize::from(self.size) * usize::from(self.size))
            .map(|place| {
                let (row, column) = (place / usize::from(self.size), place % usize::from(self.size));
                let (y, x) = ((row as f64 - middle) / middle, (column as f64 - middle) / middle);
                // As much as the noise of a scanner: smoother tissue is no patient's.
                let texture = ((column * 7 + row * 13 + index * 29) % 81) as i16 - 40;
                let lung = ((x.abs() - 0.42) / 0.18).hypot(y / 0.3) < 1.0;
                let spine = (x / 0.14).hypot((y - 0.5) / 0.14) < 1.0;
                let hu = match y.hypot(x) {
                    r if r < 0.12 => self.vessel_hu,
                    r if r < 0.2 => -100 + texture,
                    _ if lung => -850 + texture,
                    _ if spine => 350 + texture,
                    r if r < 0.75 => 45 + texture,
                    r if r < 0.9 => -100 + texture,
                    _ => -1000,
                };
                (hu + 1024) as u16
            })
            .collect()
    }
}
