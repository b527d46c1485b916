//! The memory that reads of outside bytes may take together, over all files and studies of the process.

use tokio::sync::{Semaphore, SemaphorePermit};

/// For headers. One reservation a file, from its first read to its last.
pub(crate) static HEADERS: Budget = Budget::of_mebibytes(256);
/// For pixel data: what is read of a frame, and its values once decoded. A CT slice takes some 3 MB.
pub(crate) static PIXELS: Budget = Budget::of_mebibytes(1024);

/// Bytes that are shared out. Static, as memory is the process's: a worker has many studies open, and each lists by itself.
pub(crate) struct Budget {
    kibibytes: Semaphore,
    total: u32,
}

impl Budget {
    const fn of_mebibytes(mebibytes: u32) -> Self {
        let total = mebibytes * 1024;
        Self { kibibytes: Semaphore::const_new(total as usize), total }
    }

    /// Waits for `bytes`, or for the whole budget where they are more than that: then one at a time goes on. Who holds a
    /// reservation must not wait for another.
    pub async fn reserve(&'static self, bytes: u64) -> Option<SemaphorePermit<'static>> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.total);
        // Never closed; without a permit the read would only use more memory.
        self.kibibytes.acquire_many(kibibytes).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_exceeds_the_budget_waits_for_all_of_it() {
        static SMALL: Budget = Budget::of_mebibytes(1);
        let all = SMALL.reserve(u64::MAX).await.unwrap();
        assert!(SMALL.kibibytes.try_acquire().is_err());
        drop(all);
        let _half = SMALL.reserve(512 * 1024).await.unwrap();
        assert_eq!(SMALL.kibibytes.available_permits(), 512);
    }
}
