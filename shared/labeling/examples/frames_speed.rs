//! Time and memory of one file of many frames against as many files: `frames_speed make FOLDER FRAMES`, then
//! `frames_speed run FOLDER/FORM` for each form, each in a process of its own, as memory is the process's peak.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bolus_labeling::{Preparer, Progress, discover, take_inventory};
use bolus_ops::CpuPool;
use bolus_preprocess::Spec;
use bolus_storage::{Location, Spool};
use bolus_testkit::{Frames, SyntheticSeries};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", folder, frames] => make(Path::new(folder), frames.parse()?)?,
        ["run", folder] => run(Path::new(folder)).await?,
        _ => return Err("expected `make FOLDER FRAMES` or `run FOLDER`".into()),
    }
    Ok(())
}

/// Frames of 256 × 256 pixels, 133 KB each, over 400 mm.
fn make(folder: &Path, frames: usize) -> std::io::Result<()> {
    let spacing = 400.0 / frames as f64;
    let series = SyntheticSeries {
        size: 256,
        pixel_spacing_mm: 1.25,
        slice_spacing_mm: spacing,
        ..SyntheticSeries::chest("1.2.3.4", frames)
    };
    for (name, form) in [
        ("native", Frames::Native),
        ("deflated", Frames::Deflated),
        ("coded", Frames::Coded),
        ("basic-table", Frames::BasicTable),
        ("extended-table", Frames::ExtendedTable),
    ] {
        std::fs::create_dir_all(folder.join(name))?;
        std::fs::write(folder.join(name).join("all.dcm"), series.enhanced(form))?;
    }
    std::fs::create_dir_all(folder.join("coded-files"))?;
    (0..frames).try_for_each(|index| {
        std::fs::write(folder.join("coded-files").join(format!("{index}.dcm")), series.coded_file(index))
    })
}

async fn run(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (progress, cancel, cpu) = (Arc::new(Progress::default()), CancellationToken::new(), CpuPool::new(2)?);
    let start = Instant::now();
    let inputs = [Location::from_path(folder)?];
    for unit in discover(&inputs, &progress, &cancel).await?.into_units() {
        let inventory = take_inventory(unit, &Spool::new(None)?, &cpu, &progress, &cancel).await?;
        let listed = start.elapsed();
        // A drawn trunk is no patient.
        let preparer = Preparer::new(Spec::published_chest(), None, cpu.clone(), Arc::clone(&progress))
            .allowing("not_a_patient,not_hounsfield".parse()?);
        for series in &inventory.series {
            let prepared = preparer.prepare(&inventory, series).await.map_err(|error| error.reason.to_string())?;
            let (slices, megabytes) = (series.slices.len(), progress.bytes_read.get() as f64 / 1e6);
            println!(
                "{}: {slices} slices, {} planned, headers {:.2} s, all {:.2} s, {megabytes:.0} MB read, {} MiB at most",
                folder.display(),
                prepared.planned,
                listed.as_secs_f64(),
                start.elapsed().as_secs_f64(),
                peak_mebibytes()?,
            );
        }
    }
    Ok(())
}

fn peak_mebibytes() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1024)
}
