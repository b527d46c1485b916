//! Tensors as files that training reads: float16 shards in NumPy's format, an index of their slices, a statement of the whole.
//!
//! A folder holds `shard-00000.npy`, `shard-00001.npy`, … (`[slice, row, column]`, 0..1), `index.csv` with one row a slice,
//! and `export.json`, which is written last: a folder without it is an export that did not end.
//! Values are rounded from single precision to the nearest float16, ties to even: by at most 2.5e-4 of the range, which is
//! 0.1 HU where the range is 400 HU wide.

mod npy;
mod shards;

pub use npy::npy_bytes;
pub use shards::{ExportError, SeriesEntry, Shard, ShardWriter};
