//! The number of files and connections that the process may hold open.

/// Below so many the operator is warned: stores, brokers, spools and clients of the metrics port share them.
const FEW: u64 = 4_096;

/// Raises the number of open files that the process may hold (`RLIMIT_NOFILE`) as far as the system lets it, and warns where that
/// is few. Failing to is no error: the work goes on with what there is. Returns the number.
pub fn raise_open_files() -> Option<u64> {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => {
            if limit < FEW {
                tracing::warn!(
                    limit,
                    wanted = FEW,
                    "few files may be open at a time: raise the hard limit (ulimit -Hn)"
                );
            }
            Some(limit)
        }
        Err(error) => {
            tracing::warn!(%error, "the number of files that may be open cannot be raised");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_open_files().unwrap();
        let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
        assert_eq!((soft, raised), (hard, hard));
    }
}
