//! `bolus inspect`: what is there, without a model.

mod account;
mod files;
mod forecast;
mod series;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use bolus_labeling::{Progress, Router, discover, take_inventory};
use bolus_ops::{CpuPool, threads_or_cores};
use bolus_storage::Spool;

use self::account::Account;
use self::files::{Names, file_lines};
use self::forecast::Forecaster;
use super::{find_bundles, locations};
use crate::cli::InspectArgs;
use crate::exit;

/// Runs the command.
pub async fn run(args: InspectArgs) -> anyhow::Result<ExitCode> {
    let inputs = locations(&args.inputs)?;
    let names = Names::new(&args.inputs, &inputs);
    let bundles = Arc::new(find_bundles(&args.model)?);
    let forecaster =
        Forecaster { router: Router::new(Arc::clone(&bundles)).allowing(args.allow.allowed.clone()), bundles };
    let cpu = CpuPool::new(threads_or_cores(args.threads))?;
    let cancel = bolus_ops::cancel_on_signal();
    let progress = Progress::default();
    let spool = Spool::new(None)?;
    let mut account = Account::default();
    for unit in discover(&inputs, &progress, &cancel).await?.into_units() {
        // Digests are told file by file before the series, which need all headers of the unit.
        let inventory = take_inventory(unit, &spool, &cpu, &progress, &cancel).await?;
        let undecoded =
            if args.json { file_lines(&inventory, &cpu, &progress, &names).await? } else { BTreeMap::new() };
        let mut forecasts = Vec::with_capacity(inventory.series.len());
        for series in &inventory.series {
            let forecast = forecaster.forecast(series, &inventory, &cpu, &progress).await;
            forecasts.push(forecast.knowing(series, &undecoded));
        }
        account.unit(&inventory, forecasts, args.json)?;
    }
    account.finish(args.json)?;
    Ok(if account.series > 0 && account.files_refused.is_empty() && account.would_label == account.series {
        ExitCode::SUCCESS
    } else if account.series == 0 {
        ExitCode::from(exit::NOTHING_DONE)
    } else {
        ExitCode::from(exit::SOME_REFUSED)
    })
}
