//! The `[preprocessing]` section of a bundle manifest.

use serde::{Deserialize, Serialize};

/// What the in-plane window is centred on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// The geometric centre of the resampled slice.
    Centre,
}

/// What happens where the series does not fill the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShortSeries {
    /// The slab moves up into the series; only slices of the series are scored.
    Slide,
    /// The slab stays; what is outside the series is filled and scored, as the published code does.
    Pad,
}

/// How clipped values are brought to 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// From the smallest to the largest value over the scored slices of the series.
    MinMax,
    /// From the lower to the higher end of the clip range, whatever the series holds: a slice's input does not depend on its
    /// neighbours, so that a series may be scored in parts.
    Clip,
}

/// What happens to a stack that gantry tilt has sheared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GantryTilt {
    /// Each slice is moved back in its plane before the planes are interpolated.
    ShearBack,
    /// The series is refused.
    Refuse,
}

/// The reason a spec cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("preprocessing.{key}: {problem}")]
pub struct SpecError {
    /// The key of the manifest.
    pub key: &'static str,
    /// What is wrong with its value.
    pub problem: String,
}

/// Every number between decoded slices and the network's input. `schemas/bundle.md` defines each step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Spacing of the resampled grid in millimetres, `[z, y, x]`.
    pub spacing_mm: [f64; 3],
    /// What the window is centred on.
    pub alignment: Alignment,
    /// Size of the crop in voxels, `[z, y, x]`; z is counted from the cranial end.
    pub crop: [usize; 3],
    /// First and last kept slice of the crop, 0 being its caudal end.
    pub kept_slices: [usize; 2],
    /// What happens where the series does not fill the slab.
    pub short_series: ShortSeries,
    /// HU of voxels outside the series and of padding pixels.
    pub fill_hu: f32,
    /// HU at or below this become this.
    pub floor_hu: f32,
    /// HU above this become `above_ceiling_hu`.
    pub ceiling_hu: f32,
    /// See `ceiling_hu`.
    pub above_ceiling_hu: f32,
    /// HU are clipped to this closed range.
    pub clip_hu: [f32; 2],
    /// How clipped values are brought to 0..1.
    pub scale: Scale,
    /// What happens to a sheared stack.
    pub gantry_tilt: GantryTilt,
    /// How far the slice normal may lie from the patient's z axis, in degrees.
    pub axial_tolerance_deg: f64,
    /// Source slices that a series must have, 1 where the manifest does not say.
    #[serde(default = "one")]
    pub min_slices: usize,
    /// Largest allowed distance between neighbouring source slices, in millimetres; any where the manifest does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_slice_spacing_mm: Option<f64>,
    /// Read for the sake of older manifests, and of no effect: that images are derived is told in the row, and what they show is judged
    /// by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_derived: Option<bool>,
}

fn one() -> usize {
    1
}

/// Largest crop edge in voxels: a manifest beyond it is a mistake, and would cost memory.
const MAX_EDGE: usize = 2048;

impl Spec {
    /// Checks that the numbers can be used together.
    ///
    /// # Errors
    /// [`SpecError`] names the first key whose value cannot be used.
    pub fn validate(&self) -> Result<(), SpecError> {
        let fail = |key, problem: &str| Err(SpecError { key, problem: problem.to_owned() });
        if self.spacing_mm.iter().any(|spacing| !(spacing.is_finite() && *spacing > 0.0)) {
            return fail("spacing_mm", "every spacing must be a positive number of millimetres");
        }
        if self.crop.iter().any(|edge| *edge == 0 || *edge > MAX_EDGE) {
            return fail("crop", "every edge must be from 1 to 2048 voxels");
        }
        let [first, last] = self.kept_slices;
        if first > last || last >= self.crop[0] {
            return fail("kept_slices", "expected first <= last < crop[0]");
        }
        if self.clip_hu[0].partial_cmp(&self.clip_hu[1]) != Some(std::cmp::Ordering::Less) {
            return fail("clip_hu", "expected a lower and a higher number");
        }
        if self.scale == Scale::Clip && self.clip_hu.iter().any(|hu| !hu.is_finite()) {
            return fail("clip_hu", "scale = \"clip\" needs finite ends");
        }
        if [self.fill_hu, self.floor_hu, self.ceiling_hu, self.above_ceiling_hu].iter().any(|hu| !hu.is_finite()) {
            return fail("fill_hu", "every HU must be a finite number");
        }
        if !(0.0..=90.0).contains(&self.axial_tolerance_deg) {
            return fail("axial_tolerance_deg", "expected 0 to 90 degrees");
        }
        if self.min_slices == 0 {
            return fail("min_slices", "expected at least 1");
        }
        if self.max_slice_spacing_mm.is_some_and(|limit| limit.is_nan() || limit <= 0.0) {
            return fail("max_slice_spacing_mm", "expected a positive number of millimetres");
        }
        Ok(())
    }

    /// The published chest preprocessing (Ye et al. 2022, section 1 of the method), with air outside the image and a sliding slab.
    #[must_use]
    pub fn published_chest() -> Self {
        Self {
            spacing_mm: [3.0, 1.0, 1.0],
            alignment: Alignment::Centre,
            crop: [140, 192, 192],
            kept_slices: [50, 119],
            short_series: ShortSeries::Slide,
            fill_hu: -1024.0,
            floor_hu: -1024.0,
            ceiling_hu: 700.0,
            above_ceiling_hu: 0.0,
            clip_hu: [-200.0, 200.0],
            scale: Scale::MinMax,
            gantry_tilt: GantryTilt::ShearBack,
            axial_tolerance_deg: 20.0,
            min_slices: 1,
            max_slice_spacing_mm: None,
            allow_derived: None,
        }
    }
}
