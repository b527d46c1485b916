//! Data sets (PS3.5 section 7): the walk through their bytes, what is kept of them, and typed look-ups in that.

mod elements;
mod encoding;
mod fields;
mod head;
mod mark_attributes;
mod text;
pub(crate) mod value_attributes;
mod walk;
mod wanted;

pub(crate) use elements::DataSet;
#[cfg(test)]
pub(crate) use encoding::is_long_vr;
pub(crate) use encoding::{Encoding, is_known_vr};
pub(crate) use fields::Fields;
pub(crate) use head::{Stop, Window};
pub(crate) use walk::{Found, Place, Scope, Walker};
