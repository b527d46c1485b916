//! Shutdown by token: the first signal drains, the second ends the process.

use tokio_util::sync::CancellationToken;

/// Exit status after a second interrupt: 128 + SIGINT, as shells report it.
const INTERRUPTED: i32 = 130;

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
