//! What the pixel values of an instance measure, by its header: Hounsfield units, or something that only looks like them.
//!
//! Writers say so where they like: Image Type and Frame Type (PS3.3 sections C.8.2.1.1.1 and C.8.16.1.4, and C.8.2.1.1.1.3 for
//! multi-energy), Rescale Type (C.11.1.1.2), the multi-energy attributes (C.8.15.3.16), derivation codes, mappings to real world
//! values, and the words of descriptions and comments. Any of them is enough.
//!
//! [`hints`](hints()) collects what stands beside Image Type and Rescale Type, out of the attributes that `data_set::value_attributes`
//! lists; the tables of words stand in `words/tables/values`; `judgement` makes a verdict of all of it.

mod hints;
mod image_type;
mod judgement;
mod kinds;
#[cfg(test)]
mod tests;
mod units;

pub(crate) use hints::hints;
pub(crate) use image_type::{localizer_type, named, names, screen_type, unlike_plain};
pub(crate) use judgement::{energy_kev, projection_judgement, value_judgement, value_remark};
