//! How a study stands, as far as names, counts and times tell.

use std::time::SystemTime;

use bolus_backfill::Study;
use chrono::{DateTime, Utc};

use super::rows::Account;
use crate::cli::StudyState;

/// The state of a study of the bucket, given what the lake's rows say of it.
pub fn state_of(study: &Study, account: &Account) -> StudyState {
    let Some(newest_row) = account.newest_us else { return StudyState::Missing };
    if study.newest.is_some_and(|time| latest_us(time) > newest_row) {
        StudyState::Stale
    } else if account.failed() {
        StudyState::Failed
    } else if !study.single && !account.of_no_images() && study.objects > account.files() {
        StudyState::Partial
    } else {
        StudyState::Ok
    }
}

/// The latest moment that a store's time may stand for, in microseconds since 1970: most tell whole seconds, rounded down.
fn latest_us(time: SystemTime) -> i64 {
    let told = DateTime::<Utc>::from(time).timestamp_micros();
    if told % 1_000_000 == 0 { told + 999_999 } else { told }
}
