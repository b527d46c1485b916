//! Shutdown by token: the first signal drains, the second ends the process.

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::config::Period;

/// Exit status after a second interrupt: 128 + SIGINT, as shells report it.
const INTERRUPTED: i32 = 130;

/// The `shutdown` table of a service's configuration. How long to drain is the service's own default.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownConfig {
    /// How long SIGTERM waits for what is under way.
    pub drain: Period,
    /// How long a partition that goes to another process is held for the same. The group waits meanwhile.
    #[serde(default = "default_revoke")]
    pub revoke: Period,
}

fn default_revoke() -> Period {
    Period::from_secs(10)
}

/// Gives a token that the first SIGINT or SIGTERM cancels; a second one ends the process at once.
///
/// Needs a tokio runtime with signals enabled. Work that was committed before is safe either way: commits are atomic.
#[must_use]
pub fn cancel_on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        if next_signal().await {
            cancelled.cancel();
            if next_signal().await {
                std::process::exit(INTERRUPTED);
            }
        }
    });
    token
}

/// Waits for SIGINT or SIGTERM; false where signals cannot be listened to.
async fn next_signal() -> bool {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return tokio::signal::ctrl_c().await.is_ok();
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
        received = terminate.recv() => received.is_some(),
    }
}
