//! What is kept of a data set (PS3.5 section 7): elements and items.

use dicom_core::Tag;

/// An element's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// The bytes as stored.
    Bytes(Box<[u8]>),
    /// The items of a sequence.
    Items(Vec<DataSet>),
}

/// One kept element.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Element {
    /// The attribute.
    pub tag: Tag,
    /// The value representation as stated; zeros in implicit encoding.
    pub vr: [u8; 2],
    /// The value.
    pub value: Value,
}

impl Element {
    /// What it takes with all that is in it; the nesting of what is kept is bounded.
    pub fn kept_bytes(&self) -> usize {
        let inside = match &self.value {
            Value::Bytes(bytes) => bytes.len(),
            Value::Items(items) => items.iter().flat_map(|item| &item.elements).map(Self::kept_bytes).sum(),
        };
        size_of::<Self>() + inside
    }
}

/// The kept elements of a data set or of an item, each attribute once: where one is repeated, the first counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct DataSet {
    /// In file order.
    pub elements: Vec<Element>,
}

impl DataSet {
    /// The element of an attribute.
    pub fn element(&self, tag: Tag) -> Option<&Element> {
        self.elements.iter().find(|element| element.tag == tag)
    }
}
