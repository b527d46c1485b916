//! The body part that a slab shows, where neither tag nor words say it.

use bolus_study::BodyPart;

use crate::slab::Slab;

/// HU range of aerated lung; outside air and bowel gas lie below it for the most part.
const LUNG_HU: std::ops::RangeInclusive<f32> = -950.0..=-600.0;
/// HU above which a voxel is tissue.
const TISSUE_HU: f32 = -250.0;
/// Share of lung among the voxels of a slab from which it is a chest.
const CHEST_LUNG_SHARE: f64 = 0.08;
/// Share of tissue in the window from which the body fills it, as a trunk does and a head or a neck does not.
const TRUNK_TISSUE_SHARE: f64 = 0.8;

/// A geometry rule on the 192 mm window: lung makes a chest; a window full of tissue without lung an abdomen. Anything else (a head, a neck,
/// a limb) is `None`: the rule does not tell them apart, and no default is taken.
#[must_use]
pub fn body_part_by_image(slab: &Slab) -> Option<BodyPart> {
    if slab.hu.is_empty() {
        return None;
    }
    let count = |test: &dyn Fn(f32) -> bool| slab.hu.iter().filter(|hu| test(**hu)).count() as f64;
    let all = slab.hu.len() as f64;
    if count(&|hu| LUNG_HU.contains(&hu)) / all >= CHEST_LUNG_SHARE {
        return Some(BodyPart::Chest);
    }
    (count(&|hu| hu > TISSUE_HU) / all >= TRUNK_TISSUE_SHARE).then_some(BodyPart::Abdomen)
}
