//! The confusion table of the rule that tells body parts from images, on series whose headers name them:
//! `cargo run --release --example body_parts -- FOLDER…`
//!
//! Headers say what is right; the rule looks at the image alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bolus_inference::{AUTO, Bundle, BundleSet};
use bolus_labeling::{Progress, Router, discover, take_inventory};
use bolus_ops::CpuPool;
use bolus_storage::{Location, Spool};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (progress, cancel, cpu) = (Progress::default(), CancellationToken::new(), CpuPool::new(2)?);
    let bundles = BundleSet::find(AUTO, &Bundle::folders(&[]))?;
    let router = Router::new(Arc::new(bundles));
    let inputs = std::env::args().skip(1).map(|folder| Location::from_path(Path::new(&folder)));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let mut table: BTreeMap<(String, String), usize> = BTreeMap::new();
    for unit in discover(&inputs, &progress, &cancel).await?.into_units() {
        let mut inventory = take_inventory(unit, &Spool::new(None)?, &cpu, &progress, &cancel).await?;
        let told: Vec<_> = inventory.series.iter_mut().map(|series| series.body_part.take()).collect();
        for (series, told) in inventory.series.iter().zip(told) {
            let Some(told) = told.filter(|_| series.refusal.is_none()) else { continue };
            let routed = router.route(series, &inventory.objects, &cpu, &progress).await;
            let Some(seen) = routed.seen else { continue };
            let found = routed.body_part.map_or_else(|| "undecided".to_owned(), |found| found.joined());
            if found != told.joined() {
                println!("{}: {} by its headers, {found} by its image ({seen})", series.uid.as_str(), told.joined());
            }
            *table.entry((told.joined(), found)).or_insert(0) += 1;
        }
    }
    println!("{:<24} {:<24} series", "by headers", "by image");
    for ((told, found), count) in table {
        println!("{told:<24} {found:<24} {count}");
    }
    Ok(())
}
