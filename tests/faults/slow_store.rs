//! A store that is far away: passes every request on after a delay. For `make bench-stream`.
//!
//! ```text
//! slow_store HOST:PORT MILLISECONDS     prints its URL, and runs until its standard input ends
//! ```

#![allow(clippy::print_stdout, reason = "who starts it reads the URL there")]

#[expect(dead_code, reason = "the harness has other faults")]
mod proxy;
#[expect(dead_code, reason = "the harness draws more from it")]
mod rng;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use proxy::{Fault, FaultProxy, Rule, Target};

/// Longer than any run.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (store, delay) = arguments.next().zip(arguments.next()).context("usage: slow_store HOST:PORT MILLISECONDS")?;
    let store: SocketAddr = store.parse().with_context(|| format!("{store} is no address"))?;
    let delay = Duration::from_millis(delay.parse().with_context(|| format!("{delay} is no number"))?);
    let proxy = FaultProxy::start(store, rng::Rng::new(0, "slow store")).await?;
    proxy.strike(Rule { target: Target::Any, fault: Fault::Delay(delay), share: 1.0, times: u32::MAX }, FOR_EVER);
    println!("{}", proxy.url());
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}
