//! Typed looks into a batch: what a row needs and lacks is an error that names the row.

use std::ops::Range;
use std::sync::Arc;

use deltalake::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use deltalake::arrow::error::ArrowError;

use crate::error::LakeError;

/// What a row says that no row can, in words.
#[derive(Debug)]
pub(super) struct Odd(pub String);

/// The columns of a part of an answer.
pub(super) struct Batch<'a> {
    url: &'a str,
    batch: &'a RecordBatch,
}

/// A column by its name.
#[derive(Debug)]
pub(super) struct Column<A> {
    name: String,
    values: A,
}

pub(super) type Texts = Column<StringArray>;
pub(super) type Longs = Column<Int64Array>;
pub(super) type Numbers = Column<Float64Array>;
pub(super) type Singles = Column<Float32Array>;
pub(super) type Flags = Column<BooleanArray>;
pub(super) type Instants = Column<TimestampMicrosecondArray>;

/// A column of lists; `elements` are those of all rows.
pub(super) struct Lists<E> {
    lists: ListArray,
    pub elements: E,
}

impl<'a> Batch<'a> {
    /// The columns of `batch`, of the lake at `url`.
    pub fn of(url: &'a str, batch: &'a RecordBatch) -> Self {
        Self { url, batch }
    }

    /// Reads each row by its place. The first that cannot be read is the error.
    pub fn rows<T>(&self, read: impl Fn(usize) -> Result<T, Odd>) -> Result<Vec<T>, LakeError> {
        let row = |at| read(at).map_err(|Odd(problem)| self.unreadable(at, problem));
        (0..self.batch.num_rows()).map(row).collect()
    }

    fn unreadable(&self, at: usize, problem: String) -> LakeError {
        let keys = self.texts("row_key").ok();
        let key = keys.as_ref().and_then(|keys| keys.optional(at)).unwrap_or("unknown").to_owned();
        LakeError::Row { url: self.url.to_owned(), key, problem }
    }

    pub fn texts(&self, name: &str) -> Result<Texts, LakeError> {
        texts(name, self.column(name)?)
    }

    pub fn longs(&self, name: &str) -> Result<Longs, LakeError> {
        let values = self.column(name)?;
        column(name, values, values.as_primitive_opt::<Int64Type>())
    }

    pub fn numbers(&self, name: &str) -> Result<Numbers, LakeError> {
        let values = self.column(name)?;
        column(name, values, values.as_primitive_opt::<Float64Type>())
    }

    pub fn flags(&self, name: &str) -> Result<Flags, LakeError> {
        let values = self.column(name)?;
        column(name, values, values.as_boolean_opt())
    }

    pub fn instants(&self, name: &str) -> Result<Instants, LakeError> {
        let values = self.column(name)?;
        column(name, values, values.as_primitive_opt::<TimestampMicrosecondType>())
    }

    /// A column of lists of texts.
    pub fn text_lists(&self, name: &str) -> Result<Lists<Texts>, LakeError> {
        let Column { values: lists, .. } = self.lists(name)?;
        Ok(Lists { elements: texts(name, lists.values())?, lists })
    }

    /// A column of lists of structs.
    pub fn struct_lists(&self, name: &str) -> Result<Lists<Fields>, LakeError> {
        let Column { values: lists, .. } = self.lists(name)?;
        let Column { values, .. } = column(name, lists.values(), lists.values().as_struct_opt())?;
        Ok(Lists { elements: Fields { list: name.to_owned(), values }, lists })
    }

    fn lists(&self, name: &str) -> Result<Column<ListArray>, LakeError> {
        let values = self.column(name)?;
        column(name, values, values.as_list_opt::<i32>())
    }

    fn column(&self, name: &str) -> Result<&ArrayRef, LakeError> {
        self.batch.column_by_name(name).ok_or_else(|| wrong(format!("the answer has no column `{name}`")))
    }
}

/// The fields of the elements of a list.
pub(super) struct Fields {
    list: String,
    values: StructArray,
}

impl Fields {
    pub fn texts(&self, name: &str) -> Result<Texts, LakeError> {
        texts(&self.name(name), self.field(name)?)
    }

    pub fn longs(&self, name: &str) -> Result<Longs, LakeError> {
        let values = self.field(name)?;
        column(&self.name(name), values, values.as_primitive_opt::<Int64Type>())
    }

    pub fn numbers(&self, name: &str) -> Result<Numbers, LakeError> {
        let values = self.field(name)?;
        column(&self.name(name), values, values.as_primitive_opt::<Float64Type>())
    }

    pub fn singles(&self, name: &str) -> Result<Singles, LakeError> {
        let values = self.field(name)?;
        column(&self.name(name), values, values.as_primitive_opt::<Float32Type>())
    }

    fn name(&self, field: &str) -> String {
        format!("{}.{field}", self.list)
    }

    fn field(&self, name: &str) -> Result<&ArrayRef, LakeError> {
        self.values.column_by_name(name).ok_or_else(|| wrong(format!("the answer has no column `{}`", self.name(name))))
    }
}

fn wrong(what: String) -> LakeError {
    LakeError::Arrow(ArrowError::SchemaError(what))
}

fn column<A: Clone>(name: &str, found: &ArrayRef, values: Option<&A>) -> Result<Column<A>, LakeError> {
    let values = values.ok_or_else(|| wrong(format!("the column `{name}` is {}", found.data_type())))?;
    Ok(Column { name: name.to_owned(), values: values.clone() })
}

/// Functions of a query give other kinds of text than the table holds.
fn texts(name: &str, found: &ArrayRef) -> Result<Texts, LakeError> {
    let values = match found.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => cast(found, &DataType::Utf8)?,
        _ => Arc::clone(found),
    };
    column(name, found, values.as_string_opt::<i32>())
}

impl<A> Column<A> {
    /// What is wrong where the column holds `found`.
    pub fn odd(&self, found: impl std::fmt::Display, expected: &str) -> Odd {
        Odd(format!("its column `{}` is {found}, expected {expected}", self.name))
    }
}

impl Texts {
    pub fn optional(&self, at: usize) -> Option<&str> {
        self.values.is_valid(at).then(|| self.values.value(at))
    }

    pub fn required(&self, at: usize) -> Result<&str, Odd> {
        self.optional(at).ok_or_else(|| self.odd("null", "a text"))
    }

    pub fn owned(&self, at: usize) -> Result<String, Odd> {
        self.required(at).map(str::to_owned)
    }

    /// The value that `parse` makes of the text; none of null.
    pub fn optional_parsed<T>(
        &self,
        at: usize,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Odd> {
        let Some(text) = self.optional(at) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| self.odd(format_args!("{text:?}"), expected))
    }

    /// As [`Texts::optional_parsed`], of a text that must be there.
    pub fn parsed<T>(&self, at: usize, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Odd> {
        self.optional_parsed(at, expected, parse)?.ok_or_else(|| self.odd("null", expected))
    }
}

impl Longs {
    /// The number in a type that may not hold every one.
    pub fn optional<T: TryFrom<i64>>(&self, at: usize) -> Result<Option<T>, Odd> {
        let found = self.values.is_valid(at).then(|| self.values.value(at));
        let fits = |number| T::try_from(number).map_err(|_| self.odd(number, "a number in its bounds"));
        found.map(fits).transpose()
    }

    pub fn required<T: TryFrom<i64>>(&self, at: usize) -> Result<T, Odd> {
        self.optional(at)?.ok_or_else(|| self.odd("null", "a number"))
    }
}

impl Numbers {
    pub fn optional(&self, at: usize) -> Option<f64> {
        self.values.is_valid(at).then(|| self.values.value(at))
    }

    pub fn required(&self, at: usize) -> Result<f64, Odd> {
        self.optional(at).ok_or_else(|| self.odd("null", "a number"))
    }
}

impl Singles {
    pub fn required(&self, at: usize) -> Result<f32, Odd> {
        if self.values.is_valid(at) { Ok(self.values.value(at)) } else { Err(self.odd("null", "a number")) }
    }
}

impl Flags {
    pub fn required(&self, at: usize) -> Result<bool, Odd> {
        if self.values.is_valid(at) { Ok(self.values.value(at)) } else { Err(self.odd("null", "true or false")) }
    }
}

impl Instants {
    /// Microseconds since the Unix epoch, UTC.
    pub fn required(&self, at: usize) -> Result<i64, Odd> {
        if self.values.is_valid(at) { Ok(self.values.value(at)) } else { Err(self.odd("null", "a time")) }
    }
}

impl<E> Lists<E> {
    /// The places of the elements of the list at `at`; no places where it is null.
    pub fn places(&self, at: usize) -> Range<usize> {
        let offsets = self.lists.value_offsets();
        let bound = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
        if self.lists.is_valid(at) { bound(at)..bound(at + 1) } else { 0..0 }
    }

    /// The elements of the list at `at`, read by their places.
    pub fn read<T>(&self, at: usize, read: impl Fn(usize) -> Result<T, Odd>) -> Result<Vec<T>, Odd> {
        self.places(at).map(read).collect()
    }
}
