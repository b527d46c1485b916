//! Writes a folder of shards.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bolus_evaluation::truth::{LabelledSeries, Split};
use bolus_preprocess::Tensor;
use half::f16;
use half::slice::HalfFloatSliceExt;
use serde::Serialize;

use super::npy::header;

/// The statement that ends an export.
const STATEMENT: &str = "export.json";
/// One row a slice.
const INDEX: &str = "index.csv";
/// The columns of the index.
const COLUMNS: [&str; 11] =
    ["shard", "row", "series_uid", "patient", "contrast", "body_part", "split", "site", "z_mm", "slice", "stack"];

/// The reason that an export cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The folder holds an export already.
    #[error("{} holds a finished export: name another folder, or --force to replace it", .0.display())]
    Finished(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A shard that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shard {
    /// Its file name.
    pub file: String,
    /// Its slices.
    pub slices: usize,
}

/// What the index says of every slice of a series.
#[derive(Debug, Clone, Copy)]
pub struct SeriesEntry<'a> {
    /// Series Instance UID.
    pub uid: &'a str,
    /// Which stack of it, where it has several.
    pub stack: Option<u32>,
    /// Status and particulars.
    pub truth: &'a LabelledSeries,
    /// The body part, where the truth has none.
    pub body_part: Option<&'a str>,
}

/// Writes series, one after the other, into shards of at most so many slices. A series may cross from one shard to the next.
pub struct ShardWriter {
    folder: PathBuf,
    most: usize,
    index: csv::Writer<File>,
    open: Option<Open>,
    shards: Vec<Shard>,
    bytes: Vec<u8>,
}

/// The shard that is being filled.
struct Open {
    file: BufWriter<File>,
    plane: [usize; 2],
    slices: usize,
}

impl ShardWriter {
    /// Begins an export in `folder`; one that did not end is removed, and with `force` one that did, too. Other files stay.
    ///
    /// # Errors
    /// [`ExportError::Finished`] without `force`, [`ExportError::Write`] where the folder cannot be made or cleared.
    pub fn create(folder: &Path, most: NonZeroUsize, force: bool) -> Result<Self, ExportError> {
        let statement = folder.join(STATEMENT);
        if statement.exists() && !force {
            return Err(ExportError::Finished(folder.to_owned()));
        }
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        // The statement goes first: whatever stops this run, no old statement stands beside new shards.
        if statement.exists() {
            std::fs::remove_file(&statement).map_err(failed(&statement))?;
        }
        for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name == INDEX || (name.starts_with("shard-") && name.ends_with(".npy")) {
                std::fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        let path = folder.join(INDEX);
        let mut index = csv::Writer::from_writer(File::create(&path).map_err(failed(&path))?);
        index.write_record(COLUMNS).map_err(|error| failed(&path)(error.into()))?;
        Ok(Self {
            folder: folder.to_owned(),
            most: most.get(),
            index,
            open: None,
            shards: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// Adds the tensor of one series; `z_mm` are the positions of its slices.
    ///
    /// # Errors
    /// [`ExportError::Write`].
    pub fn push(&mut self, series: SeriesEntry<'_>, tensor: &Tensor, z_mm: &[f64]) -> Result<(), ExportError> {
        for (slice, z_mm) in z_mm.iter().enumerate().take(tensor.slices) {
            let Some(values) = tensor.slice(slice) else { break };
            let row = self.slice(values, [tensor.rows, tensor.columns])?;
            let truth = series.truth;
            let body_part = truth.body_part.as_deref().or(series.body_part).unwrap_or_default();
            let cells: [&str; 11] = [
                &(self.shards.len()).to_string(),
                &row.to_string(),
                series.uid,
                truth.patient.as_deref().unwrap_or_default(),
                if truth.contrast { "1" } else { "0" },
                body_part,
                truth.split.map_or("", Split::as_str),
                truth.site.as_deref().unwrap_or_default(),
                &z_mm.to_string(),
                &slice.to_string(),
                &series.stack.map(|number| number.to_string()).unwrap_or_default(),
            ];
            let path = self.folder.join(INDEX);
            self.index.write_record(cells).map_err(|error| failed(&path)(error.into()))?;
        }
        Ok(())
    }

    /// Appends one slice, to a new shard where the last is full; gives its row there.
    fn slice(&mut self, values: &[f32], plane: [usize; 2]) -> Result<usize, ExportError> {
        if self.open.as_ref().is_some_and(|open| open.slices == self.most) {
            self.close()?;
        }
        let path = self.path();
        let open = match &mut self.open {
            Some(open) => open,
            empty => {
                let mut file = BufWriter::with_capacity(1 << 20, File::create(&path).map_err(failed(&path))?);
                file.write_all(&header([0, plane[0], plane[1]])).map_err(failed(&path))?;
                empty.insert(Open { file, plane, slices: 0 })
            }
        };
        let mut halves = vec![f16::ZERO; values.len()];
        halves.convert_from_f32_slice(values);
        self.bytes.clear();
        self.bytes.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
        open.file.write_all(&self.bytes).map_err(failed(&path))?;
        open.slices += 1;
        Ok(open.slices - 1)
    }

    /// The file of the shard that is, or will be, open.
    fn path(&self) -> PathBuf {
        self.folder.join(shard_name(self.shards.len()))
    }

    /// Ends the open shard: its header gets the number of slices.
    fn close(&mut self) -> Result<(), ExportError> {
        let path = self.path();
        let Some(Open { mut file, plane, slices }) = self.open.take() else { return Ok(()) };
        let ended = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&header([slices, plane[0], plane[1]])))
            .and_then(|()| file.into_inner().map_err(std::io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all());
        ended.map_err(failed(&path))?;
        self.shards.push(Shard { file: shard_name(self.shards.len()), slices });
        Ok(())
    }

    /// Ends the last shard and the index; gives the shards.
    ///
    /// # Errors
    /// [`ExportError::Write`].
    pub fn end(&mut self) -> Result<&[Shard], ExportError> {
        self.close()?;
        let path = self.folder.join(INDEX);
        self.index.flush().and_then(|()| self.index.get_ref().sync_all()).map_err(failed(&path))?;
        Ok(&self.shards)
    }

    /// Finishes an export that [`ShardWriter::end`] has ended: `statement` becomes `export.json`.
    ///
    /// # Errors
    /// [`ExportError::Write`].
    pub fn state(&self, statement: &impl Serialize) -> Result<(), ExportError> {
        let path = self.folder.join(STATEMENT);
        let unfinished = self.folder.join("export.json.part");
        let write = || {
            let mut file = BufWriter::new(File::create(&unfinished)?);
            serde_json::to_writer_pretty(&mut file, statement)?;
            file.write_all(b"\n")?;
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        write().map_err(failed(&path))
    }
}

fn shard_name(number: usize) -> String {
    format!("shard-{number:05}.npy")
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Write { path, source }
}

#[cfg(test)]
mod tests {
    use bolus_study::SeriesUid;

    use super::*;

    fn truth() -> LabelledSeries {
        LabelledSeries {
            series: SeriesUid::new("1.2").unwrap(),
            stack: None,
            contrast: true,
            patient: Some("p,1".into()),
            body_part: None,
            split: Some(Split::Test),
            site: None,
        }
    }

    fn tensor(slices: usize) -> Tensor {
        // Halves hold these sixteenths exactly; a third in the first place shows the rounding.
        let data = (0..slices * 6).map(|place| if place == 0 { 1.0 / 3.0 } else { (place % 17) as f32 / 16.0 });
        Tensor { data: data.collect(), slices, rows: 2, columns: 3 }
    }

    fn export(folder: &Path, most: usize, force: bool) -> Result<Vec<Shard>, ExportError> {
        let mut writer = ShardWriter::create(folder, NonZeroUsize::new(most).unwrap(), force)?;
        let truth = truth();
        for (uid, slices) in [("1.2", 3), ("1.10", 2)] {
            let entry = SeriesEntry { uid, stack: None, truth: &truth, body_part: Some("chest") };
            writer.push(entry, &tensor(slices), &[-3.0, 0.5, 2.0][..slices])?;
        }
        let shards = writer.end()?.to_vec();
        writer.state(&shards)?;
        Ok(shards)
    }

    fn values(path: &Path) -> Vec<f32> {
        let bytes = std::fs::read(path).unwrap();
        bytes[128..].as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect()
    }

    #[test]
    fn shards_hold_every_slice_once_in_order_rounded_to_the_nearest_half() {
        let folder = tempfile::tempdir().unwrap();
        let shards = export(folder.path(), 2, false).unwrap();
        assert_eq!(shards.iter().map(|shard| shard.slices).collect::<Vec<_>>(), [2, 2, 1]);
        let found: Vec<f32> = shards.iter().flat_map(|shard| values(&folder.path().join(&shard.file))).collect();
        let expected = [tensor(3).data, tensor(2).data].concat();
        assert_eq!(found, expected.iter().map(|value| f16::from_f32(*value).to_f32()).collect::<Vec<_>>());
        assert!((found[0] - 1.0 / 3.0).abs() <= 2.5e-4 && found[0] != expected[0]);
        let index = std::fs::read_to_string(folder.path().join(INDEX)).unwrap();
        let lines: Vec<&str> = index.lines().collect();
        assert_eq!(lines[1], "0,0,1.2,\"p,1\",1,chest,test,,-3,0,");
        assert_eq!(lines[5], "2,0,1.10,\"p,1\",1,chest,test,,0.5,1,");
    }

    #[test]
    fn a_finished_export_is_kept_unless_forced_and_an_unfinished_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(export(folder.path(), 1, false).unwrap().len(), 5);
        assert!(matches!(export(folder.path(), 8, false), Err(ExportError::Finished(_))));
        assert_eq!(export(folder.path(), 8, true).unwrap().len(), 1);
        assert!(!folder.path().join("shard-00001.npy").exists());
        std::fs::remove_file(folder.path().join(STATEMENT)).unwrap();
        assert_eq!(export(folder.path(), 4, false).unwrap().len(), 2);
    }
}
