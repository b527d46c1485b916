//! Prints the milliseconds that one slice takes, for each codec, on one core: the whole frame and centred windows of
//! 55 % and of 45 % of its sides (192 mm of a field of view of 350 mm and of 430 mm), from bytes in memory to Hounsfield
//! units; and beside them the whole frame by dicom-pixeldata, from a parsed object to stored values. Processor time of
//! this thread where the system tells it (Linux), else wall time; the mean of many repetitions.
//!
//! `cargo run --release -p bolus-ct --example decode_speed [FILE...]`; without files, the one image that
//! `tests/data/transfer-syntaxes/ctimage` holds in every codec.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bolus_ct::pixel::{decode_window_hu, frame_byte_range};
use bolus_ct::{HeaderRead, Instance, read_header};
use bolus_study::{PixelWindow, Reason};
use dicom_object::OpenFileOptions;
use dicom_pixeldata::PixelDecoder;

/// Each figure is a mean over at least so many slices and so long: the system counts processor time in steps of
/// some milliseconds.
const LEAST_REPETITIONS: u32 = 20;
const LEAST_TIME: Duration = Duration::from_millis(400);
const AIR_HU: f32 = -1024.0;

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let files = if arguments.is_empty() { image_in_every_codec() } else { arguments };
    println!("{:>9} {:>9} {:>9} {:>9}  {:<28} file", "whole", "55 %", "45 %", "dicom-rs", "transfer syntax");
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match measure(&path) {
            Ok((syntax, [whole, wide, narrow])) => {
                let theirs = dicom_rs_ms(&path).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"));
                println!("{whole:9.3} {wide:9.3} {narrow:9.3} {theirs:>9}  {syntax:<28} {name}");
            }
            Err(why) => println!("{:>39}  {why} {name}", "-"),
        }
    }
}

fn image_in_every_codec() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/transfer-syntaxes/ctimage");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Transfer syntax, and milliseconds for the whole frame and for each window.
fn measure(path: &Path) -> Result<(String, [f64; 3]), String> {
    let file = fs::read(path).map_err(|error| error.to_string())?;
    let reason = |reason: Reason| reason.code.to_string();
    let HeaderRead::Instance(instance) = read_header(&file, file.len() as u64).map_err(reason)? else {
        return Err("header beyond the file".to_owned());
    };
    let format = instance.format.as_ref().ok_or("no image")?;
    let ms = |share: f64| slice_ms(&file, &instance, centred(format.rows, format.columns, share)).map_err(reason);
    Ok((instance.transfer_syntax_uid.clone(), [ms(1.0)?, ms(0.55)?, ms(0.45)?]))
}

fn centred(rows: usize, columns: usize, share: f64) -> PixelWindow {
    let margin = |size: usize| (size as f64 * (1.0 - share) / 2.0).round() as usize;
    let (y, x) = (margin(rows), margin(columns));
    PixelWindow { y0: y, y1: rows - y, x0: x, x1: columns - x }
}

fn slice_ms(file: &[u8], instance: &Instance, window: PixelWindow) -> Result<f64, Reason> {
    let range = frame_byte_range(instance, 0, window, file.len() as u64);
    let bytes = &file[range.start as usize..range.end as usize];
    let mut hu = Vec::new();
    mean_ms(|| decode_window_hu(instance, 0, window, bytes, range.start, AIR_HU, &mut hu))
}

/// The first frame by dicom-pixeldata; `None` where it gives up.
fn dicom_rs_ms(path: &Path) -> Option<f64> {
    let object = OpenFileOptions::new().open_file(path).ok()?;
    mean_ms(|| object.decode_pixel_data_frame(0).map(|pixels| pixels.data().len())).ok()
}

fn mean_ms<T, E>(mut decode: impl FnMut() -> Result<T, E>) -> Result<f64, E> {
    let mut decoded = 0u32;
    let (processor, wall) = (processor_ns(), Instant::now());
    while decoded < LEAST_REPETITIONS || wall.elapsed() < LEAST_TIME {
        decode()?;
        decoded += 1;
    }
    let total_ms = match (processor, processor_ns()) {
        (Some(before), Some(after)) => (after - before) as f64 / 1e6,
        _ => wall.elapsed().as_secs_f64() * 1e3,
    };
    Ok(total_ms / f64::from(decoded))
}

/// Nanoseconds that this thread has run, so that a busy machine does not show.
fn processor_ns() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
